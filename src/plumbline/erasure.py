"""``plumbline erase``: one patient out of the database and the spool, and nobody else.

What the archive and other destinations have is theirs to erase, and first: what they still have may be sent again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.erasure import Belongings, DatabaseErasure
from plumbline.adapters.dimse.header import read_header
from plumbline.adapters.spool.erasing import JournalEraser
from plumbline.errors import InvalidInput
from plumbline.exams.identity import IdentityPolicy, identifiers_of
from plumbline.observability.clock import SystemClock
from plumbline.pipeline.receive import Arrival, Unusable
from plumbline.settings import Settings


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased, or would be: no name, no identifier."""

    study_instance_uids: tuple[str, ...]
    identifiers: int
    """How many identifiers the patient is known by, those of merged records too."""
    rows: dict[str, int]
    """By table."""
    instances: int
    """Datasets in the spool: repeated ones too, and those that nothing points to any more."""
    unreadable: int
    """Records of the spool of which nobody can tell whose they are."""


def erase(settings: Settings, patient_id: str, issuer: str, *, by: str | None) -> Erasure:
    """Erase a patient; without somebody who has it done, only say what there is.

    Raises
    ------
    InvalidInput
        Nothing is known of such a patient.
    Conflict
        An exam of theirs is under way, or exams under their identifiers contradict each other.
    """
    policy = IdentityPolicy(settings.site.default_issuer_of_patient_id)
    store = open_store(settings.store_url)
    try:
        erasure = DatabaseErasure(store, SystemClock(), policy)
        if by is None:
            found, rows = erasure.look(patient_id, issuer)
            return _in_spool(settings, found, rows, policy, erases=False)
        with erasure.erasing(patient_id, issuer, by=by) as (found, rows):
            return _in_spool(settings, found, rows, policy, erases=True)
    finally:
        store.engine.dispose()


def _in_spool(
    settings: Settings, found: Belongings, rows: dict[str, int], policy: IdentityPolicy, *, erases: bool
) -> Erasure:
    """Look through the whole spool: the ledger does not point to all that lies there."""
    eraser = JournalEraser(settings.spool_dir)
    instances = unreadable = 0
    for arrival, is_theirs in _judged(eraser, found, policy):
        unreadable += is_theirs is None
        instances += bool(is_theirs)
        if is_theirs and erases:
            eraser.erase(arrival)
    if found.is_nothing and not instances:
        raise InvalidInput("nothing is known of a patient with this ID and issuer")
    return Erasure(found.study_instance_uids, len(found.identifiers), rows, instances, unreadable)


def _judged(eraser: JournalEraser, found: Belongings, policy: IdentityPolicy) -> Iterator[tuple[Arrival, bool | None]]:
    """Every record with whether it is the patient's; None where it cannot be told."""
    studies = set(found.study_instance_uids)
    for arrival, dataset in eraser.records():
        try:
            header = read_header(dataset, arrival.label.transfer_syntax_uid)
        except Unusable as error:
            if error.header is None:
                yield arrival, None
                continue
            header = error.header
        named = identifiers_of(header.patient, policy)
        yield arrival, bool(named & found.identifiers) if named else header.study_instance_uid in studies
