"""The best series of an exam for each check, with the reason: what shows bone is not what shows fluid.

What a check needs is stated as the facts of imaging (B26, clinical.md); the series' own preference decides
among those that serve it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plumbline.exams.mr_sequences import MrKind
from plumbline.exams.series_roles import RADIOGRAPH_MODALITIES, SeriesRole


@dataclass(frozen=True, slots=True)
class Need:
    """What a check is read from: kinds of series, the most wanted first, and why.

    Kinds in one group serve alike: there the series' own preference decides, which weighs slice distance and kernel.
    """

    kinds: tuple[tuple[str, ...], ...]
    why: str


@dataclass(frozen=True, slots=True)
class BestSeries:
    """The series chosen for one check."""

    check: str
    series_instance_uid: str
    reason: str


_ANY_CT = ("CT bone", "CT standard", "CT unknown", "CT soft", "CT lung")
_T2 = ((MrKind.T2.value,), (MrKind.T2_FAT_SAT.value,), (MrKind.STIR.value,))
_FLUID = (
    (MrKind.STIR.value,),
    (MrKind.T2_FAT_SAT.value,),
    (MrKind.T1_CONTRAST_FAT_SAT.value,),
    (MrKind.T2.value,),
    ("CT soft",),
)
_LATERAL, _AP = ("radiograph lateral",), ("radiograph ap",)
NEEDS = {
    **dict.fromkeys(
        ("spacer-migration", "spacer-position"),
        Need((_ANY_CT, _LATERAL), "the posterior wall and the implant's edges are sharpest on it"),
    ),
    **dict.fromkeys(
        ("screw-loosening", "screw-position", "fusion-status", "new-fracture"),
        Need((_ANY_CT,), "bone is drawn sharpest on it"),
    ),
    "hardware-integrity": Need((_LATERAL, _AP, _ANY_CT), "a break without displacement is missed on CT first"),
    "vacuum-gas": Need(
        (("CT standard",), ("CT soft",), ("CT bone",), ("CT unknown",)), "gas is told from streaks best on it"
    ),
    **dict.fromkeys(
        ("level-error", "level-labelling"),
        Need((_ANY_CT, *_T2, _LATERAL), "vertebrae can be counted on it"),
    ),
    "dynamic-instability": Need(
        (("radiograph lateral flexion", "radiograph lateral extension"),), "the positions must differ"
    ),
    "spinopelvic-alignment": Need((("radiograph lateral standing",),), "the body must bear its weight"),
    "dural-sac": Need(_T2, "the fluid in the sac is bright on it"),
    "herniation-recurrence": Need((*_T2, (MrKind.T1_CONTRAST_FAT_SAT.value,)), "disc and sac stand apart on it"),
    "adjacent-segment": Need((*_T2, _ANY_CT), "discs and joints beside the operated level are seen on it"),
    "collection": Need(_FLUID, "fluid stands out on it"),
}
"""By the name of the check (design section 4)."""


def best_series(roles: Sequence[SeriesRole]) -> tuple[BestSeries, ...]:
    """The best measurable series for each check that any series can serve."""
    chosen: list[BestSeries] = []
    for check, need in NEEDS.items():
        ranked = [(rank, -role.preference, role) for role in roles if (rank := _rank(role, need)) is not None]
        if ranked:
            rank, _, role = min(ranked, key=lambda one: (one[0], one[1], one[2].series_instance_uid))
            kind = next(kind for kind in need.kinds[rank] if kind in _kinds(role))
            chosen.append(BestSeries(check, role.series_instance_uid, f"{_upper(kind)}: {need.why}."))
    return tuple(chosen)


def _rank(role: SeriesRole, need: Need) -> int | None:
    """Place of the first wanted group that a series is in; None where it serves not at all."""
    if not role.measurable:
        return None
    own = _kinds(role)
    return next((place for place, group in enumerate(need.kinds) if own.intersection(group)), None)


def _kinds(role: SeriesRole) -> frozenset[str]:
    if role.modality in RADIOGRAPH_MODALITIES:
        views = role.views or ((role.projection, role.position),)
        shown = [(f"radiograph {projection or 'unknown'}", position) for projection, position in views]
        return frozenset(kind for view, position in shown for kind in (view, f"{view} {position}"))
    return frozenset({f"CT {role.kind or 'unknown'}"}) if role.modality == "CT" else frozenset({role.kind or "unknown"})


def _upper(kind: str) -> str:
    return kind[:1].upper() + kind[1:]
