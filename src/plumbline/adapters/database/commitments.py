"""Storage commitment transactions in the store (port ``Commitments``)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.receiving_tables import CommitmentRow
from plumbline.errors import Conflict
from plumbline.pipeline.commitment import Commitment, CommitmentRequest, CommitmentState, Doubt, Reference


class DatabaseCommitments:
    """``Commitments`` on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def accept(self, request: CommitmentRequest, at: datetime) -> None:
        """See ``Commitments.accept``."""
        instances = [[each.sop_class_uid, each.sop_instance_uid] for each in request.references]
        with self._store.begin() as session:
            row = _row(session, request.requester, request.transaction_uid, for_update=True)
            if row is None:
                row = CommitmentRow(
                    transaction_uid=request.transaction_uid,
                    requester=request.requester,
                    instances=instances,
                    attempts=0,
                )
                session.add(row)
            elif row.instances != instances:
                raise Conflict("this Transaction UID was used for other instances", where=request.transaction_uid)
            row.requester_address, row.state = request.address, CommitmentState.ACCEPTED.value
            row.doubts = row.error = row.reported_at = None
            row.created_at = row.not_before = at

    def find(self, requester: str, transaction_uid: str) -> Commitment | None:
        """See ``Commitments.find``."""
        with self._store.read() as session:
            row = _row(session, requester, transaction_uid)
            return _commitment(row) if row else None

    def to_judge(self, now: datetime, limit: int) -> list[Commitment]:
        """See ``Commitments.to_judge``."""
        return self._due(CommitmentState.ACCEPTED, now, limit)

    def put_off(self, commitment: Commitment, not_before: datetime) -> None:
        """See ``Commitments.put_off``."""
        self._change(commitment, CommitmentState.ACCEPTED, not_before=not_before)

    def judged(self, commitment: Commitment, doubts: Mapping[str, Doubt], not_before: datetime) -> None:
        """See ``Commitments.judged``."""
        document = {uid: doubt.value for uid, doubt in doubts.items()}
        self._change(
            commitment,
            CommitmentState.ACCEPTED,
            state=CommitmentState.JUDGED.value,
            doubts=document,
            not_before=not_before,
        )

    def to_report(self, now: datetime, limit: int) -> list[Commitment]:
        """See ``Commitments.to_report``."""
        return self._due(CommitmentState.JUDGED, now, limit)

    def claim(self, commitment: Commitment, until: datetime) -> bool:
        """See ``Commitments.claim``."""
        return self._change(
            commitment, CommitmentState.JUDGED, attempts=commitment.attempts + 1, not_before=until, unclaimed=True
        )

    def reported(self, commitment: Commitment, at: datetime) -> None:
        """See ``Commitments.reported``."""
        self._change(
            commitment, CommitmentState.JUDGED, state=CommitmentState.REPORTED.value, reported_at=at, error=None
        )

    def failed(self, commitment: Commitment, sentence: str, not_before: datetime) -> None:
        """See ``Commitments.failed``."""
        self._change(commitment, CommitmentState.JUDGED, error=sentence, not_before=not_before)

    def give_up(self, before: datetime) -> int:
        """See ``Commitments.give_up``."""
        open_states = (CommitmentState.ACCEPTED.value, CommitmentState.JUDGED.value)
        overdue = (CommitmentRow.state.in_(open_states), CommitmentRow.created_at < before)
        with self._store.read() as session:
            uids = list(session.scalars(select(CommitmentRow.commitment_id).where(*overdue)))
        if not uids:
            return 0
        with self._store.begin() as session:
            ended = update(CommitmentRow).where(*overdue).values(state=CommitmentState.GIVEN_UP.value)
            return session.execute(ended).rowcount  # type: ignore[attr-defined]

    def _due(self, state: CommitmentState, now: datetime, limit: int) -> list[Commitment]:
        query = select(CommitmentRow).where(CommitmentRow.state == state.value, CommitmentRow.not_before <= now)
        with self._store.read() as session:
            rows = session.scalars(query.order_by(CommitmentRow.not_before).limit(limit))
            return [_commitment(row) for row in rows]

    def _change(
        self, commitment: Commitment, expected: CommitmentState, *, unclaimed: bool = False, **values: object
    ) -> bool:
        """Change a row that is still in this state, and still the same request; whether it was."""
        where = [
            CommitmentRow.commitment_id == commitment.commitment_id,
            CommitmentRow.state == expected.value,
            CommitmentRow.created_at == commitment.created_at,
        ]
        if unclaimed:
            where.append(CommitmentRow.attempts == commitment.attempts)
        with self._store.begin() as session:
            changed = session.execute(update(CommitmentRow).where(*where).values(**values))
            return changed.rowcount == 1  # type: ignore[attr-defined]


def _row(session: Session, requester: str, transaction_uid: str, *, for_update: bool = False) -> CommitmentRow | None:
    query = select(CommitmentRow).where(
        CommitmentRow.requester == requester, CommitmentRow.transaction_uid == transaction_uid
    )
    return session.scalar(query.with_for_update() if for_update else query)


def _commitment(row: CommitmentRow) -> Commitment:
    return Commitment(
        commitment_id=row.commitment_id,
        request=CommitmentRequest(
            transaction_uid=row.transaction_uid,
            requester=row.requester,
            address=row.requester_address,
            references=tuple(Reference(sop_class, uid) for sop_class, uid in row.instances),
        ),
        state=CommitmentState(row.state),
        created_at=row.created_at,
        attempts=row.attempts,
        doubts=None if row.doubts is None else {uid: Doubt(doubt) for uid, doubt in row.doubts.items()},
    )
