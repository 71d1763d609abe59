import pytest

from plumbline.exams.coded_text import words_of_code


@pytest.mark.parametrize(
    ("code", "scheme", "words"),
    [
        ("84020006", "SCT", "L4-L5"),
        ("11994002", "http://snomed.info/sct", "L4"),
        ("22551", "CPT", "ACDF"),
        ("Z98.1", "I10", "arthrodesis status"),
        ("M4646", "ICD-10-CM", "discitis"),
        ("C79.51", "http://hl7.org/fhir/sid/icd-10-cm", "metastasis of bone"),
        ("22551", "LOCAL", None),
        ("84020006", "I10", None),
        ("M54.5", "I10", None),
    ],
)
def test_a_code_that_says_something_of_a_spine_is_put_into_words(code, scheme, words):
    assert words_of_code(code, scheme) == words
