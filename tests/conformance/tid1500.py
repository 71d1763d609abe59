"""The report's template as a table: what TID 1500 asks for, and what this system adds to it.

Written from PS3.16 and design section 4, independently of the code that writes reports. A row gives the
relationship, value type, concept, how often, and the rows below. Whatever is not in the table is a violation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset

MANY = 10_000
ANY = "*"


@dataclass(frozen=True)
class Row:
    relationship: str
    value_type: str
    concept: str
    at_least: int = 1
    at_most: int = 1
    rows: tuple[Row, ...] = ()

    def fits(self, item: Dataset) -> bool:
        return item.ValueType == self.value_type and self.concept in (ANY, concept(item))


def context(value_type: str, code: str, at_least: int = 1, at_most: int = 1) -> Row:
    return Row("HAS OBS CONTEXT", value_type, code, at_least, at_most)


def modifier(value_type: str, code: str, at_least: int = 1, at_most: int = 1) -> Row:
    return Row("HAS CONCEPT MOD", value_type, code, at_least, at_most)


def acquisition(value_type: str, code: str, at_least: int = 1) -> Row:
    return Row("HAS ACQ CONTEXT", value_type, code, at_least)


def contained(value_type: str, code: str, at_least: int = 0, at_most: int = MANY, rows: tuple[Row, ...] = ()) -> Row:
    return Row("CONTAINS", value_type, code, at_least, at_most, rows)


TID_1004 = (
    context("CODE", "DCM:121005"),
    context("UIDREF", "DCM:121012"),
    context("TEXT", "DCM:121013"),
    context("TEXT", "DCM:121014"),
    context("TEXT", "DCM:121015"),
    context("TEXT", "DCM:121016"),
    context("TEXT", "DCM:121017", 0),
)
TID_1502 = (
    context("TEXT", "UMLS:C2348792"),
    context("CODE", "DCM:126072"),
    context("NUM", "DCM:126073"),
    context("TEXT", "DCM:126070"),
    Row("HAS OBS CONTEXT", "NUM", "DCM:128740", 0, 1, (modifier("CODE", "DCM:128741"),)),
)
TID_4019 = (modifier("TEXT", "DCM:111001"), modifier("TEXT", "DCM:111003"), modifier("TEXT", "DCM:122405"))
UNCERTAINTY = (
    Row("HAS PROPERTIES", "NUM", "SCT:371886008"),
    Row("HAS PROPERTIES", "NUM", "SCT:371885007"),
)
TID_300 = contained(
    "NUM",
    ANY,
    rows=(
        modifier("CODE", "99PLUMBLINE:ref-vertebra", 0),
        modifier("CODE", "DCM:126072", 0),
        Row("HAS PROPERTIES", "TEXT", "99PLUMBLINE:uncertainty", 1, 1, UNCERTAINTY),
    ),
)
COMPARED_WITH = contained(
    "CODE",
    "99PLUMBLINE:compared-with",
    0,
    1,
    (*TID_1502, context("UIDREF", "DCM:121018"), context("DATE", "DCM:111060", 0)),
)
TID_1003 = (context("CODE", "DCM:121005", 0), context("PNAME", "DCM:121008", 0))
LANDMARK = contained("SCOORD", ANY, rows=(Row("SELECTED FROM", "IMAGE", "DCM:121324"),))
TID_1501 = (
    *TID_1003,
    context("TEXT", "DCM:112039"),
    context("UIDREF", "DCM:112040"),
    contained("CODE", "DCM:121071", 1, 1),
    *TID_1502,
    modifier("CODE", "SCT:363698007"),
    *TID_4019,
    TID_300,
    contained("CODE", "99PLUMBLINE:status", 1, 1),
    contained("CODE", "DCM:121052", 1, 1),
    contained("CODE", "DCM:111405", 0, 1),
    COMPARED_WITH,
    contained("SCOORD3D", ANY),
    LANDMARK,
    contained("IMAGE", "DCM:121200"),
    contained("TEXT", "DCM:121106", 1),
    contained("TEXT", "99PLUMBLINE:unmeasured"),
    contained("TEXT", "99PLUMBLINE:source"),
)
IMAGE_LIBRARY_GROUP = (
    acquisition("CODE", "DCM:121139"),
    acquisition("DATE", "DCM:111060", 0),
    acquisition("TIME", "DCM:111061", 0),
    acquisition("UIDREF", "DCM:112227", 0),
    acquisition("NUM", "DCM:110910"),
    acquisition("NUM", "DCM:110911"),
    acquisition("CODE", "99PLUMBLINE:study-role"),
    acquisition("CODE", "DCM:126072"),
    acquisition("UIDREF", "DCM:121018"),
    contained("IMAGE", "SCT:260753009", 1),
)
EVALUATIONS = (
    contained("CODE", "DCM:111017", 1, 1),
    contained("CODE", "SCT:260870009", 1, 1),
    contained("CODE", "DCM:121071", 0, 1),
    contained("TEXT", "99PLUMBLINE:assistive", 1, 1),
    contained("TEXT", "99PLUMBLINE:triage-reason"),
    contained("TEXT", "99PLUMBLINE:rule"),
    contained("TEXT", "99PLUMBLINE:reference-used"),
    contained("TEXT", "99PLUMBLINE:reference-none"),
    contained("TEXT", "99PLUMBLINE:numbering"),
    contained("TEXT", "99PLUMBLINE:warning"),
)
TID_1500 = (
    modifier("CODE", "DCM:121049"),
    *TID_1004,
    modifier("CODE", "DCM:121058", 1, MANY),
    contained(
        "CONTAINER",
        "DCM:111028",
        1,
        1,
        (contained("CONTAINER", "DCM:126200", 1, rows=IMAGE_LIBRARY_GROUP),),
    ),
    contained("CONTAINER", "DCM:126010", 1, 1, (*TID_4019, contained("CONTAINER", "DCM:125007", 0, MANY, TID_1501))),
    contained("CONTAINER", "UMLS:C0034375", 1, 1, EVALUATIONS),
)


def concept(item: Dataset) -> str:
    name = item.ConceptNameCodeSequence[0]
    return f"{name.CodingSchemeDesignator}:{name.get('CodeValue') or name.get('LongCodeValue')}"


def violations(report: Dataset) -> list[str]:
    """What a report has that the template has not, and the other way round, each with its path."""
    template = report.ContentTemplateSequence[0]
    found = [] if template.TemplateIdentifier == "1500" else [f"template {template.TemplateIdentifier}"]
    if concept(report) != "DCM:126000":
        found.append(f"title {concept(report)}")
    return found + list(_violations(report, TID_1500, "1"))


def _violations(parent: Dataset, rows: tuple[Row, ...], path: str) -> Iterator[str]:
    items = list(parent.get("ContentSequence", ()))
    counts = dict.fromkeys(range(len(rows)), 0)
    last = 0
    for number, item in enumerate(items, 1):
        here = f"{path}.{number}"
        index = next((i for i, row in enumerate(rows) if row.fits(item)), None)
        if index is None:
            yield f"{here} {item.ValueType} {concept(item)} is not in the template"
            continue
        row = rows[index]
        counts[index] += 1
        if item.RelationshipType != row.relationship:
            yield f"{here} {concept(item)} is related by {item.RelationshipType}, not {row.relationship}"
        if index < last:
            yield f"{here} {concept(item)} is out of order"
        last = max(last, index)
        yield from _violations(item, row.rows, here)
    for index, row in enumerate(rows):
        if not row.at_least <= counts[index] <= row.at_most:
            yield f"{path} has {row.value_type} {row.concept} {counts[index]} times"
