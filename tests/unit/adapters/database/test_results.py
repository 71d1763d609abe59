"""Pictures of results as they were drawn, whatever they are called."""

from __future__ import annotations

import numpy as np

from plumbline.adapters.database.results import DatabaseResults
from plumbline.checks.evidence import VIEW
from plumbline.pipeline.ports import Picture


def test_a_picture_comes_back_with_the_name_of_its_view(store, clock):
    results = DatabaseResults(store, clock)
    pixels = np.zeros((2, 3, 3), np.uint8)
    drawn = [Picture("L4-L5: moved", view, ("spacer-migration",), pixels) for view in (VIEW, 10 * VIEW)]
    results.save_pictures("2.25.1", 1, drawn)
    assert [each.view for each in results.pictures("2.25.1", 1)] == [VIEW, 10 * VIEW]
