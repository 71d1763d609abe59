"""Sends every stable study to Plumbline, for as long as that takes; runs inside Orthanc's Python plugin.

The queue is Orthanc's own log of changes: the number of the last change that was dealt with is kept in
a global property, so neither a restart of Orthanc nor an absent listener loses a study. What Plumbline
itself stored (reports, key objects, pictures) is not sent back to it.

Needs Orthanc 1.10.1 or later and its Python plugin; it uses nothing but the REST API and the global properties.
"""

import hashlib
import json
import os
import threading

import orthanc

MODALITY = os.environ.get("PLUMBLINE_MODALITY", "plumbline")
"""Key in ``DicomModalities`` of orthanc.json."""
OWN_MANUFACTURER = "Plumbline"
"""Manufacturer (0008,0070) of the objects that Plumbline makes."""
OWN_MODALITIES = frozenset({"SR", "KO", "OT", "SC", "PR"})
CURSOR_PROPERTY = 5467
"""Global property that holds the number of the last change dealt with."""
SENT_METADATA = "4010"
"""Study metadata (``plumbline-sent``): which series were delivered, and with which instances."""
PAGE = 100
IDLE_WAIT_S = 5.0
POLL_S = 0.1
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
REFUSALS_BEFORE_GOING_ON = 1
"""A peer that answers an echo but refuses instances has its reasons: what it accepts is delivered, and that is all."""
OUT_OF_RESOURCES = ("0xa7", "0xA7")


class Deleted(Exception):
    """The study is not there any more."""


class Stopping(Exception):
    """Orthanc is shutting down."""


def get(path):
    """Answer of one GET on the REST API."""
    return json.loads(orthanc.RestApiGet(path))


def is_own(series):
    """Whether Plumbline made this series."""
    tags = series["MainDicomTags"]
    return tags.get("Manufacturer", "").strip() == OWN_MANUFACTURER and tags.get("Modality", "") in OWN_MODALITIES


def fingerprints(study):
    """The study's foreign series, each with a digest of the instances it has now."""
    try:
        series = get(f"/studies/{study}/series")
    except orthanc.OrthancException as error:
        raise Deleted from error
    return {
        one["ID"]: hashlib.sha256(" ".join(sorted(one["Instances"])).encode()).hexdigest()[:16]
        for one in series
        if not is_own(one)
    }


def delivered(study):
    """What was delivered of a study before."""
    if SENT_METADATA not in {name_or_number(entry) for entry in get(f"/studies/{study}/metadata")}:
        return {}
    return json.loads(orthanc.RestApiGet(f"/studies/{study}/metadata/{SENT_METADATA}"))


def name_or_number(entry):
    """Orthanc lists registered metadata by their names."""
    return SENT_METADATA if entry == "plumbline-sent" else entry


class Router(threading.Thread):
    """One thread: reads the changes in their order and delivers each stable study before it goes on."""

    def __init__(self):
        super().__init__(name="plumbline-router", daemon=True)
        self._bell = threading.Event()
        self._stopping = threading.Event()
        if not orthanc.GetGlobalProperty(CURSOR_PROPERTY, ""):
            self._remember(get("/changes?last")["Last"])

    def ring(self):
        """Something may have become stable."""
        self._bell.set()

    def finish(self):
        """Stop at the next safe point; what is under way is taken up again after the restart."""
        self._stopping.set()
        self._bell.set()
        self.join(timeout=10)

    def run(self):
        """Follow the changes until Orthanc stops."""
        while not self._stopping.is_set():
            try:
                if self._drain():
                    continue
            except Stopping:
                return
            except Exception as error:  # noqa: BLE001  the thread must outlive any surprise of the REST API
                orthanc.LogError(f"plumbline-router: {error!r}; trying again")
                self._stopping.wait(FIRST_WAIT_S)
            self._bell.wait(IDLE_WAIT_S)
            self._bell.clear()

    def _drain(self):
        """Deal with one page of changes; true when there are more."""
        since = int(orthanc.GetGlobalProperty(CURSOR_PROPERTY, "0"))
        page = get(f"/changes?since={since}&limit={PAGE}")
        for change in page["Changes"]:
            if change["ChangeType"] == "StableStudy":
                try:
                    self._deliver(change["ID"])
                except Deleted:
                    orthanc.LogInfo("plumbline-router: a study was deleted before it was sent")
            self._remember(change["Seq"])
        return not page["Done"]

    def _remember(self, sequence):
        orthanc.SetGlobalProperty(CURSOR_PROPERTY, str(sequence))

    def _deliver(self, study):
        """Send the series that were not sent as they are now; returns when they are delivered."""
        wait_s, refusals = FIRST_WAIT_S, 0
        while True:
            wanted, sent = fingerprints(study), delivered(study)
            owed = [series for series, digest in wanted.items() if sent.get(series) != digest]
            if not owed:
                return
            job = self._send(owed, permissive=refusals > 0)
            if job["State"] == "Success":
                failed = job["Content"].get("FailedInstancesCount", 0)
                if failed:
                    orthanc.LogWarning(f"plumbline-router: {failed} instances of study {study} were refused")
                if not failed or refusals >= REFUSALS_BEFORE_GOING_ON:
                    orthanc.RestApiPut(f"/studies/{study}/metadata/{SENT_METADATA}", json.dumps(wanted))
                    return
            if self._refuses_content(job):
                refusals += 1
            orthanc.LogWarning(f"plumbline-router: study {study} waits {wait_s:.0f} s for its receiver")
            if self._stopping.wait(wait_s):
                raise Stopping
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _send(self, series, permissive):
        """Run one C-STORE job to its end."""
        order = {"Resources": series, "Synchronous": False, "Permissive": permissive}
        job_id = json.loads(orthanc.RestApiPost(f"/modalities/{MODALITY}/store", json.dumps(order)))["ID"]
        while True:
            job = get(f"/jobs/{job_id}")
            if job["State"] in ("Success", "Failure"):
                return job
            if self._stopping.wait(POLL_S):
                raise Stopping

    def _refuses_content(self, job):
        """Whether the receiver is there and has room, and still does not take everything."""
        if any(code in job.get("ErrorDetails", "") for code in OUT_OF_RESOURCES):
            return False
        try:
            orthanc.RestApiPost(f"/modalities/{MODALITY}/echo", "{}")
        except orthanc.OrthancException:
            return False
        return True


running = []
"""The router of this Orthanc, once it has started."""


def on_change(change_type, level, resource):
    """Start with Orthanc, wake up for stable studies, stop with Orthanc."""
    if change_type == orthanc.ChangeType.ORTHANC_STARTED:
        running.append(Router())
        running[-1].start()
    elif change_type == orthanc.ChangeType.STABLE_STUDY and running:
        running[-1].ring()
    elif change_type == orthanc.ChangeType.ORTHANC_STOPPED and running:
        running.pop().finish()


orthanc.RegisterOnChangeCallback(on_change)
