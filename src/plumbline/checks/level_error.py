"""Was the right level operated? The level seen to be operated against the planned one (B26, FBS24).

Only C1 and C2 can be named with certainty (B26), so a conclusion needs an anchored numbering, and every
labelling that remains is asked. A plan that agrees with the count confirms it; one that differs may only be
counted otherwise, so an alarm asks for more than an agreement does, and says which count would explain it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from plumbline.anatomy.numbering import Numbering
from plumbline.anatomy.numbering_doubts import doubt_of_names
from plumbline.anatomy.numbering_statistics import USUAL
from plumbline.checks.context import CheckContext
from plumbline.checks.finding import CheckName, Finding, Status
from plumbline.checks.thresholds import CheckThresholds

SOURCES = ("B26", "FBS24")


def check(context: CheckContext) -> tuple[Finding, ...]:
    """One finding for the exam."""
    if context.plan is None or not context.plan.levels:
        return (_finding(None, Status.NOT_APPLICABLE, "No planned level is known."),)
    places = operated_places(context)
    if not places:
        return (_finding(None, Status.INDETERMINATE, "No implant shows which level was operated."),)
    planned = frozenset(level.name for level in context.plan.levels)
    readings = _readings(context.current.anatomy.spine.numbering, places, planned, context.thresholds)
    if not readings:
        return (_finding(None, Status.INDETERMINATE, "The vertebrae could not be numbered."),)
    return (_compare(context, readings, planned),)


def operated_places(context: CheckContext) -> tuple[int, ...]:
    """Index of the upper vertebra of every operated level: where spacers lie, else between screws."""
    hardware = context.current.anatomy.hardware
    spacers = tuple(dict.fromkeys(spacer.above for spacer in hardware.spacers))
    if spacers:
        return spacers
    screwed = hardware.instrumented
    return tuple(first for first, second in pairwise(screwed) if second == first + 1)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The operated levels under one way to name the vertebrae.

    Parameters
    ----------
    differs
        Whether one of them is not planned.
    probability
        Of the labelling; 0 for a count that is not ours but may be the plan's.
    must_agree
        Whether no conclusion is drawn against it.
    """

    levels: frozenset[str]
    differs: bool
    probability: float
    must_agree: bool

    @property
    def words(self) -> str:
        return ", ".join(sorted(self.levels))


def _readings(
    numbering: Numbering, places: tuple[int, ...], planned: frozenset[str], thresholds: CheckThresholds
) -> list[_Reading]:
    """What every labelling says, the most probable first, and what the usual count from the sacrum would say.

    A plan that speaks of L6 or T13 is counted so, however improbable that is in the image.
    """
    unusual = {name for level in planned for name in level.split("-")} - set(USUAL)

    def reading(names: tuple[str, ...], probability: float, must_agree: bool) -> _Reading:
        levels = frozenset(f"{names[place]}-{names[place + 1]}" for place in places)
        return _Reading(levels, bool(levels - planned), probability, must_agree)

    readings = []
    for each in numbering.labellings:
        is_plans_count = bool(unusual) and unusual <= set(each.names)
        is_relevant = each.probability >= thresholds.relevant_labelling
        readings.append(reading(each.names, each.probability, is_plans_count or is_relevant))
    usual = _counted_as_usual(numbering.labellings[0].names) if readings and not unusual else None
    return [*readings, reading(usual, 0.0, True)] if usual else readings


def _counted_as_usual(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Names that most people would give who count from the sacrum; None where they are these, or no sacrum is seen.

    With four or six lumbar vertebrae a plan may have been counted either way (B26).
    """
    if "S1" not in names:
        return None
    sacral = names.index("S1")
    presacral = USUAL[: USUAL.index("S1")]
    usual = (*presacral[len(presacral) - sacral :], *names[sacral:])
    return usual if usual[:sacral] != names[:sacral] and names[sacral - 1] != "L5" else None


def _compare(context: CheckContext, readings: list[_Reading], planned: frozenset[str]) -> Finding:
    numbering, thresholds = context.current.anatomy.spine.numbering, context.thresholds
    operated = readings[0]
    assert context.plan is not None
    source = context.plan.source.label
    words = f"operated: {operated.words}; planned: {', '.join(sorted(planned))} (source: {source})"
    if numbering.anchor is None:
        return _finding(operated.words, Status.INDETERMINATE, f"The numbering hangs on no anchor ({words}).")
    doubt = doubt_of_names(numbering, thresholds.sure_name_confidence)
    explained = _explained(readings)
    if not _is_sure(readings, thresholds):
        first = doubt or "More than one numbering remains possible."
        return _finding(operated.words, Status.INDETERMINATE, f"{first} By the most probable one, {words}.", *explained)
    anchored = doubt or f"Numbered from the {numbering.anchor} with confidence {numbering.confidence:.2f}."
    if operated.differs:
        return _finding(
            operated.words,
            Status.POSITIVE,
            f"The operated level differs from the planned one ({words}).",
            anchored,
            *explained,
            "Counting on an exam that shows sacrum or C2 and the order itself would settle it.",
        )
    which = "the planned one" if operated.levels == planned else "among the planned ones"
    return _finding(operated.words, Status.NEGATIVE, f"The operated level is {which} ({words}).", anchored)


def _is_sure(readings: list[_Reading], thresholds: CheckThresholds) -> bool:
    """Whether all that must agree with the most probable reading do, and are together probable enough."""
    differs = readings[0].differs
    if any(each.must_agree and each.differs != differs for each in readings):
        return False
    agreed = sum(each.probability for each in readings if each.differs == differs)
    return agreed >= (thresholds.least_alarm_confidence if differs else thresholds.least_name_confidence)


def _explained(readings: list[_Reading]) -> list[str]:
    """Which other way to count would make the operated level a planned one, in one sentence or none."""
    if not readings[0].differs:
        return []
    agreeing = [each for each in readings[1:] if not each.differs]
    if not agreeing:
        return []
    best = max(agreeing, key=lambda each: each.probability)
    share = f" ({best.probability:.0%})" if best.probability else ""
    return [f"Counted otherwise{share} it would be {best.words}, as planned."]


def _finding(level: str | None, status: Status, *reasons: str) -> Finding:
    return Finding(CheckName.LEVEL_ERROR, level, status, reasons, sources=SOURCES)
