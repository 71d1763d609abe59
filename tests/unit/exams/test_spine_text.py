import json
from datetime import date
from pathlib import Path

import pytest

from plumbline.exams.facts import RedFlag, SourceKind
from plumbline.exams.spine_text import SpineText, read_spine_text
from plumbline.exams.surgery_text import Tense

LINES = Path(__file__).parents[2] / "data" / "spine_text"
WRITTEN = date(2026, 6, 1)


def read(text: str, written: date | None = WRITTEN) -> SpineText:
    return read_spine_text(text, source=SourceKind.ORDER, reference_date=written)


def test_an_order_is_read_whole():
    text = read("Z.n. TLIF LWK 4/5 links am 02.03.2026, neue Fußheberparese. Kein Fieber.")
    assert [level.name for level in text.levels] == ["L4-L5"]
    assert text.procedures == ("TLIF",)
    assert text.side == "left"
    assert text.is_postoperative is True
    assert text.surgery_date is not None and text.surgery_date.exact == date(2026, 3, 2)
    assert text.red_flags == (RedFlag.NEW_DEFICIT,)
    assert text.source is SourceKind.ORDER


def test_an_earlier_and_a_planned_operation_are_kept_apart():
    done, planned = read("s/p L4-5 discectomy 2020, now planned L5-S1 TLIF").operations
    assert (done.tense, [level.name for level in done.levels], done.procedures) == (
        Tense.DONE,
        ["L4-L5"],
        ("DISCECTOMY",),
    )
    assert (planned.tense, [level.name for level in planned.levels]) == (Tense.PLANNED, ["L5-S1"])


def test_statements_about_one_operation_are_joined():
    (operation,) = read("Post op 3 months. L4-L5 TLIF.").operations
    assert operation.tense is Tense.DONE
    assert operation.procedures == ("TLIF",)
    assert operation.when is not None


@pytest.mark.parametrize(
    ("text", "expected"), [("no prior surgery", False), ("pedicle screws L4-L5", True), ("back pain", None)]
)
def test_evidence_of_an_operation_is_told_from_silence(text: str, expected: bool | None):
    assert read(text).is_postoperative is expected


def test_a_procedure_dated_in_the_past_was_done_and_one_in_the_future_is_planned():
    assert read("TLIF L4-5 2026-03-02").tense is Tense.DONE
    assert read("TLIF L4-5 2026-07-02").tense is Tense.PLANNED
    assert read("TLIF L4-5").tense is Tense.UNSTATED


def test_what_is_to_be_removed_was_put_in_before():
    assert read("Metallentfernung L4-S1 geplant").is_postoperative is True


def test_an_empty_text_says_nothing():
    assert read("") == SpineText("", SourceKind.ORDER)


def _lines(name: str) -> list[dict]:
    return [json.loads(line) for line in (LINES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


HELD_OUT = ("held_out", "held_out_2", "held_out_3")


def test_there_are_enough_labelled_lines_and_none_is_in_two_parts():
    parts = [[line["text"] for line in _lines(name)] for name in ("tuning", *HELD_OUT)]
    texts = [text for part in parts for text in part]
    assert len(texts) >= 300
    assert len(texts) == len(set(texts))
    for name in HELD_OUT:
        assert {line["language"] for line in _lines(name)} == {"en", "fr", "de", "es"}


@pytest.mark.parametrize("name", HELD_OUT)
def test_no_level_is_invented_on_text_that_it_was_never_tuned_on(name):
    for line in _lines(name):
        invented = {level.name for level in read(line["text"]).levels} - set(line["levels"])
        assert not invented, line["text"]


def test_nearly_all_levels_of_the_held_out_lines_are_found():
    expected = found = 0
    for line in _lines("held_out"):
        expected += len(line["levels"])
        found += len({level.name for level in read(line["text"]).levels} & set(line["levels"]))
    assert found >= 0.95 * expected


def test_a_planned_operation_whose_day_has_passed_is_taken_as_done():
    assert read("planned L4-L5 TLIF, operated 2026-03-02").tense is Tense.DONE
    assert read("L4-L5 TLIF planned for 2026-06-10").tense is Tense.PLANNED


@pytest.mark.parametrize(
    ("text", "earliest", "latest"),
    [
        ("TLIF L4/5 done in Feb", (2026, 2, 1), (2026, 2, 28)),
        ("TLIF L4/5 done in July", (2025, 7, 1), (2025, 7, 31)),
        ("Spondylodese L4/5 am 14.5. erfolgt, Z.n. Fieber", (2026, 5, 14), (2026, 5, 14)),
        ("artrodesis L4-L5 el 10/5", (2026, 5, 10), (2026, 5, 10)),
        ("s/p kyphoplasty L1 last autumn", (2025, 9, 1), (2025, 11, 30)),
        ("Z.n. Laminektomie L3/4 Okt 23", (2023, 10, 1), (2023, 10, 31)),
        ("laminectomie L3-L4 avant-hier", (2026, 5, 30), (2026, 5, 30)),
    ],
)
def test_a_day_without_its_year_is_the_last_of_that_name(text, earliest, latest):
    when = read(text).surgery_date
    assert when is not None
    assert (when.earliest, when.latest) == (date(*earliest), date(*latest))


@pytest.mark.parametrize("text", ["TLIF L4/5 planned in July", "TLIF L4/5 in July", "pendiente de XLIF L3-L4 en mayo"])
def test_a_month_that_may_be_the_next_of_that_name_is_no_date(text):
    assert read(text).surgery_date is None
    assert read(text).tense is not Tense.DONE


def test_a_construct_down_to_the_pelvis_holds_the_last_lumbar_segment_too():
    for text in ("fusion L4-pelvis", "Spondylodese L4 bis Becken", "arthrodèse L4-bassin", "artrodesis L4 a pelvis"):
        assert [level.name for level in read(text).levels] == ["L4-L5", "L5-S1"]
    assert read("CT abdomen/pelvis, pain L4").levels == ()


def test_vertebrae_that_are_cemented_one_by_one_are_no_segments():
    assert read("vertebroplasties T11 T12 L1").levels == ()
    assert [level.name for level in read("kyphoplasty L1, fusion T12-L2").levels] == ["T12-L1", "L1-L2"]


def test_a_procedure_that_was_called_off_is_none():
    assert read("L4/5 laminectomy cancelled, conservative treatment").procedures == ()


def test_an_old_deficit_with_none_that_is_new_raises_no_flag():
    assert read("foot drop unchanged since 2015, no new weakness").red_flags == ()
    assert read("foot drop unchanged since 2015, new weakness of the other foot").red_flags == (RedFlag.NEW_DEFICIT,)
