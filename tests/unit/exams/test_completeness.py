import pytest

from plumbline.exams.completeness import (
    Complete,
    CompletenessPolicy,
    Incomplete,
    Waiting,
    is_new_revision,
    judge_completeness,
    revision_digest,
)

POLICY = CompletenessPolicy(quiet_period_s=3, fetch_missing_after_s=30)
HELD = {"1.1", "1.2"}


def test_all_that_the_archive_lists_is_complete():
    answer = judge_completeness(HELD, {"1.1", "1.2"}, quiet_s=5, policy=POLICY)
    assert isinstance(answer, Complete)
    assert answer.digest == revision_digest(HELD)


def test_a_number_is_enough_to_count():
    assert isinstance(judge_completeness(HELD, 2, quiet_s=5, policy=POLICY), Complete)
    answer = judge_completeness(HELD, 3, quiet_s=60, policy=POLICY)
    assert isinstance(answer, Incomplete)
    assert (answer.missing, answer.missing_count) == ((), 1)


def test_silence_alone_is_not_completeness():
    assert isinstance(judge_completeness(HELD, None, quiet_s=3600, policy=POLICY), Waiting)
    assert isinstance(judge_completeness(HELD, (), quiet_s=3600, policy=POLICY), Waiting)
    assert isinstance(judge_completeness(HELD, 0, quiet_s=3600, policy=POLICY), Waiting)


def test_nothing_is_counted_while_instances_arrive():
    assert isinstance(judge_completeness(HELD, {"1.1", "1.2"}, quiet_s=1, policy=POLICY), Waiting)


def test_the_sender_is_given_time_before_what_is_missing_is_named():
    archive = {"1.1", "1.2", "1.3"}
    assert isinstance(judge_completeness(HELD, archive, quiet_s=10, policy=POLICY), Waiting)
    answer = judge_completeness(HELD, archive, quiet_s=31, policy=POLICY)
    assert isinstance(answer, Incomplete)
    assert answer.missing == ("1.3",)
    assert "2 of 3 instances" in answer.sentence


def test_as_many_other_instances_are_not_complete():
    assert not isinstance(judge_completeness(HELD, {"1.1", "1.9"}, quiet_s=60, policy=POLICY), Complete)


def test_more_than_the_archive_lists_is_complete_and_said():
    answer = judge_completeness({"1.1", "1.2"}, {"1.1"}, quiet_s=5, policy=POLICY)
    assert isinstance(answer, Complete)
    assert "1 more" in answer.sentence


def test_nothing_held_is_waited_for():
    assert isinstance(judge_completeness((), 3, quiet_s=99, policy=POLICY), Waiting)


@pytest.mark.parametrize("same", [["1.2", "1.1"], ["1.1", "1.2", "1.1"]])
def test_the_digest_is_of_the_set(same: list[str]):
    assert revision_digest(same) == revision_digest(["1.1", "1.2"])


def test_the_digest_does_not_confuse_joined_uids():
    assert revision_digest(["1.1", "1.2"]) != revision_digest(["1.11.2"])


def test_a_study_that_grows_is_a_new_revision():
    digest = revision_digest(HELD)
    assert not is_new_revision(digest, HELD)
    assert is_new_revision(digest, {*HELD, "1.3"})
    assert is_new_revision(None, HELD)
