import pytest

from plumbline.anatomy.numbering import Labelling, Numbering
from plumbline.priors.choice import Reference, Role
from plumbline.reports.wording import (
    ASSISTIVE,
    citation,
    missing_reference_sentence,
    numbering_sentences,
    reference_sentence,
    surgery_offset,
)


def test_the_statement_on_use_is_plain() -> None:
    assert "not a diagnosis" in ASSISTIVE
    assert "assist" in ASSISTIVE


@pytest.mark.parametrize(
    ("days", "words"),
    [(1, "1 day after surgery"), (-20, "20 days before surgery"), (0, "0 days after surgery")],
)
def test_days_are_counted_from_surgery(days: int, words: str) -> None:
    assert surgery_offset(days) == words


def test_a_reference_that_is_not_comparable_is_called_so() -> None:
    reference = Reference("1.2", Role.BASELINE, False, 0.4, reasons=("Lying, not standing",))
    said = reference_sentence(Role.BASELINE, reference, "", None)
    assert said == "Baseline exam, not comparable, score 0.40. Lying, not standing."


def test_a_missing_reference_has_its_reason() -> None:
    assert missing_reference_sentence(Role.PRIOR, "None found.") == "No valid prior exam. None found."


def test_doubts_about_the_numbering_are_told() -> None:
    numbering = Numbering((Labelling(("L5", "L6"), 0.6),), None, "Six lumbar vertebrae are possible")
    assert numbering_sentences(numbering, ("L5", "L6")) == (
        "Vertebrae numbered without an anchor, probability 0.60.",
        "In view: L5, L6.",
        "Six lumbar vertebrae are possible.",
    )
    assert numbering_sentences(Numbering((), None), ()) == ("The vertebrae could not be numbered.",)


def test_known_literature_is_cited_in_full() -> None:
    assert "10.1186/s13244-025-02065-8" in citation("B26")
    assert citation("unknown") == "unknown"
