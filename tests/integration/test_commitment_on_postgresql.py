"""Storage commitment on a real PostgreSQL: what differs there, locks, times and counts of changed rows."""

import importlib.util
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[1] / "unit" / "pipeline" / "test_commitment.py"
specification = importlib.util.spec_from_file_location("unit_commitment", UNIT)
assert specification is not None and specification.loader is not None
stated = importlib.util.module_from_spec(specification)
specification.loader.exec_module(stated)
test_what_is_held_is_committed_to_at_once = stated.test_what_is_held_is_committed_to_at_once
test_a_report_is_left_to_its_own_association_first_and_claimed_once = (
    stated.test_a_report_is_left_to_its_own_association_first_and_claimed_once
)
test_the_same_request_again_is_judged_again_and_what_an_older_one_says_is_void = (
    stated.test_the_same_request_again_is_judged_again_and_what_an_older_one_says_is_void
)

world = stated.world


@pytest.fixture
def url(postgres_url):
    return postgres_url
