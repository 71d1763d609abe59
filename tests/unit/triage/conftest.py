"""Facts and findings with just what a test is about."""

from __future__ import annotations

from typing import Any

import pytest

from plumbline.checks.finding import CheckName, Finding, Measurement, Status
from plumbline.triage.facts import EXAM_FACTS, Facts, FactValue


class FactFactory:
    """Builds facts; whatever is not said is not known."""

    def facts(self, *findings: Finding, **known: FactValue) -> Facts:
        """``order_red_flags=...`` is the fact ``order.red_flags``."""
        values: dict[str, FactValue] = dict.fromkeys(EXAM_FACTS)
        values["order.red_flags"] = frozenset()
        values["order.procedures"] = frozenset()
        for name, value in known.items():
            fact = name.replace("_", ".", 1)
            assert fact in EXAM_FACTS
            values[fact] = value
        return Facts(values, findings)

    def finding(self, check: str, status: str = "positive", level: str | None = "L4-L5", **measured: float) -> Finding:
        """One finding against the baseline."""
        changed: dict[str, Any] = {name: Measurement(value, 0.3) for name, value in measured.items()}
        reasons = (f"What {check} saw.",)
        return Finding(CheckName(check), level, Status(status), reasons, changed, reference="baseline")


@pytest.fixture
def known() -> FactFactory:
    """The factory."""
    return FactFactory()
