"""Figures of the pages, for people and for ``build/figures/pages.json``."""

import json
import sys
from pathlib import Path

FIGURES = Path(__file__).parents[2] / "build" / "figures" / "pages.json"


def note(capsys, **figures: float) -> None:
    """Print figures and keep them beside those that other tests noted."""
    with capsys.disabled():
        sys.stdout.write("\n" + "".join(f"  {name}: {value:.2f}\n" for name, value in figures.items()))
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(FIGURES.read_text()) if FIGURES.is_file() else {}
    FIGURES.write_text(json.dumps({**kept, **{name: round(value, 3) for name, value in figures.items()}}, indent=2))
