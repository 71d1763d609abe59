"""Sends every stable study to Plumbline, for as long as that takes; runs inside Orthanc's Python plugin.

The queue is Orthanc's own log of changes: the number of the last change that was dealt with is kept in
a global property, so neither a restart of Orthanc nor an absent listener loses a study. What Plumbline
itself stored (reports, key objects, pictures) is not sent back to it, and neither are studies that the site's
filter leaves out.

Needs Orthanc 1.10.1 or later and its Python plugin; it uses nothing but the REST API and the global properties.
"""

import hashlib
import json
import os
import re
import threading
import time
from datetime import datetime, timedelta

import orthanc

MODALITY = os.environ.get("PLUMBLINE_MODALITY", "plumbline")
"""Key in ``DicomModalities`` of orthanc.json."""
OWN_MANUFACTURER = "Plumbline"
"""Manufacturer (0008,0070) of the objects that Plumbline makes."""
OWN_MODALITIES = frozenset({"SR", "KO", "OT", "SC", "PR"})
ROUTED_MODALITIES = frozenset(os.environ.get("PLUMBLINE_ROUTE_MODALITIES", "").replace(",", " ").upper().split())
"""A study without a series of these stays in the archive; every study is sent where none is named."""
ROUTED_TEXT = re.compile(os.environ.get("PLUMBLINE_ROUTE_TEXT", ""), re.IGNORECASE)
"""A study of which descriptions say something, and nowhere this, stays in the archive."""
STUDY_TEXTS = ("StudyDescription", "RequestedProcedureDescription")
SERIES_TEXTS = ("SeriesDescription", "BodyPartExamined", "ProtocolName")
CURSOR_PROPERTY = 5467
"""Global property that holds the number of the last change dealt with."""
SENT_METADATA = "4010"
"""Study metadata (``plumbline-sent``): which instances of which series were delivered, or refused."""
LEFT_OUT_METADATA = "4015"
"""Study metadata (``plumbline-left-out``): why the filter did not let a study through; the reconciler heeds it."""
PAGE = 100
CHUNK = 200
"""Instances in one job: what was delivered is noted after each, so an outage repeats at most one."""
IDLE_WAIT_S = 5.0
FIRST_POLL_S, LONGEST_POLL_S = 0.02, 0.2
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
UNCLEAR_BEFORE_GOING_ON = 5
"""A peer that answers an echo, and yet something fails without a reason so often, will not take it."""
AFTER_START_S = 10.0
"""Time for modalities to go on with what an end of Orthanc broke off; then their studies become stable as ever."""
UNSTABLE_AT_MOST = timedelta(minutes=2)
"""Studies with an instance so shortly before the end may have been unstable: well more than any StableAge in use."""
STATUS = re.compile(r"DIMSE status 0x([0-9A-F]{4})", re.IGNORECASE)
"""How every release since 1.7 words the refusal of an instance in a job's ErrorDetails."""
NOT_NEGOTIATED = "No valid presentation context was negotiated"
OUT_OF_RESOURCES = "A7"


class Deleted(Exception):
    """The study is not there any more."""


class Changed(Exception):
    """Instances were deleted while their receiver was away."""


class Stopping(Exception):
    """Orthanc is shutting down."""


def get(path):
    """Answer of one GET on the REST API."""
    return json.loads(orthanc.RestApiGet(path))


def is_own(series):
    """Whether Plumbline made this series."""
    tags = series["MainDicomTags"]
    return tags.get("Manufacturer", "").strip() == OWN_MANUFACTURER and tags.get("Modality", "") in OWN_MODALITIES


def short(instance):
    """Beginning of Orthanc's identifier of an instance, a SHA-1: enough to tell the instances of a study apart."""
    return instance.replace("-", "")[:12]


def foreign_series(study):
    """The study's series that others made."""
    try:
        return [one for one in get(f"/studies/{study}/series") if not is_own(one)]
    except orthanc.OrthancException as error:
        raise Deleted from error


def wanted_of(study):
    """Instances of the study's foreign series, by series."""
    return {one["ID"]: sorted(one["Instances"]) for one in foreign_series(study)}


def why_left_out(study):
    """What the site's filter has against a study, in words; nothing where it is to be sent."""
    series = foreign_series(study)
    modalities = {one["MainDicomTags"].get("Modality", "").strip().upper() for one in series}
    if ROUTED_MODALITIES and ROUTED_MODALITIES.isdisjoint(modalities):
        return f"no series of {', '.join(sorted(ROUTED_MODALITIES))}"
    if not ROUTED_TEXT.pattern:
        return ""
    texts = [get(f"/studies/{study}")["MainDicomTags"].get(name, "") for name in STUDY_TEXTS]
    texts += [one["MainDicomTags"].get(name, "") for one in series for name in SERIES_TEXTS]
    said = [text for text in texts if text.strip()]
    return "no description names what is routed" if said and not any(map(ROUTED_TEXT.search, said)) else ""


def is_let_through(study):
    """Whether the filter lets a study through; where it does not, that is noted on the study, for the reconciler."""
    reason = why_left_out(study) if ROUTED_MODALITIES or ROUTED_TEXT.pattern else ""
    if reason:
        orthanc.RestApiPut(f"/studies/{study}/metadata/{LEFT_OUT_METADATA}", reason)
    elif has_metadata(study, LEFT_OUT_METADATA, "plumbline-left-out"):
        orthanc.RestApiDelete(f"/studies/{study}/metadata/{LEFT_OUT_METADATA}")
    return not reason


def has_metadata(study, number, name):
    """Whether a study has a metadata, which Orthanc lists by its name where that is registered."""
    try:
        return not {number, name}.isdisjoint(get(f"/studies/{study}/metadata"))
    except orthanc.OrthancException as error:
        raise Deleted from error


def delivered(study, wanted):
    """What was dealt with before, by series: the short identifiers of its instances."""
    if not has_metadata(study, SENT_METADATA, "plumbline-sent"):
        return {}
    noted = json.loads(orthanc.RestApiGet(f"/studies/{study}/metadata/{SENT_METADATA}"))
    return {series: known(value, wanted.get(series, [])) for series, value in noted.items()}


def known(noted, instances):
    """What a note means: a list, or (as it was written at first) a digest of all instances of a series."""
    if isinstance(noted, list):
        return set(noted)
    digest = hashlib.sha256(" ".join(instances).encode()).hexdigest()[:16]
    return {short(instance) for instance in instances} if digest == noted else set()


def touched_before(last):
    """Studies that got instances shortly before the change with this number, which was the last of its time."""
    touched, until, earliest = set(), last, None
    while until > 0:
        since = max(0, until - PAGE)
        page = [one for one in get(f"/changes?since={since}&limit={PAGE}")["Changes"] if one["Seq"] <= until]
        for change in reversed(page):
            at = datetime.strptime(change["Date"], "%Y%m%dT%H%M%S")  # noqa: DTZ007  only compared with each other
            earliest = earliest or at - UNSTABLE_AT_MOST
            if at < earliest:
                return touched
            if change["ChangeType"] == "NewInstance":
                touched |= study_of(change["ID"])
        until = since
    return touched


def study_of(instance):
    """The study of an instance, empty where it was deleted since."""
    try:
        return {get(f"/instances/{instance}/study")["ID"]}
    except orthanc.OrthancException:
        return set()


class Router(threading.Thread):
    """One thread: reads the changes in their order and delivers each stable study before it goes on.

    An Orthanc that is killed never says of the studies that it was receiving that they are stable, so those are
    looked at once after each start.
    """

    def __init__(self):
        super().__init__(name="plumbline-router", daemon=True)
        self._bell = threading.Event()
        self._stopping = threading.Event()
        last = get("/changes?last")["Last"]
        self._looks_back_from = last if orthanc.GetGlobalProperty(CURSOR_PROPERTY, "") else 0
        self._looks_back_at = time.monotonic() + AFTER_START_S
        if not orthanc.GetGlobalProperty(CURSOR_PROPERTY, ""):
            self._remember(last)

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
                self._look_back()
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

    def _look_back(self):
        """Deliver what an end of Orthanc may have kept from becoming stable, once; what grows again will by itself."""
        if not self._looks_back_from or time.monotonic() < self._looks_back_at:
            return
        for study in touched_before(self._looks_back_from):
            try:
                if get(f"/studies/{study}")["IsStable"]:
                    self._deliver(study)
            except (Deleted, orthanc.OrthancException):
                orthanc.LogInfo("plumbline-router: a study was deleted before it was looked at")
        self._looks_back_from = 0

    def _remember(self, sequence):
        orthanc.SetGlobalProperty(CURSOR_PROPERTY, str(sequence))

    def _deliver(self, study):
        """Send the instances that were not sent yet; returns when each is delivered or refused."""
        if not is_let_through(study):
            return
        while True:
            wanted = wanted_of(study)
            done = delivered(study, wanted)
            owed = [(s, i) for s, instances in wanted.items() for i in instances if short(i) not in done.get(s, ())]
            if not owed:
                return
            chunk = owed[:CHUNK]
            try:
                refused = self._account_for(study, [instance for _, instance in chunk])
            except Changed:
                continue
            if refused:
                orthanc.LogWarning(f"plumbline-router: {len(refused)} instances of study {study} were refused")
            for series, instance in chunk:
                done.setdefault(series, set()).add(short(instance))
            note = json.dumps({series: sorted(instances) for series, instances in done.items()})
            orthanc.RestApiPut(f"/studies/{study}/metadata/{SENT_METADATA}", note)

    def _account_for(self, study, instances):
        """Send instances; those that are refused, found by halving what a refusal broke off."""
        if self._is_taken(study, instances):
            return []
        if len(instances) == 1:
            return instances
        middle = len(instances) // 2
        return self._account_for(study, instances[:middle]) + self._account_for(study, instances[middle:])

    def _is_taken(self, study, instances):
        """Send instances with endless patience for a receiver that is away or full; false where one is refused."""
        wait_s, unclear = FIRST_WAIT_S, 0
        while True:
            job = self._send(instances)
            if job["State"] == "Success":
                return True
            if self._refuses_content(job):
                return False
            if self._echoes() and not self._has_no_room(job):
                unclear += 1
                if unclear >= UNCLEAR_BEFORE_GOING_ON:
                    return False
            orthanc.LogWarning(f"plumbline-router: study {study} waits {wait_s:.0f} s for its receiver")
            if self._stopping.wait(wait_s):
                raise Stopping
            if not set(instances) <= {one for series in wanted_of(study).values() for one in series}:
                raise Changed
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _send(self, instances):
        """Run one C-STORE job to its end; it stops at the first instance that is not taken."""
        order = {"Resources": instances, "Synchronous": False, "Permissive": False}
        job_id = json.loads(orthanc.RestApiPost(f"/modalities/{MODALITY}/store", json.dumps(order)))["ID"]
        poll_s = FIRST_POLL_S
        while True:
            job = get(f"/jobs/{job_id}")
            if job["State"] in ("Success", "Failure"):
                return job
            if self._stopping.wait(poll_s):
                raise Stopping
            poll_s = min(2 * poll_s, LONGEST_POLL_S)

    def _refuses_content(self, job):
        """Whether the receiver said that it does not take an instance for what it is."""
        told = job.get("ErrorDetails", "")
        return NOT_NEGOTIATED in told or (bool(STATUS.search(told)) and not self._has_no_room(job))

    def _has_no_room(self, job):
        status = STATUS.search(job.get("ErrorDetails", ""))
        return status is not None and status.group(1).upper().startswith(OUT_OF_RESOURCES)

    def _echoes(self):
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
