"""docs/settings.md is what the settings' models say, and they say what every key is for."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

HOUSE = Path(__file__).parents[3]
REFERENCE = runpy.run_path(str(HOUSE / "scripts/settings_reference.py"))


def test_the_document_is_current() -> None:
    written = (HOUSE / "docs/settings.md").read_text(encoding="utf-8")
    assert written == REFERENCE["document"](), "run scripts/settings_reference.py"


def test_every_key_says_what_it_is_for() -> None:
    assert REFERENCE["undescribed"]() == []


def test_every_section_and_kind_has_a_table() -> None:
    titles = set(re.findall(r"^## (.+)$", REFERENCE["document"](), flags=re.MULTILINE))
    assert {"`listener.tls`", "`listener.peers[]`", "`destinations[]`, kind `webhook`"} <= titles
