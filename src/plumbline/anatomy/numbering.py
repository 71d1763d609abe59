"""Naming the vertebrae of one exam: whole labellings with their probability, and declared doubt.

Vertebra names are the main cause of level errors (B26), so a numbering is never a single guess: it
carries every labelling that remains plausible, the anchor that it hangs on, and a conflict in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NOT_A_VERTEBRA = ""
"""Name of what was taken for a vertebra and is none; only where whoever found the bodies may err so."""


@dataclass(frozen=True, slots=True)
class Labelling:
    """One name for every vertebra found, cranial to caudal, and how probable the whole of it is."""

    names: tuple[str, ...]
    probability: float


@dataclass(frozen=True, slots=True)
class Numbering:
    """The plausible labellings of one exam, the most probable first.

    ``anchor`` says what the names hang on: ``sacrum``, ``C2``, ``last-rib``, ``label-map``, ``text`` or
    None. ``conflict`` is a sentence when more than one labelling has to be carried or the anchors
    disagree, else None.
    """

    labellings: tuple[Labelling, ...]
    anchor: str | None
    conflict: str | None = None

    @property
    def best(self) -> Labelling | None:
        """The most probable labelling, or None where nothing could be numbered."""
        return self.labellings[0] if self.labellings else None

    @property
    def confidence(self) -> float:
        """Probability of the best labelling, 0 where there is none."""
        return self.labellings[0].probability if self.labellings else 0.0

    def as_json(self) -> dict[str, Any]:
        """The contract's form."""
        return {"anchor": self.anchor, "confidence": round(self.confidence, 3), "conflict": self.conflict}
