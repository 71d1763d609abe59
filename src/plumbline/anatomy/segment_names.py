"""What the segments of others' label maps are called: SNOMED CT codes first, free text as a weaker source.

Bare numbers mean something else in every tool and name nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from plumbline.anatomy.levels import Vertebra
from plumbline.errors import InvalidInput

SACRUM = "sacrum"

VERTEBRA_BY_SCT = {
    "14806007": "C1",
    "39976000": "C2",
    "113205007": "C3",
    "5329002": "C4",
    "36978003": "C5",
    "36054005": "C6",
    "87391001": "C7",
    "64864005": "T1",
    "53733008": "T2",
    "1626008": "T3",
    "73071006": "T4",
    "56401006": "T5",
    "45296009": "T6",
    "62487009": "T7",
    "11068009": "T8",
    "82687006": "T9",
    "7610001": "T10",
    "12989004": "T11",
    "23215003": "T12",
    "66794005": "L1",
    "14293000": "L2",
    "36470004": "L3",
    "11994002": "L4",
    "49668003": "L5",
    "65985001": "S1",
    "54735007": SACRUM,
}
"""Code values of SNOMED CT; there is none for T13 and L6, which only text can name."""

_NAME = re.compile(r"(?<![a-z0-9])([ctls])[ _.-]?0?(\d{1,2})(?![0-9])")
_SACRUM = re.compile(r"(?<![a-z])(?:os[ _]sacrum|sacrum|kreuzbein)(?![a-z])")
_OTHER_THING = re.compile(
    r"dis[ck]s?(?![a-z])|ivd|endplate|end[ _-]plate|(?<![a-z])ribs?(?![a-z])|costa|rippe|nerve|root|ganglion|muscle"
    r"|psoas|canal|cord|myelon|csf|spacer|cage|screw|rod|implant|artery|vein|foramen|ligament|facet|lesion|fracture"
    r"|tumou?r|metasta|level|slice|endplatte|bandscheibe|disque"
)


@dataclass(frozen=True, slots=True)
class SegmentName:
    """A vertebra's name or ``sacrum``, and whether a code said so (else free text did)."""

    name: str
    is_coded: bool


def read_segment_name(sct_values: Iterable[str], texts: Iterable[str]) -> SegmentName | None:
    """Name of a segment from the code values it carries and its texts; None where it is no one vertebra."""
    coded = {VERTEBRA_BY_SCT[value] for value in sct_values if value in VERTEBRA_BY_SCT}
    if len(coded) == 1:
        return SegmentName(coded.pop(), is_coded=True)
    for text in texts:
        if name := _vertebra_in(text.lower()):
            return SegmentName(name, is_coded=False)
    return None


def _vertebra_in(text: str) -> str | None:
    """The one vertebra that a text names: ``vertebrae_L4``, ``L4``, ``Vertebra L4``; never a disc, rib or root."""
    spaced = text.replace("_", " ")
    if _OTHER_THING.search(spaced):
        return None
    names = {f"{found[1].upper()}{int(found[2])}" for found in _NAME.finditer(spaced)}
    if not names and _SACRUM.search(spaced):
        return SACRUM
    if len(names) != 1:
        return None
    name = names.pop()
    try:
        return Vertebra(name).name
    except InvalidInput:
        return None
