"""What the viewer's endpoints need from an archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Image(Protocol):
    """One stored image."""

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID (0008,0018)."""
        ...

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Values by tag, ``0028,0010``, as text."""
        ...


class Frame(Protocol):
    """Pixel data of one frame."""

    @property
    def data(self) -> bytes:
        """As stored."""
        ...

    @property
    def transfer_syntax_uid(self) -> str:
        """How it is stored."""
        ...


class ListedSeries(Protocol):
    """One series of a study."""

    @property
    def series_instance_uid(self) -> str:
        """Series Instance UID (0020,000E)."""
        ...

    @property
    def modality(self) -> str:
        """Modality (0008,0060)."""
        ...

    @property
    def description(self) -> str:
        """Series Description (0008,103E), empty where there is none."""
        ...


class Pixels(Protocol):
    """Images of the archive; raises ``InvalidInput`` for what it does not have, ``Unavailable`` when it is away."""

    def series_of(self, study_instance_uid: str) -> Sequence[ListedSeries]:
        """Series of a study."""
        ...

    def series(self, study_instance_uid: str, series_instance_uid: str) -> Sequence[Image]:
        """Images of a series."""
        ...

    def frame(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str, number: int) -> Frame:
        """One frame, counted from 1."""
        ...
