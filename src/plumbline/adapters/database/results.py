"""Result documents, evidence pictures and what is owed to destinations (ports ``Results``, ``Publications``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from plumbline.adapters.database.engine import Store
from plumbline.adapters.database.tables import PictureRow, PublicationRow, ReportObjectRow, ResultRow
from plumbline.errors import InvalidInput
from plumbline.pipeline.ports import Clock, Picture, PublicationState, ReportObject


class DatabaseResults:
    """``Results`` on the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def save(self, study_instance_uid: str, revision: int, document: Mapping[str, Any]) -> None:
        """See ``Results.save``."""
        with self._store.begin() as session:
            session.merge(
                ResultRow(
                    study_instance_uid=study_instance_uid,
                    revision=revision,
                    document=dict(document),
                    created_at=self._clock.now(),
                )
            )

    def save_pictures(self, study_instance_uid: str, revision: int, pictures: Sequence[Picture]) -> None:
        """See ``Results.save_pictures``."""
        with self._store.begin() as session:
            session.execute(
                delete(PictureRow).where(
                    PictureRow.study_instance_uid == study_instance_uid, PictureRow.revision == revision
                )
            )
            session.add_all(
                PictureRow(
                    study_instance_uid=study_instance_uid,
                    revision=revision,
                    ordinal=ordinal,
                    caption=picture.caption,
                    view=picture.view,
                    checks=list(picture.checks),
                    png=_png(picture),
                )
                for ordinal, picture in enumerate(pictures, start=1)
            )

    def pictures(self, study_instance_uid: str, revision: int) -> list[Picture]:
        """See ``Results.pictures``."""
        query = select(PictureRow).where(
            PictureRow.study_instance_uid == study_instance_uid, PictureRow.revision == revision
        )
        with self._store.read() as session:
            rows = session.scalars(query.order_by(PictureRow.ordinal))
            return [Picture(row.caption, row.view, tuple(row.checks), _pixels(row.png)) for row in rows]

    def save_objects(self, study_instance_uid: str, revision: int, objects: Sequence[ReportObject]) -> None:
        """See ``Results.save_objects``."""
        with self._store.begin() as session:
            for ordinal, each in enumerate(objects):
                session.merge(
                    ReportObjectRow(
                        sop_instance_uid=each.sop_instance_uid,
                        study_instance_uid=study_instance_uid,
                        revision=revision,
                        ordinal=ordinal,
                        series_instance_uid=each.series_instance_uid,
                        sop_class_uid=each.sop_class_uid,
                        kind=each.kind,
                        part10=each.part10,
                    )
                )

    def objects(self, study_instance_uid: str, revision: int) -> list[ReportObject]:
        """See ``Results.objects``."""
        query = select(ReportObjectRow).where(
            ReportObjectRow.study_instance_uid == study_instance_uid, ReportObjectRow.revision == revision
        )
        with self._store.read() as session:
            return [
                ReportObject(row.sop_instance_uid, row.series_instance_uid, row.sop_class_uid, row.kind, row.part10)
                for row in session.scalars(query.order_by(ReportObjectRow.ordinal))
            ]

    def document(self, study_instance_uid: str, revision: int | None = None) -> Mapping[str, Any]:
        """See ``Results.document``."""
        query = select(ResultRow).where(ResultRow.study_instance_uid == study_instance_uid)
        if revision is not None:
            query = query.where(ResultRow.revision == revision)
        with self._store.read() as session:
            row = session.scalar(query.order_by(ResultRow.revision.desc()).limit(1))
            if row is None:
                raise InvalidInput("there is no result for this exam yet", where=study_instance_uid)
            return row.document


class DatabasePublications:
    """``Publications`` on the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def owe(self, study_instance_uid: str, revision: int, destination: str, object_uid: str, kind: str) -> bool:
        """See ``Publications.owe``."""
        with self._store.begin() as session:
            row = _row(session, study_instance_uid, revision, destination, object_uid)
            if row is None:
                session.add(
                    PublicationRow(
                        study_instance_uid=study_instance_uid,
                        revision=revision,
                        destination=destination,
                        object_uid=object_uid,
                        kind=kind,
                        state=PublicationState.OWED.value,
                        created_at=self._clock.now(),
                    )
                )
                return True
            return row.state != PublicationState.SENT.value

    def sent(self, study_instance_uid: str, revision: int, destination: str, object_uid: str) -> None:
        """See ``Publications.sent``."""
        with self._store.begin() as session:
            row = _owed_row(session, study_instance_uid, revision, destination, object_uid)
            row.state, row.published_at = PublicationState.SENT.value, self._clock.now()
            row.attempts += 1

    def sent_before(self, study_instance_uid: str, revision: int, destination: str, kind: str) -> Mapping[str, int]:
        """See ``Publications.sent_before``."""
        query = select(PublicationRow.object_uid, PublicationRow.revision).where(
            PublicationRow.study_instance_uid == study_instance_uid,
            PublicationRow.revision < revision,
            PublicationRow.destination == destination,
            PublicationRow.kind == kind,
            PublicationRow.state == PublicationState.SENT.value,
        )
        with self._store.read() as session:
            return {row.object_uid: row.revision for row in session.execute(query)}

    def withdrawn(self, study_instance_uid: str, revision: int, destination: str, object_uid: str) -> None:
        """See ``Publications.withdrawn``."""
        with self._store.begin() as session:
            row = _owed_row(session, study_instance_uid, revision, destination, object_uid)
            row.state = PublicationState.WITHDRAWN.value

    def own_objects(self, study_instance_uid: str) -> frozenset[str]:
        """See ``Publications.own_objects``."""
        query = select(PublicationRow.object_uid).where(PublicationRow.study_instance_uid == study_instance_uid)
        with self._store.read() as session:
            return frozenset(session.scalars(query))


def _png(picture: Picture) -> bytes:
    buffer = BytesIO()
    Image.fromarray(picture.pixels).save(buffer, "PNG", optimize=False)
    return buffer.getvalue()


def _pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(BytesIO(png)).convert("RGB"), dtype=np.uint8)


def _owed_row(session: Session, study_uid: str, revision: int, destination: str, object_uid: str) -> PublicationRow:
    row = _row(session, study_uid, revision, destination, object_uid)
    if row is None:
        raise InvalidInput("this object was never owed", where=object_uid)
    return row


def _row(session: Session, study_uid: str, revision: int, destination: str, object_uid: str) -> PublicationRow | None:
    return session.scalar(
        select(PublicationRow).where(
            PublicationRow.study_instance_uid == study_uid,
            PublicationRow.revision == revision,
            PublicationRow.destination == destination,
            PublicationRow.object_uid == object_uid,
        )
    )
