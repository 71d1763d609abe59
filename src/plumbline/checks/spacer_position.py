"""Does the spacer lie where it should, in this one exam? In front of the posterior wall by at least 2 mm (B26).

Off-centre to one side is expected after a transforaminal approach and is not called a finding.
"""

from __future__ import annotations

from plumbline.checks.context import CheckContext, MatchedSpacer
from plumbline.checks.finding import CheckName, Finding, Measurement, Status
from plumbline.checks.spacer_migration import NO_SPACER
from plumbline.checks.thresholds import CheckThresholds
from plumbline.imaging.estimates import Estimate
from plumbline.imaging.hardware import ImplantKind
from plumbline.imaging.posterior_margin import posterior_margin

SOURCES = ("B26",)


def check(context: CheckContext) -> tuple[Finding, ...]:
    """One finding a spacer; not applicable where there is none."""
    if not context.spacers:
        return (Finding(CheckName.SPACER_POSITION, None, Status.NOT_APPLICABLE, (NO_SPACER,), sources=SOURCES),)
    return tuple(_finding(spacer, context) for spacer in context.spacers)


def _finding(matched: MatchedSpacer, context: CheckContext) -> Finding:
    motion = matched.motion
    margin = motion.posterior_margin_mm if motion else posterior_margin(context.current.anatomy, matched.spacer)
    status, reason = judge(margin, context.thresholds)
    reasons = [reason]
    if matched.spacer.kind is ImplantKind.SPACER_MARKERS:
        reasons.append("Its body is radiolucent, so this is the position of its rearmost marker.")
    return Finding(
        check=CheckName.SPACER_POSITION,
        level=matched.level,
        status=status,
        reasons=tuple(reasons),
        measurements={"posterior_margin_mm": Measurement(margin.value, margin.uncertainty_95)},
        sources=SOURCES,
        implant=matched.implant,
    )


def judge(margin: Estimate, thresholds: CheckThresholds) -> tuple[Status, str]:
    """Status and reason of a posterior margin.

    Surely behind the wall is positive, the wanted margin or more is negative. What lies between is
    indeterminate: nearer than wanted is a matter of technique, in the canal is a finding.
    """
    words = f"{abs(margin.value):.1f} ± {margin.uncertainty_95:.1f} mm"
    wanted = f"{thresholds.margin_mm:.1f} mm"
    if margin.value + margin.uncertainty_95 < 0:
        return Status.POSITIVE, f"The spacer's rear end lies {words} behind the posterior wall, in the canal."
    if margin.value - margin.uncertainty_95 >= thresholds.margin_mm:
        return Status.NEGATIVE, f"The spacer's rear end lies {words} in front of the posterior wall."
    if margin.value < 0:
        return Status.INDETERMINATE, f"The spacer's rear end lies about at the posterior wall ({words} behind it)."
    if margin.value >= thresholds.margin_mm:
        return Status.NEGATIVE, (
            f"The spacer's rear end lies {words} in front of the posterior wall; "
            f"the interval includes less than the wanted {wanted}."
        )
    return Status.INDETERMINATE, (
        f"The spacer's rear end lies {words} in front of the posterior wall, nearer than the wanted {wanted}."
    )
