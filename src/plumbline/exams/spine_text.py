"""A reader of spine text: orders, study and series descriptions, indications, as people write them.

English, French, German and Spanish. The text is read statement by statement, so that "s/p L4-L5
discectomy 2020, now planned L5-S1 TLIF" gives two operations with their own levels, dates and tense.
Whose word counts more is not decided here, but in ``exams.history``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from plumbline.anatomy.levels import Level, Vertebra
from plumbline.exams.facts import RedFlag, SourceKind
from plumbline.exams.level_text import read_levels
from plumbline.exams.plain_text import clauses, plain, remembered
from plumbline.exams.red_flag_text import read_red_flags
from plumbline.exams.surgery_dates import SurgeryDate, read_surgery_date
from plumbline.exams.surgery_text import (
    Tense,
    denies_operation,
    names_implants,
    names_operation,
    names_procedure,
    read_procedures,
    read_side,
    read_tense,
)

_TAKES_OUT = "HARDWARE_REMOVAL"
"""What is taken out, even if only planned, was put in by an operation before."""


_YEARLESS = {Tense.DONE: 366, Tense.UNSTATED: 183, Tense.PLANNED: 0, Tense.DENIED: 0}
"""Days within which a month without its year is the last of that name: where nothing says that an operation was
done, only when the last is nearer than the next."""


@dataclass(frozen=True, slots=True)
class OperationText:
    """One operation that a text tells of: done, planned, or not said."""

    tense: Tense
    levels: tuple[Level, ...]
    vertebrae: tuple[Vertebra, ...]
    procedures: tuple[str, ...]
    side: str | None
    when: SurgeryDate | None


@dataclass(frozen=True, slots=True)
class SpineText:
    """What a text says of a spine, over all its statements.

    Parameters
    ----------
    levels
        Motion segments named, cranial to caudal, each once.
    vertebrae
        Vertebrae named alone, not as an end of a level.
    procedures
        Canonical procedure words, in the order written; denied ones are not among them.
    side
        ``left``, ``right``, ``bilateral`` or None.
    is_postoperative
        True where the text gives evidence of an operation done, False where it denies one, None where it is silent.
    names_implants
        Whether it speaks of implants as present.
    operations
        The operations, in the order written.
    """

    text: str
    source: SourceKind
    levels: tuple[Level, ...] = ()
    vertebrae: tuple[Vertebra, ...] = ()
    procedures: tuple[str, ...] = ()
    side: str | None = None
    is_postoperative: bool | None = None
    names_implants: bool = False
    operations: tuple[OperationText, ...] = ()

    @property
    def red_flags(self) -> tuple[RedFlag, ...]:
        """Situations that cannot wait and that the text does not deny; looked for when first asked for.

        Who tells a history from the texts of many exams does not ask.
        """
        return _red_flags(self.text)

    @property
    def tense(self) -> Tense:
        """Tense of the text as a whole: planned where a planned operation is named, else done, denied or unstated."""
        tenses = {operation.tense for operation in self.operations}
        for tense in (Tense.PLANNED, Tense.DONE):
            if tense in tenses:
                return tense
        if self.is_postoperative is None:
            return Tense.UNSTATED
        return Tense.DONE if self.is_postoperative else Tense.DENIED

    @property
    def surgery_date(self) -> SurgeryDate | None:
        """Date of the last operation that was done (or is not said to be still planned), where given."""
        dated = [op.when for op in self.operations if op.when is not None and op.tense is not Tense.PLANNED]
        return max(dated, key=lambda when: when.latest) if dated else None


def read_spine_text(text: str, *, source: SourceKind, reference_date: date | None = None) -> SpineText:
    """Read one text.

    Parameters
    ----------
    text
        Free text, any of the four languages; may be empty.
    source
        Where it was found; kept with every fact.
    reference_date
        Day on which it was written, usually the study date; "3 months ago" needs it.
    """
    return _read(text, source, reference_date if _tells_of_operation(text) else None)


@remembered
def _red_flags(text: str) -> tuple[RedFlag, ...]:
    return read_red_flags(plain(text))


@remembered
def _tells_of_operation(text: str) -> bool:
    """Whether a text speaks of an operation at all: where it does not, the day of writing changes nothing."""
    whole = plain(text)
    return read_tense(whole) is not Tense.UNSTATED or names_procedure(whole) or names_operation(whole)


@remembered
def _read(text: str, source: SourceKind, reference_date: date | None) -> SpineText:
    whole = plain(text)
    named = read_levels(whole)
    statements = clauses(whole)
    told = [_read_operation(each, reference_date) for part in statements for each in _undenied_parts(part)]
    operations = _join_fragments([operation for operation in told if operation is not None])
    return SpineText(
        text=text,
        source=source,
        levels=named.levels,
        vertebrae=named.vertebrae,
        procedures=tuple(dict.fromkeys(name for op in operations for name in op.procedures)),
        side=read_side(whole),
        is_postoperative=_is_postoperative(statements, operations),
        names_implants=any(names_implants(part) for part in statements),
        operations=tuple(op for op in operations if op.tense is not Tense.DENIED),
    )


def _undenied_parts(statement: str) -> Iterator[str]:
    """The statement whole, or what it denies apart from the rest: "TLIF planned, no prior surgery"."""
    if "," not in statement or not denies_operation(statement):
        yield statement
        return
    parts = [part.strip() for part in statement.split(",") if part.strip()]
    denied = [part for part in parts if read_tense(part) is Tense.DENIED]
    rest = ", ".join(part for part in parts if part not in denied)
    if not denied or not read_procedures(rest):
        yield statement
        return
    yield rest
    yield from denied


def _read_operation(statement: str, reference_date: date | None) -> OperationText | None:
    tense, procedures = read_tense(statement), read_procedures(statement)
    if tense is Tense.UNSTATED and not procedures and not names_operation(statement):
        return None
    if tense is Tense.DENIED:
        return OperationText(tense, (), (), (), None, None)
    named = read_levels(statement)
    when = read_surgery_date(statement, reference_date=reference_date, yearless_within_days=_YEARLESS[tense])
    if when is not None and reference_date is not None:
        tense = _tense_by_date(tense, when, reference_date)
    if tense is Tense.UNSTATED and not procedures:
        return None
    return OperationText(tense, named.levels, named.vertebrae, procedures, read_side(statement), when)


def _tense_by_date(tense: Tense, when: SurgeryDate, written: date) -> Tense:
    """A date decides where the words do not, and a planned operation whose day has passed is taken as done."""
    if tense is Tense.UNSTATED:
        return Tense.PLANNED if when.earliest > written else Tense.DONE
    if tense is Tense.PLANNED and when.latest < written:
        return Tense.DONE
    return tense


def _join_fragments(operations: list[OperationText]) -> list[OperationText]:
    """Give a statement without a procedure ("Post op 3 months. L4-L5 TLIF.") to its neighbour of compatible tense."""
    joined: list[OperationText] = []
    for operation in operations:
        last = joined[-1] if joined else None
        if last is not None and _are_one(last, operation):
            joined[-1] = OperationText(
                tense=last.tense if last.tense is not Tense.UNSTATED else operation.tense,
                levels=tuple(sorted({*last.levels, *operation.levels})),
                vertebrae=tuple(sorted({*last.vertebrae, *operation.vertebrae})),
                procedures=tuple(dict.fromkeys((*last.procedures, *operation.procedures))),
                side=last.side or operation.side,
                when=last.when or operation.when,
            )
        else:
            joined.append(operation)
    return joined


def _are_one(first: OperationText, second: OperationText) -> bool:
    if first.tense is not second.tense and Tense.UNSTATED not in (first.tense, second.tense):
        return False
    if Tense.DENIED in (first.tense, second.tense):
        return False
    both_dated = first.when is not None and second.when is not None
    return not both_dated and not (first.procedures and second.procedures)


def _is_postoperative(statements: tuple[str, ...], operations: list[OperationText]) -> bool | None:
    tenses = {operation.tense for operation in operations}
    if Tense.DONE in tenses:
        return True
    if Tense.DENIED in tenses:
        return False
    if any(_TAKES_OUT in operation.procedures for operation in operations):
        return True
    return True if any(names_implants(part) for part in statements) and Tense.PLANNED not in tenses else None
