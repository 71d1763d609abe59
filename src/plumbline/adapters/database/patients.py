"""Merged patient records in the store (port ``Patients``): links laid over what was received, followed to their end."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import select, tuple_, union_all
from sqlalchemy.orm import Session

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.record_tables import PatientLinkRow
from plumbline.exams.identity import IdentityPolicy, identifiers_of
from plumbline.exams.study import PatientIdentity

Identifier = tuple[str, str]
"""(patient ID, issuer) as compared; the issuer is empty where none is known."""


class DatabasePatients:
    """``Patients`` on the store."""

    def __init__(self, store: Store, policy: IdentityPolicy) -> None:
        self._store = store
        self._policy = policy

    def linked(self, patient: PatientIdentity) -> tuple[Identifier, ...]:
        """See ``Patients.linked``."""
        own = identifiers_of(patient, self._policy)
        with self._store.read() as session:
            return tuple(sorted(merged_with(session, own) - own))


def merged_with(session: Session, identifiers: Collection[Identifier]) -> set[Identifier]:
    """Every identifier that merges tie to the given ones, over any number of steps; the given ones too."""
    known = set(identifiers)
    unasked = set(known)
    while unasked:
        found = set(_neighbours(session, unasked))
        unasked = found - known
        known |= found
    return known


def _neighbours(session: Session, identifiers: Iterable[Identifier]) -> Iterable[Identifier]:
    surviving = (PatientLinkRow.surviving_id, PatientLinkRow.surviving_issuer)
    retired = (PatientLinkRow.retired_id, PatientLinkRow.retired_issuer)
    asked = sorted(identifiers)
    either_way = (
        select(*other).where(tuple_(*known).in_(asked)) for known, other in ((surviving, retired), (retired, surviving))
    )
    for row in session.execute(union_all(*either_way)):
        yield row[0], row[1]
