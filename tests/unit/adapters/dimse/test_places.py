"""Places for associations: never more than there are, and none lost with a process that was killed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from plumbline.adapters.dimse.places import LocalPlaces, SharedPlaces

TAKES_ALL = """
import sys
from pathlib import Path
from plumbline.adapters.dimse.places import SharedPlaces
places = SharedPlaces(Path(sys.argv[1]), 3)
taken = [place for _ in range(5) if (place := places.take())]
print(len(taken), flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["local", "shared"])
def places(request, tmp_path):
    return LocalPlaces(2) if request.param == "local" else SharedPlaces(tmp_path / "new" / "places", 2)


def test_there_are_so_many_and_no_more(places):
    first, second = places.take(), places.take()
    assert first is not None
    assert second is not None
    assert places.take() is None


def test_what_is_left_can_be_taken_again_once(places):
    first = places.take()
    assert places.take() is not None
    first.leave()
    first.leave()
    assert places.take() is not None
    assert places.take() is None


def test_processes_count_together_and_the_places_of_a_killed_one_are_free_again(tmp_path):
    path = tmp_path / "places"
    here = SharedPlaces(path, 3)
    mine = here.take()
    assert mine is not None
    command = [sys.executable, "-c", TAKES_ALL, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "2\n"
        assert here.take() is None
        other.kill()
    assert here.take() is not None
    assert here.take() is not None
    assert here.take() is None
