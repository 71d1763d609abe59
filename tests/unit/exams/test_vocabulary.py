import re

import pytest

from plumbline.exams.vocabulary import Vocabulary

VOCABULARY = Vocabulary(
    {"water": "pass urine, *incontinen*", "numb": "anaesthe*, numb", "pain": "pain"},
    {"fever": re.compile(r"39(?:\.\d)?")},
)


def meanings(text: str) -> list[str]:
    return [mention.meaning for mention in VOCABULARY.mentions(text)]


def test_a_phrase_and_a_word_with_any_ending_are_mentioned_where_they_stand():
    (phrase, word) = VOCABULARY.mentions("cannot pass urine, harnincontinence")
    assert (phrase.first, phrase.last, phrase.start, phrase.end) == (1, 2, 7, 17)
    assert (word.first, word.start, word.end) == (3, 19, 35)


def test_part_of_a_phrase_is_no_mention():
    assert meanings("pass the urine") == []
    assert meanings("please pass") == []


@pytest.mark.parametrize("written", ["anasthesia", "anaestheesia", "anaesthsia", "anaasthesia"])
def test_one_wrong_letter_of_a_long_word_is_forgiven(written: str):
    assert meanings(written) == ["numb"]


def test_a_short_word_or_another_beginning_is_not_forgiven():
    assert meanings("nump pian") == []
    assert meanings("qnaesthesia") == []


def test_numbers_are_mentioned_by_what_they_stand_for():
    assert meanings("39.2 39 40") == ["fever", "fever"]
