"""Series of the archive as a viewer opens them: the plane of every image, and its pixel data as stored.

Nothing is decoded here; the viewer does that in the reader's browser.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from plumbline.adapters.orthanc.client import OrthancClient
from plumbline.errors import InvalidInput
from plumbline.settings import OrthancSettings

SERIES_FRESH_S = 60.0
"""How long the list of a series' images is given again without asking the archive: a page asks for it at once from
several places."""

SERIES_REMEMBERED = 64
"""Series whose instances are looked up in memory, not in the archive, for every frame."""

ASKED_AT_ONCE = 16
"""Series of which the images may be listed at the same time; who asks for the same waits for the first."""

_STUDY, _SERIES, _INSTANCE = "0020,000d", "0020,000e", "0008,0018"


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One image instance of a series: its identifier in the archive, and its attributes by tag (``0028,0010``)."""

    sop_instance_uid: str
    handle: str
    attributes: Mapping[str, Any]
    transfer_syntax_uid: str | None = None
    """None where the archive did not say it with the list."""


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
        self._read_at: dict[tuple[str, str], float] = {}
        self._lock = Lock()
        self._asking = [Lock() for _ in range(ASKED_AT_ONCE)]

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
        key = (study_instance_uid, series_instance_uid)
        with self._asking[hash(key) % len(self._asking)]:
            if time.monotonic() - self._read_at.get(key, float("-inf")) < SERIES_FRESH_S and key in self._known:
                return list(self._known[key].values())
            images = self._read(study_instance_uid, series_instance_uid)
            self._remember(key, images)
            return list(images.values())

    def _read(self, study_instance_uid: str, series_instance_uid: str) -> dict[str, StoredImage]:
        found = self._client.lookup(series_instance_uid)
        handle = next((each["ID"] for each in found if each["Type"] == "Series"), None)
        tags = self._client.tags_of_series(handle) if handle else {}
        syntaxes = self._client.transfer_syntaxes_of_series(handle) if handle else {}
        images = {
            str(values[_INSTANCE]): StoredImage(str(values[_INSTANCE]), instance, values, syntaxes.get(instance))
            for instance, values in tags.items()
            if values.get(_STUDY) == study_instance_uid and values.get("0028,0010")
        }
        if not images:
            raise InvalidInput("the archive has no images of this series", where=series_instance_uid)
        return images

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
            image = self._looked_for(key, sop_instance_uid)
        if image is None:
            raise InvalidInput("the archive has no such image in this series", where=sop_instance_uid)
        syntax = image.transfer_syntax_uid or self._client.transfer_syntax(image.handle)
        return StoredFrame(self._client.raw_frame(image.handle, number - 1), syntax)

    def _looked_for(self, key: tuple[str, str], sop_instance_uid: str) -> StoredImage | None:
        """Image of a series, which is read again where it was read before the image came."""
        if key in self._known:
            self._remember(key, self._read(*key))
        else:
            self.series(*key)
        return self._known.get(key, {}).get(sop_instance_uid)

    def _remember(self, key: tuple[str, str], images: dict[str, StoredImage]) -> None:
        with self._lock:
            self._known[key] = images
            self._known.move_to_end(key)
            self._read_at[key] = time.monotonic()
            while len(self._known) > SERIES_REMEMBERED:
                oldest, _ = self._known.popitem(last=False)
                self._read_at.pop(oldest, None)
