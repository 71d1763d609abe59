"""Completeness on a real PostgreSQL: what differs there, locks, times and counts of changed rows."""

import importlib.util
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[1] / "unit" / "pipeline" / "test_complete.py"
specification = importlib.util.spec_from_file_location("unit_complete", UNIT)
assert specification is not None and specification.loader is not None
stated = importlib.util.module_from_spec(specification)
specification.loader.exec_module(stated)
test_a_persons_word_goes_before_the_count_and_is_kept_with_its_revision = (
    stated.test_a_persons_word_goes_before_the_count_and_is_kept_with_its_revision
)
test_studies_are_listed_the_newest_first_and_the_waiting_ones_alone = (
    stated.test_studies_are_listed_the_newest_first_and_the_waiting_ones_alone
)
test_a_study_that_grew_while_its_count_came_to_nothing_stays_to_be_counted = (
    stated.test_a_study_that_grew_while_its_count_came_to_nothing_stays_to_be_counted
)

world = stated.world


@pytest.fixture
def url(postgres_url):
    return postgres_url
