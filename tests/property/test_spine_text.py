"""Laws of the reader of spine text, tried on generated text."""

from __future__ import annotations

import re
from datetime import date

from hypothesis import example, given, settings
from hypothesis import strategies as st

from plumbline.anatomy.levels import usual_spine
from plumbline.exams.facts import SourceKind
from plumbline.exams.level_text import read_levels, span
from plumbline.exams.order import order_from_text
from plumbline.exams.plain_text import clauses, plain
from plumbline.exams.region_text import spine_regions
from plumbline.exams.spine_text import read_spine_text

_WORDS = st.sampled_from(
    [
        *(
            "L4/5",
            "L4",
            "-",
            "S1",
            "T2",
            "D12",
            "C5/6",
            "to",
            "a",
            "5",
            "/",
            "12.3.2026",
            "03/02/2026",
            "3",
            "months",
            "ago",
            "LWK",
            "und",
        ),
        *(
            "s/p",
            "TLIF",
            "no",
            "fever",
            ",",
            ".",
            "geplant",
            "gauche",
            "31.02.2026",
            "2026",
            "two-level",
            "from",
            "post",
            "op",
            "POD",
            "0",
        ),
        *(
            "12/52",
            "seit",
            "vor",
            "jan",
            "mars",
            "S2AI",
            "L9",
            "C8",
            "T13",
            "L6",
            "cauda",
            "equina",
            "?",
            "é",
            "ß",
            "–",
            "\n",
        ),
    ]
)
_TEXTS = st.one_of(
    st.text(max_size=80), st.lists(_WORDS, max_size=14).map(" ".join), st.lists(_WORDS, max_size=10).map("".join)
)
_VERTEBRAE = st.sampled_from(usual_spine())


@given(_TEXTS)
@example("0 months ago")
@example("L4 999 years ago")
@example("30.02.00")
def test_any_text_can_be_read(text: str):
    read = read_spine_text(text, source=SourceKind.ORDER, reference_date=date(2026, 6, 1))
    assert list(read.levels) == sorted(set(read.levels))
    for operation in read.operations:
        assert operation.when is None or operation.when.earliest <= operation.when.latest
    order_from_text(text, source=SourceKind.HEADER_TEXT)
    spine_regions(text)


@given(st.text(alphabet=st.characters(blacklist_categories=["Nd", "Nl", "No"]), max_size=60))
def test_a_text_without_a_digit_names_no_level(text: str):
    assert read_levels(plain(text)).levels == ()


@given(st.text(max_size=60))
def test_every_level_read_stands_on_a_region_that_was_written(text: str):
    if not re.search(r"[cdltshb]", plain(text)):
        assert read_levels(plain(text)).levels == ()


@given(_VERTEBRAE, _VERTEBRAE, st.sampled_from(["-", "/", " to ", " bis ", "–"]))
def test_a_range_is_read_as_the_levels_that_it_spans(one, other, separator):
    above, below = min(one, other), max(one, other)
    if above != below and {above.name, below.name} != {"T1", "T2"}:
        assert read_levels(plain(f"fusion {above}{separator}{below}")).levels == span(above, below)


@given(_TEXTS)
def test_plain_text_is_plain_already_and_falls_into_statements(text: str):
    once = plain(text)
    assert plain(once) == once
    assert all(part and part == part.strip() for part in clauses(once))


_NUMBERS = st.integers(min_value=1, max_value=12)
_NOT_LEVELS = st.sampled_from(
    [
        "L{a} nerve root block", "racine L{a} droite", "Wurzel L{a} links", "radiculopathy S{a}",
        "C{a} glomerulopathy",
        "complement C{a} and C{b} low", "S{a} heart sound, S{b} gallop", "heart sounds S{a} + S{b}", "T{a} weighted",
        "T{a}w and T{b}w images",
        "T{a} post gadolinium", "grade L{a}", "stage T{a}N{b}M0", "pT{a} N{b} tumour",
        "vitamin D{a}",
        "D{a} vitamin", "vitamin B{a}", "room L{a}", "ward C{a}, bed {b}", "Zimmer L{a}", "lit C{a}",
        "habitación L{a}, cama {b}", "T{a} diabetes", "type {a} diabetes", "L{a} lymph node", "liver segment S{a}",
        "HbA{a}c {b}.{a} %", "TSH {a}.{b}, T{a} and T{b} normal", "C{a} hepatitis", "block C{a}, floor {b}",
        "lot L{a}{b}, ref C{b}", "{a}/{b}/2024", "{a}.{b}.2024", "at {a}:{b}0", "series S{a} image {b}",
        "phase {a}/{b}",
        "BP 1{a}0/{b}0", "{a} to {b} weeks", "dose {a}-{b} mg", "L{a} tablet", "D{a} dimer", "lead V{a}",
        "leads C{a} and C{b}",
        "C-reactive protein {a}", "ECG V{a}-V{b}", "PIRADS {a}", "tooth L{a}", "L{a} rib fracture", "code S{a}{b}.{a}",
        "finger D{a}", "P{a} G{b}", "score {a}/{b}", "Grad {a}-{b}", "q{a}h", "IV {a}/{b} N", "rev. C{a}",
    ]
)  # fmt: skip
_PROSE = st.sampled_from(
    [
        "Chest pain and dyspnoea", "CT abdomen", "renal biopsy pending",
        "knee swelling", "MRI brain", "follow-up in clinic",
        "patient seen today", "known hypertension", "cough since Monday", "Husten und Fieber", "douleur du genou",
        "dolor de rodilla", "Schilddrüse unauffällig", "thyroïde normale", "liver function normal", "no complaint",
        "low back pain", "lumbar spine MRI", "CT LSPINE", "neck pain", "douleurs lombaires", "vertebral fracture",
        "Rückenschmerzen", "columna lumbar, control", "scoliosis", "spine follow-up",
    ]
)  # fmt: skip


@st.composite
def _other_prose(draw: st.DrawFn) -> str:
    """Clinical prose about anything but levels, full of what looks like them."""
    parts = draw(st.lists(st.one_of(_NOT_LEVELS, _PROSE), min_size=1, max_size=6))
    filled = [part.replace("{a}", str(draw(_NUMBERS))).replace("{b}", str(draw(_NUMBERS))) for part in parts]
    return draw(st.sampled_from([", ", ". ", "; ", "\n", " - "])).join(filled)


@settings(max_examples=300, deadline=None)
@given(_other_prose())
def test_no_level_is_invented_in_prose_about_something_else(text: str):
    assert read_spine_text(text, source=SourceKind.ORDER, reference_date=date(2026, 6, 1)).levels == ()
