"""The checks by their names, and how they are run: each alone, so that one that breaks takes no other with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from plumbline.checks import level_error, level_labelling, spacer_migration, spacer_position, spinopelvic_alignment
from plumbline.checks.context import CheckContext
from plumbline.checks.finding import CheckName, Finding, Status
from plumbline.errors import AnalysisFailed, InvalidInput

Check = Callable[[CheckContext], tuple[Finding, ...]]
Timed = Callable[[CheckName, float], None]

CHECKS: Mapping[CheckName, Check] = {
    CheckName.SPACER_MIGRATION: spacer_migration.check,
    CheckName.SPACER_POSITION: spacer_position.check,
    CheckName.LEVEL_ERROR: level_error.check,
    CheckName.LEVEL_LABELLING: level_labelling.check,
    CheckName.SPINOPELVIC_ALIGNMENT: spinopelvic_alignment.check,
}
"""Checks that measure CT, and what is measured from landmarks that readers set on radiographs."""


def run_checks(
    context: CheckContext,
    names: Iterable[CheckName] | None = None,
    *,
    checks: Mapping[CheckName, Check] = CHECKS,
    timed: Timed = lambda _name, _seconds: None,
) -> tuple[Finding, ...]:
    """Run the checks that apply; every one answers.

    What a check cannot tell is indeterminate with its reason; what breaks is failed, and said.
    """
    findings: list[Finding] = []
    for name in checks if names is None else names:
        began = time.perf_counter()
        findings += _answer(name, checks[name], context)
        timed(name, time.perf_counter() - began)
    return tuple(findings)


def _answer(name: CheckName, check: Check, context: CheckContext) -> tuple[Finding, ...]:
    try:
        return check(context)
    except (AnalysisFailed, InvalidInput) as error:
        what = error.what.strip()
        sentence = f"{what[:1].upper()}{what[1:]}{'' if what.endswith('.') else '.'}"
        return (Finding(name, None, Status.INDETERMINATE, (sentence,)),)
    except Exception as error:  # noqa: BLE001 (the edge: a broken check is shown to the reader, never left out)
        reason = f"The check broke off ({type(error).__name__}); nothing is said about what it looks for."
        return (Finding(name, None, Status.FAILED, (reason,)),)
