"""Figures of benchmark and demonstration runs: flat JSON with units in the keys, in ``build/figures/``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FIGURES_DIRECTORY = Path("build/figures")


def write_figures(name: str, figures: Mapping[str, float | int], directory: Path = FIGURES_DIRECTORY) -> Path:
    """Write the figures of one command and return the file (design section 4, Figures)."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.json"
    path.write_text(json.dumps(dict(figures), indent=2) + "\n", encoding="utf-8")
    return path
