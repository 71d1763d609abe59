"""Series of the archive as a viewer opens them: the plane of every image, and its pixel data as stored.

Nothing is decoded here; the viewer does that in the reader's browser.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from plumbline.adapters.orthanc.client import OrthancClient
from plumbline.errors import InvalidInput
from plumbline.settings import OrthancSettings

SERIES_REMEMBERED = 64
"""Series whose instances are looked up in memory, not in the archive, for every frame."""

_STUDY, _SERIES, _INSTANCE = "0020,000d", "0020,000e", "0008,0018"


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One image instance of a series: its identifier in the archive, and its attributes by tag (``0028,0010``)."""

    sop_instance_uid: str
    handle: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """One series of a study, as the archive lists it."""

    series_instance_uid: str
    modality: str
    description: str


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """Pixel data of one frame as stored."""

    data: bytes
    transfer_syntax_uid: str


class OrthancPixels:
    """Images of one Orthanc."""

    def __init__(self, settings: OrthancSettings) -> None:
        self._client = OrthancClient(settings)
        self._known: OrderedDict[tuple[str, str], dict[str, StoredImage]] = OrderedDict()
        self._lock = Lock()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def series_of(self, study_instance_uid: str) -> list[StoredSeries]:
        """Series of a study, by number.

        Raises
        ------
        InvalidInput
            When the archive does not have the study.
        """
        found = self._client.lookup(study_instance_uid)
        handle = next((each["ID"] for each in found if each["Type"] == "Study"), None)
        if handle is None:
            raise InvalidInput("the archive does not have this study", where=study_instance_uid)
        tags = (each["MainDicomTags"] for each in self._client.series_of(handle))
        listed = [
            StoredSeries(each["SeriesInstanceUID"], each.get("Modality", ""), each.get("SeriesDescription", ""))
            for each in tags
        ]
        return sorted(listed, key=lambda each: (each.modality, each.description, each.series_instance_uid))

    def series(self, study_instance_uid: str, series_instance_uid: str) -> list[StoredImage]:
        """Images of a series that have pixel rows, in no particular order.

        Raises
        ------
        InvalidInput
            When the archive has no such series in this study.
        """
        found = self._client.lookup(series_instance_uid)
        handle = next((each["ID"] for each in found if each["Type"] == "Series"), None)
        tags = self._client.tags_of_series(handle) if handle else {}
        images = {
            str(values[_INSTANCE]): StoredImage(str(values[_INSTANCE]), instance, values)
            for instance, values in tags.items()
            if values.get(_STUDY) == study_instance_uid and values.get("0028,0010")
        }
        if not images:
            raise InvalidInput("the archive has no images of this series", where=series_instance_uid)
        self._remember((study_instance_uid, series_instance_uid), images)
        return list(images.values())

    def frame(
        self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str, number: int
    ) -> StoredFrame:
        """One frame, counted from 1.

        Raises
        ------
        InvalidInput
            When the archive has no such image, or the image no such frame.
        """
        key = (study_instance_uid, series_instance_uid)
        image = self._known.get(key, {}).get(sop_instance_uid)
        if image is None:
            self.series(*key)
            image = self._known[key].get(sop_instance_uid)
        if image is None:
            raise InvalidInput("the archive has no such image in this series", where=sop_instance_uid)
        syntax = self._client.transfer_syntax(image.handle)
        return StoredFrame(self._client.raw_frame(image.handle, number - 1), syntax)

    def _remember(self, key: tuple[str, str], images: dict[str, StoredImage]) -> None:
        with self._lock:
            self._known[key] = images
            self._known.move_to_end(key)
            while len(self._known) > SERIES_REMEMBERED:
                self._known.popitem(last=False)
