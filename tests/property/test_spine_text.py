"""Laws of the reader of spine text, tried on generated text."""

from __future__ import annotations

import re
from datetime import date

from hypothesis import example, given
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
