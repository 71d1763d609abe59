"""What became of the exams, as an operator sees it: states, times, and the reports in the archive."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from pydicom import Dataset, dcmread

from plumbline.adapters.database.engine import Store, create_store_engine
from plumbline.adapters.database.exams import DatabaseExams
from plumbline.adapters.database.steps import DatabaseSteps
from plumbline.errors import InvalidInput, Unavailable
from plumbline.observability.clock import SystemClock
from plumbline.pipeline.ports import Exam, ExamState, StepName

FINAL = frozenset({ExamState.DONE, ExamState.NOT_APPLICABLE, ExamState.FAILED})
TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Waited:
    """How long an exam waited, from its last instance to each priority; None where it got none."""

    provisional_s: float | None
    priority_s: float | None


class Watch:
    """Reads the store and the network faces of a running stack; writes nothing."""

    def __init__(self, store_url: str, worklist_url: str, orthanc_url: str) -> None:
        store = Store(create_store_engine(store_url))
        self._exams = DatabaseExams(store)
        self._steps = DatabaseSteps(store, SystemClock(), lease_s=1.0, maximum_attempts=1)
        self._worklist_url = worklist_url
        self._orthanc_url = orthanc_url

    def exam(self, study_instance_uid: str) -> Exam | None:
        """The exam, or None before its first instance was recorded."""
        try:
            return self._exams.exam(study_instance_uid)
        except InvalidInput:
            return None

    def is_final(self, study_instance_uid: str, revision: int) -> bool:
        """Whether the path has ended for at least this revision."""
        exam = self.exam(study_instance_uid)
        return exam is not None and exam.state in FINAL and exam.revision >= revision

    def wait(
        self,
        wanted: Iterable[tuple[str, int]],
        *,
        timeout_s: float,
        progress: Callable[[int], None],
        still_alive: Callable[[], None],
    ) -> None:
        """Wait until the path has ended for every (study, revision).

        Raises
        ------
        Unavailable
            After ``timeout_s``, with the exams that are not done; or whatever ``still_alive`` raises.
        """
        open_ones = set(wanted)
        deadline = time.monotonic() + timeout_s
        total = len(open_ones)
        while open_ones:
            still_alive()
            open_ones = {each for each in open_ones if not self.is_final(*each)}
            progress(total - len(open_ones))
            if open_ones and time.monotonic() > deadline:
                stuck = ", ".join(self._words(uid) for uid, _ in sorted(open_ones))
                raise Unavailable(f"{len(open_ones)} exams did not come to an end in {timeout_s:.0f} s ({stuck})")
            time.sleep(0.3)

    def _words(self, study_instance_uid: str) -> str:
        exam = self.exam(study_instance_uid)
        return f"{study_instance_uid[-8:]}: {'never arrived' if exam is None else f'{exam.state.value}, {exam.note}'}"

    def waited(self, study_instance_uid: str) -> Waited:
        """Times of the newest revision."""
        found = [
            self._steps.latest_result(study_instance_uid, name).get("since_last_instance_s")
            for name in (StepName.PROVISIONAL, StepName.TRIAGE)
        ]
        return Waited(*found)

    def worklist(self) -> list[dict[str, Any]]:
        """Open readings in the order of the worklist, over UPS-RS."""
        return self._json(f"{self._worklist_url}/dicom-web/workitems?limit=500&includefield=all")

    def entries(self) -> list[dict[str, Any]]:
        """The worklist as its page shows it."""
        return self._json(f"{self._worklist_url}/api/worklist?limit=500")["entries"]

    def result(self, study_instance_uid: str) -> dict[str, Any] | None:
        """Result document of an exam; None where there is none."""
        try:
            return self._json(f"{self._worklist_url}/api/exams/{study_instance_uid}")["result"]
        except HTTPError as error:
            if error.code == 404:
                return None
            raise

    def reports(self, study_instance_uid: str) -> list[Dataset]:
        """Structured reports that the archive holds of a study, the one that supersedes the others first."""
        query = {"Level": "Instance", "Query": {"StudyInstanceUID": study_instance_uid, "Modality": "SR"}}
        found = self._json(f"{self._orthanc_url}/tools/find", json.dumps(query).encode())
        reports = [self._dataset(f"{self._orthanc_url}/instances/{handle}/file") for handle in found]
        superseded = {uid for report in reports for uid in predecessors(report)}
        return sorted(reports, key=lambda report: str(report.SOPInstanceUID) in superseded)

    def _dataset(self, url: str) -> Dataset:
        with urlopen(url, timeout=TIMEOUT_S) as answer:
            return dcmread(BytesIO(answer.read()))

    def _json(self, url: str, body: bytes | None = None) -> Any:
        with urlopen(Request(url, data=body, headers={"Accept": "application/json"}), timeout=TIMEOUT_S) as answer:
            content = answer.read()
        return json.loads(content) if content else []


def predecessors(report: Dataset) -> list[str]:
    """SOP Instance UIDs of the reports that a report supersedes."""
    return [
        str(reference.ReferencedSOPInstanceUID)
        for study in report.get("PredecessorDocumentsSequence") or ()
        for series in study.ReferencedSeriesSequence
        for reference in series.ReferencedSOPSequence
    ]
