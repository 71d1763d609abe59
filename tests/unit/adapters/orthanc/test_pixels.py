"""What the viewer reads of a series: listed once for all who ask at about the same time, and again for a new image."""

from collections import Counter
from typing import Any

import pytest

from plumbline.adapters.orthanc import pixels as module
from plumbline.adapters.orthanc.pixels import OrthancPixels
from plumbline.errors import InvalidInput
from plumbline.settings import OrthancSettings

STUDY, SERIES = "2.25.1", "2.25.2"
EXPLICIT, JPEG_2000 = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"


class CountingArchive:
    """As much of ``OrthancClient`` as pixels use; counts what is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.instances = {"a": "2.25.11", "b": "2.25.12"}

    def close(self) -> None:
        pass

    def lookup(self, uid):
        self.asked["lookup"] += 1
        return [{"Type": "Series", "ID": "s"}] if uid == SERIES else []

    def tags_of_series(self, _series):
        return {
            handle: {"0020,000d": STUDY, "0020,000e": SERIES, "0008,0018": uid, "0028,0010": "2"}
            for handle, uid in self.instances.items()
        }

    def transfer_syntaxes_of_series(self, _series):
        return {"a": JPEG_2000}

    def transfer_syntax(self, _handle):
        self.asked["transfer syntax"] += 1
        return EXPLICIT

    def raw_frame(self, handle, _index):
        return handle.encode()


@pytest.fixture
def archive() -> CountingArchive:
    return CountingArchive()


@pytest.fixture
def pixels(archive):
    opened: Any = OrthancPixels(OrthancSettings())
    opened.close()
    opened._client = archive
    return opened


def test_a_series_is_listed_once_for_all_who_ask_at_about_the_same_time(pixels, archive, monkeypatch):
    for _ in range(3):
        assert len(pixels.series(STUDY, SERIES)) == 2
    assert archive.asked["lookup"] == 1
    monkeypatch.setattr(module, "SERIES_FRESH_S", 0.0)
    pixels.series(STUDY, SERIES)
    assert archive.asked["lookup"] == 2


def test_a_frame_needs_no_further_question_where_the_archive_said_how_it_is_stored(pixels, archive):
    assert pixels.frame(STUDY, SERIES, "2.25.11", 1).transfer_syntax_uid == JPEG_2000
    assert archive.asked["transfer syntax"] == 0
    assert pixels.frame(STUDY, SERIES, "2.25.12", 1).transfer_syntax_uid == EXPLICIT
    assert archive.asked["transfer syntax"] == 1


def test_an_image_that_came_since_is_found(pixels, archive):
    pixels.series(STUDY, SERIES)
    archive.instances["c"] = "2.25.13"
    assert pixels.frame(STUDY, SERIES, "2.25.13", 1).data == b"c"
    with pytest.raises(InvalidInput):
        pixels.frame(STUDY, SERIES, "2.25.14", 1)
