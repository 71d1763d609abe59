"""Spinopelvic alignment, from landmarks that readers set on a lateral radiograph.

Low lordosis for a pelvis predicts residual pain, and over- and under-correction both matter (B26, W22). No radiograph
is measured here by itself: without landmarks the check says that it wants some.
"""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.anatomy.alignment import Alignment, Angle, spinopelvic_alignment
from plumbline.checks.context import CheckContext, MarkedRadiograph
from plumbline.checks.finding import CheckName, Finding, Measurement, Status
from plumbline.errors import InvalidInput

SOURCES = ("B26", "W22", "SCH12")
MISMATCH = "pelvic_incidence_minus_lordosis"
STANDING, LATERAL = "standing", "lateral"
WANTS_LANDMARKS = (
    "It is measured from landmarks that a reader sets; this exam has none. Femoral heads, S1 and L1 are wanted."
)


def check(context: CheckContext) -> tuple[Finding, ...]:
    """One finding of the radiograph with the most landmarks; none of an exam on which alignment is not seen."""
    if context.marked:
        return (_of_landmarks(context),)
    if context.wants_landmarks:
        return (Finding(CheckName.SPINOPELVIC_ALIGNMENT, None, Status.INDETERMINATE, (WANTS_LANDMARKS,)),)
    return ()


def _of_landmarks(context: CheckContext) -> Finding:
    marked, *others = context.marked
    try:
        alignment = measured(marked, context.thresholds.placement_mm)
        status, verdict = _judged(marked, alignment, context.thresholds.mismatch_deg)
    except InvalidInput as error:
        alignment, status, verdict = Alignment({}, {}), Status.INDETERMINATE, _refusal(error)
    return Finding(
        CheckName.SPINOPELVIC_ALIGNMENT,
        None,
        status,
        (verdict, _who(marked), *_wanting(alignment), *_others(len(others))),
        measurements={
            f"{name}_deg": Measurement(angle.value, angle.uncertainty_95) for name, angle in alignment.angles.items()
        },
        sources=SOURCES,
        landmarks=marked.landmarks,
    )


def measured(marked: MarkedRadiograph, placement_mm: float) -> Alignment:
    """The angles of one radiograph.

    Raises
    ------
    InvalidInput
        When the image has no pixel spacing or is no lateral projection, or the landmarks contradict each other.
    """
    if marked.projection not in (None, LATERAL):
        raise InvalidInput(f"the radiograph with the landmarks is {marked.projection}, not lateral")
    if marked.spacing_mm is None:
        raise InvalidInput("the radiograph with the landmarks has no pixel spacing")
    down, across = marked.spacing_mm
    points = {each.name: (each.column * across, each.row * down) for each in marked.landmarks}
    return spinopelvic_alignment(points, placement_mm)


def _refusal(error: InvalidInput) -> str:
    told = " ".join(f"{part}." for part in (error.what, error.remedy) if part)
    return f"{told[:1].upper()}{told[1:]}"


def _judged(marked: MarkedRadiograph, alignment: Alignment, limit_deg: float) -> tuple[Status, str]:
    mismatch = alignment.angles.get(MISMATCH)
    if mismatch is None:
        return Status.INDETERMINATE, "Whether lordosis fits the pelvis cannot be told from the landmarks that were set."
    told = f"Pelvic incidence minus lumbar lordosis is {_degrees(mismatch)}"
    if marked.position != STANDING:
        how = f"said to be {marked.position}" if marked.position else "not known to be standing"
        return Status.INDETERMINATE, f"{told}; the patient is {how}, and alignment is judged standing."
    if abs(mismatch.value) - mismatch.uncertainty_95 > limit_deg:
        return Status.POSITIVE, f"{told}, which is further from 0 than {limit_deg:g}°."
    if abs(mismatch.value) + mismatch.uncertainty_95 < limit_deg:
        return Status.NEGATIVE, f"{told}, within {limit_deg:g}° of 0."
    return Status.INDETERMINATE, f"{told}, too near {limit_deg:g}° from 0 to tell on which side it lies."


def _degrees(angle: Angle) -> str:
    return f"{angle.value:.0f} ± {angle.uncertainty_95:.0f}°".replace("-", "−")


def _who(marked: MarkedRadiograph) -> str:
    authors = " and ".join(sorted({each.author for each in marked.landmarks}))
    last = max(each.at for each in marked.landmarks)
    many = len(marked.landmarks) > 1
    return f"{len(marked.landmarks)} landmark{'s' if many else ''}, set by {authors}, last on {last.day} {last:%b %Y}."


def _wanting(alignment: Alignment) -> Iterator[str]:
    if alignment.wanting:
        told = "; ".join(f"{what} (wants {names})" for what, names in alignment.wanting.items())
        yield f"Not measured: {told}."


def _others(count: int) -> Iterator[str]:
    if count:
        yield f"Landmarks on {count} further radiograph{'s' if count > 1 else ''} of this exam were not measured."
