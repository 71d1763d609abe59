"""The cohort of the demonstration: virtual patients, their exams, and what the path has to find in them.

Everything follows from the seed. The expectation is for scoring only; nothing of it is in the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumbline.imaging.volume import Volume
from plumbline.phantom.ct_files import VENDORS, ExamHeader, exam_moment
from plumbline.phantom.fixation import Fixation, displaced, fixate
from plumbline.phantom.hardware import Implant, Material, SpacerDesign
from plumbline.phantom.scanner import BONE, SOFT, Protocol, render
from plumbline.phantom.scene import Posture, Scene
from plumbline.phantom.spine import VirtualSpine, draw_spine

Points = NDArray[Any]

SEED = 20260302
ISSUER = "PHANTOM-HOSPITAL"
OTHER_ISSUER = "OTHER-HOSPITAL"
SURGERY = date(2026, 3, 2)
BASELINE_DAY, CURRENT_DAY, PREOPERATIVE_DAY = 4, 98, -21
"""Days from the operation."""


@dataclass(frozen=True, eq=False)
class VirtualExam:
    """One exam: what lies in the scanner, how it is scanned, what its header says, and how it is sent.

    ``parts`` is in how many goes it is sent; ``truncated`` numbers the instances that are cut short.
    """

    header: ExamHeader
    scene: Scene
    protocol: Protocol
    seed: int
    role: str
    parts: int = 1
    truncated: tuple[int, ...] = ()

    def volume(self) -> Volume:
        """The rendered CT."""
        return render(self.scene, self.protocol, self.seed)


@dataclass(frozen=True)
class Expectation:
    """What the path has to find in the last exam.

    ``statuses`` maps check names to the statuses that are right; ``translation_mm`` is the truth against
    the vertebra below, (posterior, cranial, left), None where nothing can be measured.
    """

    is_on_worklist: bool
    priorities: tuple[str, ...] = ()
    statuses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    level: str | None = None
    translation_mm: tuple[float, float, float] | None = None
    has_baseline: bool = False


@dataclass(frozen=True, eq=False)
class VirtualPatient:
    """One patient: exams in the order of their dates, and the expectation for the last one."""

    name: str
    exams: tuple[VirtualExam, ...]
    expectation: Expectation


STABLE = {"spacer-migration": ("negative",), "level-error": ("negative",)}
MOVED = {"spacer-migration": ("positive",), "level-error": ("negative",)}
UNCOMPARED = {"spacer-migration": ("indeterminate",), "level-error": ("negative",)}


def cohort(seed: int = SEED) -> tuple[VirtualPatient, ...]:
    """All patients of the demonstration."""
    return tuple(_patients(seed))


def _patients(seed: int) -> Iterator[VirtualPatient]:
    yield _Maker("Stable", seed, 1).patient(_operated((0, 0, 0), STABLE, ("ROUTINE",)), with_preoperative=True)
    yield _Maker("MovedBack", seed, 2).patient(_operated((3.0, 0, 0), MOVED, ("URGENT", "STAT")))
    yield _Maker("InCanal", seed, 3, design=SpacerDesign.BULLET).patient(_operated((9.5, 0, 0), MOVED, ("STAT",)))
    yield _Maker("Subsided", seed, 4, material=Material.PEEK).patient(_operated((0, -3.5, 0), MOVED, ("URGENT",)))
    yield _Maker("WrongLevel", seed, 5, operated=("L3", "L4")).patient(
        Expectation(
            True,
            ("URGENT",),
            {"spacer-migration": ("negative",), "level-error": ("positive",)},
            "L3-L4",
            (0.0, 0.0, 0.0),
            has_baseline=True,
        )
    )
    yield _Maker("NoBaseline", seed, 6).patient(
        Expectation(True, ("ROUTINE",), UNCOMPARED, "L4-L5"), with_baseline=False
    )
    yield _Maker("ForeignBaseline", seed, 7).patient(
        Expectation(True, ("ROUTINE",), UNCOMPARED, "L4-L5"), baseline_issuer=OTHER_ISSUER
    )
    yield _Maker("TwoHalves", seed, 8, material=Material.PEEK).patient(
        _operated((0, 0, 0), STABLE, ("ROUTINE",)), parts=2
    )
    yield _Maker("NeverOperated", seed, 9).never_operated()
    yield _Maker("Chest", seed, 10).chest()
    yield _Maker("CorruptInstance", seed, 11).patient(
        replace(_operated((0, 0, 0), STABLE, ("ROUTINE",)), translation_mm=None, statuses=UNCUT), truncated=(3,)
    )


UNCUT = {"spacer-migration": ("negative", "indeterminate")}
"""A slice that is cut short leaves a gap: measured beside it or refused with the reason, both are right."""


def _operated(
    translation_mm: tuple[float, float, float], statuses: Mapping[str, tuple[str, ...]], priorities: tuple[str, ...]
) -> Expectation:
    return Expectation(True, priorities, statuses, "L4-L5", translation_mm, has_baseline=True)


class _Maker:
    """Draws one patient: spine, implants, postures, protocols and headers from one random stream."""

    def __init__(
        self,
        name: str,
        seed: int,
        number: int,
        *,
        operated: tuple[str, str] = ("L4", "L5"),
        material: Material = Material.TITANIUM,
        design: SpacerDesign = SpacerDesign.BULLET,
    ) -> None:
        self.name = name
        self._number = number
        self._seed = seed + number
        self._rng = np.random.default_rng((seed, number))
        self._spine: VirtualSpine = draw_spine(self._seed, lumbar=5)
        self._fixation = Fixation(*operated, material=material, design=design)
        self._born = date(1948, 1, 1) + timedelta(days=int(self._rng.integers(0, 14_000)))
        self._sex = "F" if number % 2 else "M"

    def patient(
        self,
        expectation: Expectation,
        *,
        with_preoperative: bool = False,
        with_baseline: bool = True,
        baseline_issuer: str = ISSUER,
        parts: int = 1,
        truncated: tuple[int, ...] = (),
    ) -> VirtualPatient:
        """A patient operated on 2 March 2026, planned at L4-L5, with a follow-up."""
        implants = fixate(self._spine, self._fixation)
        exams = []
        if with_preoperative:
            exams.append(self._exam("preoperative", (), PREOPERATIVE_DAY, "Planned TLIF L4-L5"))
        if with_baseline:
            reason = "Postop control day 4 after TLIF L4-L5"
            exams.append(self._exam("baseline", implants, BASELINE_DAY, reason, issuer=baseline_issuer))
        motion = np.array(expectation.translation_mm or (0.0, 0.0, 0.0))
        moved = (*implants[:-1], displaced(implants[-1], motion, np.zeros(3)))
        current = self._exam("current", moved, CURRENT_DAY, f"s/p TLIF L4-L5 {SURGERY.isoformat()}, control")
        exams.append(replace(current, parts=parts, truncated=truncated))
        return VirtualPatient(self.name, tuple(exams), expectation)

    def never_operated(self) -> VirtualPatient:
        """A lumbar spine with back pain and no operation."""
        exam = self._exam("current", (), CURRENT_DAY, "Low back pain, no prior surgery")
        return VirtualPatient(self.name, (exam,), Expectation(is_on_worklist=False))

    def chest(self) -> VirtualPatient:
        """A CT of the chest."""
        exam = self._exam("current", (), CURRENT_DAY, "Cough, rule out pneumonia")
        header = replace(exam.header, study_description="CT Chest", body_part="CHEST")
        top = exam.scene.centre_lps_mm(self._spine.names[0]) + np.array([0.0, -40.0, 0.0])
        x, y, z = top.tolist()
        protocol = replace(exam.protocol, slices=40, spacing_mm=2.0, thickness_mm=2.0, centre_lps_mm=(x, y, z))
        chest = replace(exam, header=header, protocol=protocol)
        return VirtualPatient(self.name, (chest,), Expectation(is_on_worklist=False))

    def _exam(
        self, role: str, implants: tuple[Implant, ...], day: int, reason: str, *, issuer: str = ISSUER
    ) -> VirtualExam:
        bend = Posture.draw(self._spine.names, self._rng, bend_deg=4.0, shift_mm=25.0, turn_deg=8.0)
        fused = {self._fixation.above: np.zeros(3)} if implants else {}
        posture = replace(bend, bends_deg={**bend.bends_deg, **fused})
        scene = Scene(self._spine, implants, posture, self._seed)
        return VirtualExam(
            header=self._header(role, day, reason, issuer),
            scene=scene,
            protocol=self._protocol(scene, role),
            seed=self._seed * 10 + day,
            role=role,
        )

    def _protocol(self, scene: Scene, role: str) -> Protocol:
        centre = 0.5 * (scene.centre_lps_mm("L2") + scene.centre_lps_mm("S1")) + np.array([0.0, -15.0, -4.0])
        x, y, z = (centre + self._rng.uniform(-6.0, 6.0, 3)).tolist()
        pixel_mm = float(self._rng.choice([0.55, 0.62, 0.7]))
        kernel = BONE if role == "current" else SOFT
        return Protocol(pixel_mm=pixel_mm, slices=175, centre_lps_mm=(x, y, z), kernel=kernel)

    def _header(self, role: str, day: int, reason: str, issuer: str) -> ExamHeader:
        vendor = VENDORS[(self._number + day) % len(VENDORS)]
        return ExamHeader(
            key=f"{self._seed}/{self.name}/{role}",
            patient_id=f"VP{self._number:04d}",
            issuer=issuer,
            virtual_name=f"Phantom^{self.name}",
            birth_date=self._born,
            sex=self._sex,
            performed_at=exam_moment(SURGERY + timedelta(days=day)),
            study_description="CT Lumbar Spine",
            body_part="LSPINE",
            reason=reason,
            accession_number=f"A{self._number:04d}{day + 100:04d}",
            vendor=vendor,
        )
