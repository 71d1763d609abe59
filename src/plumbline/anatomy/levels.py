"""Vertebrae and levels of the spine: their names, their order and their standard codes.

A *vertebra* is named ``C1``..``C7``, ``T1``..``T13``, ``L1``..``L6``, ``S1``. A *level* is the motion
segment between two vertebrae, written ``L4-L5`` from cranial to caudal. Names are text that people
wrote or a labelling proposed; whether they are right is the business of ``anatomy.numbering``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, total_ordering

from plumbline.errors import InvalidInput

_REGION_COUNTS = {"C": 7, "T": 13, "L": 6, "S": 1}
_REGION_ORDER = "CTLS"
_USUAL_COUNTS = {"C": 7, "T": 12, "L": 5, "S": 1}
_NAMES = tuple(f"{region}{number}" for region in _REGION_ORDER for number in range(1, _REGION_COUNTS[region] + 1))
_RANKS = {name: rank for rank, name in enumerate(_NAMES, start=1)}


@total_ordering
@dataclass(frozen=True, slots=True)
class Vertebra:
    """One named vertebra; orders from cranial to caudal.

    Raises
    ------
    InvalidInput
        If the name is not one of the vertebrae above.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in _RANKS:
            raise InvalidInput(f"{self.name!r} is not the name of a vertebra", remedy="Write it like L4 or S1.")

    @property
    def region(self) -> str:
        """Region letter: ``C``, ``T``, ``L`` or ``S``."""
        return self.name[0]

    @property
    def number(self) -> int:
        """Number within the region, from 1."""
        return int(self.name[1:])

    @property
    def rank(self) -> int:
        """Position in the cranio-caudal order over all possible names (T13 and L6 included)."""
        return _RANKS[self.name]

    def __lt__(self, other: Vertebra) -> bool:
        return self.rank < other.rank

    def __str__(self) -> str:
        return self.name


@cache
def usual_spine() -> tuple[Vertebra, ...]:
    """C1 to S1 of a spine with the usual 7, 12 and 5 presacral vertebrae, cranial to caudal."""
    return tuple(Vertebra(f"{region}{n}") for region in _REGION_ORDER for n in range(1, _USUAL_COUNTS[region] + 1))


@total_ordering
@dataclass(frozen=True, slots=True)
class Level:
    """The motion segment between two vertebrae that are neighbours in some spine, e.g. ``L4-L5``.

    ``T12-L1`` and ``T13-L1``, ``L5-S1``, ``L4-S1`` and ``L6-S1`` are all levels: how many lumbar
    vertebrae a spine has is not for a name to decide.
    """

    above: Vertebra
    below: Vertebra

    def __post_init__(self) -> None:
        if not self.above < self.below:
            raise InvalidInput(f"{self.above}-{self.below} is not a level: {self.above} is not above {self.below}")

    @classmethod
    def parse(cls, text: str) -> Level:
        """Read ``L4-L5``. Free text is read by ``exams.spine_text``; this is the strict form."""
        above, separator, below = text.partition("-")
        if not separator:
            raise InvalidInput(f"{text!r} is not a level", remedy="Write it like L4-L5.")
        return cls(Vertebra(above), Vertebra(below))

    @property
    def name(self) -> str:
        """Canonical name, e.g. ``L4-L5``."""
        return f"{self.above}-{self.below}"

    def __lt__(self, other: Level) -> bool:
        return (self.above, self.below) < (other.above, other.below)

    def __str__(self) -> str:
        return self.name


def levels_between(above: Vertebra, below: Vertebra) -> tuple[Level, ...]:
    """Levels from ``above`` to ``below`` in a usual spine, e.g. L3 to S1 gives L3-L4, L4-L5, L5-S1."""
    spine = usual_spine()
    if above not in spine or below not in spine or not above < below:
        return (Level(above, below),)
    start, stop = spine.index(above), spine.index(below)
    return tuple(Level(spine[i], spine[i + 1]) for i in range(start, stop))


_SCT_VERTEBRAE = {
    "T11": "12989004",
    "T12": "23215003",
    "L1": "66794005",
    "L2": "14293000",
    "L3": "36470004",
    "L4": "11994002",
    "L5": "49668003",
    "S1": "65985001",
}
_SCT_DISCS = {
    "T12-L1": "76206002",
    "L1-L2": "80064006",
    "L2-L3": "67459009",
    "L3-L4": "62551000",
    "L4-L5": "84020006",
    "L5-S1": "715056000",
}


def sct_code_of_vertebra(vertebra: Vertebra) -> str | None:
    """SNOMED CT code value of a vertebra, or None where the report has to use a private code."""
    return _SCT_VERTEBRAE.get(vertebra.name)


@cache
def code_names() -> dict[str, str]:
    """Names of vertebrae and levels by their SNOMED CT codes."""
    return {code: name for table in (_SCT_VERTEBRAE, _SCT_DISCS) for name, code in table.items()}


def sct_code_of_disc(level: Level) -> str | None:
    """SNOMED CT code value of the disc of a level, or None where the report has to use a private code."""
    return _SCT_DISCS.get(level.name)
