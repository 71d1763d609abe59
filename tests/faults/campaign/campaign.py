"""One campaign from its seed to its verdicts: send, strike, wait until nothing moves any more, judge."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from plumbline.adapters.database.engine import Store
from plumbline.demo.watching import Watch
from plumbline.errors import Unavailable
from tests.faults.campaign.accounting import Verdict, Wrong, is_poison_visible, judge
from tests.faults.campaign.findings import Standing, failures_counted, findings, is_ready, standing
from tests.faults.campaign.modality import Modalities
from tests.faults.campaign.patients import Kind, PlannedExam, planned_patients, rendered_volumes
from tests.faults.campaign.plan import Blow, Fault, timetable
from tests.faults.campaign.system import System, running_system

LOOK_EVERY_S = 1.0
QUIET_S = 15.0
"""How long nothing may have been open before all is taken to be over: late news opens an exam again after seconds."""
READY_WITHIN_S = 240.0
"""Longer than the silence of a queue that ``/health/ready`` puts up with."""


@dataclass(frozen=True)
class Terms:
    """What is asked of a campaign.

    Parameters
    ----------
    strikes_s
        Length of the time in which faults are struck, from the first exam that is sent.
    stall_s
        Without any step ending for so long, what is open then is stuck.
    limit_s
        So long a campaign lasts at most.
    """

    seed: int
    exams: int
    strikes_s: float
    limit_s: float
    stall_s: float = 300.0


@dataclass(frozen=True)
class Outcome:
    """What a campaign came to."""

    terms: Terms
    verdicts: Sequence[Verdict]
    struck: Counter[str]
    kills: int
    messages_doubled: int
    ended_alone: Counter[str]
    is_ready: bool
    is_poison_visible: bool
    settled_s: float
    """From the first exam sent to the last one that came to an end."""

    def count(self, wrong: Wrong) -> int:
        """How many exams are lost, doubled or stuck."""
        return sum(each.wrong is wrong for each in self.verdicts)

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong at all."""
        return self.is_ready and self.is_poison_visible and not any(each.wrong for each in self.verdicts)

    @property
    def figures(self) -> dict[str, float | int]:
        """The figures of ``make faults`` (design section 4)."""
        found = [each.found for each in self.verdicts]
        return {
            "exams": len(self.verdicts),
            "kills": self.kills,
            "lost": self.count(Wrong.LOST),
            "doubled": self.count(Wrong.DOUBLED),
            "stuck": self.count(Wrong.STUCK),
            "poison_visible": int(self.is_poison_visible),
            "ready": int(self.is_ready),
            "seed": self.terms.seed,
            "faults": self.struck.total(),
            "redis_emptied": self.struck["redis empty"],
            "redis_restarts": self.struck["redis start"],
            "postgresql_restarts": self.struck["postgresql start"],
            "orthanc_restarts": self.struck["orthanc start"],
            "messages_doubled": self.messages_doubled,
            "reports_superseded": sum(each.reports - each.current_reports for each in found),
            "processes_ended_alone": self.ended_alone.total(),
            "settled_s": round(self.settled_s, 1),
        }


@dataclass
class Campaign:
    """Carries out one campaign.

    Parameters
    ----------
    folder
        Where files, data and logs lie.
    told
        Given (seconds since the first exam was sent, a line) for everything that happens.
    progress
        Given (exams sent, exams ended, exams in all) from time to time.
    """

    terms: Terms
    folder: Path
    told: Callable[[float, str], None]
    progress: Callable[[int, int, int], None]
    _began: float = field(default_factory=time.monotonic)
    _everything_ended: threading.Event = field(default_factory=threading.Event)

    def run(self, cache: Path) -> Outcome:
        """Run it to its end; ``cache`` keeps rendered volumes."""
        patients = planned_patients(self.terms.seed, self.terms.exams)
        volumes = rendered_volumes(patients, cache, self._tell)
        exams = [exam for patient in patients for exam in patient]
        poison = next(exam.study_instance_uid for exam in exams if exam.kind is Kind.POISON)
        faults = timetable(self.terms.seed, exams=self.terms.exams, lasts_s=self.terms.strikes_s)
        with running_system(
            self.folder,
            poison=poison,
            seed=self.terms.seed,
            told=self._tell,
            progress=lambda name: self._tell(f"starting {name}"),
        ) as system:
            self._began = time.monotonic()
            port = system.stack.ports.orthanc_dicom
            modalities = Modalities(patients, volumes, self.folder / "outgoing", port, self._tell)
            try:
                settled_s = self._strike_and_wait(system, modalities, exams, faults)
                return self._judged(system, exams, settled_s)
            finally:
                self._everything_ended.set()
                modalities.stop()

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def _tell(self, line: str) -> None:
        self.told(self._elapsed_s, line)

    def _strike_and_wait(
        self, system: System, modalities: Modalities, exams: Sequence[PlannedExam], faults: Sequence[Fault]
    ) -> float:
        with ThreadPoolExecutor(1, thread_name_prefix="striker") as striker:
            striking = striker.submit(self._strike, system, faults)
            try:
                return self._wait(system, modalities, exams, striking)
            finally:
                self._everything_ended.set()

    def _strike(self, system: System, faults: Sequence[Fault]) -> None:
        """Carry out the timetable; what would strike after every exam has ended is left out, but servers come back."""
        for fault in faults:
            is_over = self._everything_ended.wait(max(0.0, fault.at_s - self._elapsed_s))
            if not is_over or fault.blow is Blow.START:
                system.strike(fault)

    def _wait(
        self, system: System, modalities: Modalities, exams: Sequence[PlannedExam], striking: Future[None]
    ) -> float:
        """Wait until every exam has ended, or nothing moves any more; the time at which the last one ended."""
        store, seen, moved_s = system.store, None, 0.0
        while self._elapsed_s < self.terms.limit_s:
            time.sleep(LOOK_EVERY_S)
            now = _standing_or_none(store)
            if now is None:
                continue
            if now != seen:
                seen, moved_s = now, self._elapsed_s
            ended = now.ended(exams)
            self.progress(modalities.sent, ended, len(exams))
            still_s = self._elapsed_s - moved_s
            if modalities.are_done and ended == len(exams) and not now.open_steps and still_s > QUIET_S:
                self._everything_ended.set()
                if striking.done():
                    striking.result()
                    return moved_s
            elif still_s > self.terms.stall_s and striking.done():
                break
        self._tell("nothing moves any more, and not every exam has ended")
        return self._elapsed_s

    def _judged(self, system: System, exams: Sequence[PlannedExam], settled_s: float) -> Outcome:
        stack = system.stack
        ready = _becomes(lambda: is_ready(stack.worklist_url), READY_WITHIN_S)
        watch = Watch(system.database_url, stack.worklist_url, stack.orthanc_url)
        found = findings(exams, system.store, watch, stack.worklist_url)
        verdicts = [judge(exam, each) for exam, each in zip(exams, found, strict=True)]
        poison = next(each for each in verdicts if each.exam.kind is Kind.POISON)
        return Outcome(
            terms=self.terms,
            verdicts=verdicts,
            struck=system.struck,
            kills=system.kills,
            messages_doubled=system.proxy.doubled,
            ended_alone=system.ended_alone,
            is_ready=ready,
            is_poison_visible=is_poison_visible(poison.found) and failures_counted(stack.worklist_url) > 0,
            settled_s=settled_s,
        )


def _standing_or_none(store: Store) -> Standing | None:
    try:
        return standing(store)
    except Unavailable:
        return None  # it is being restarted


def _becomes(condition: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY_S)
    return True
