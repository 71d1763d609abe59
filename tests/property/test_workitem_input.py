"""Whatever is sent as a workitem, a change or a search key: it is stored as it is, or refused in our own words."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from plumbline.errors import InvalidInput, PlumblineError
from plumbline.testing import ManualClock, MemoryWorkitems, invented_ct_study
from plumbline.triage.priority import Priority, TriageDecision
from plumbline.worklist import tags
from plumbline.worklist.attributes import TAG_OF_KEYWORD, VR_OF_TAG
from plumbline.worklist.matching import matches, moment_span, search_key
from plumbline.worklist.native_xml import from_xml, to_xml
from plumbline.worklist.reading import RetrievalSource, reading_workitem
from plumbline.worklist.requirements import completed_for_creation

TAGS = st.sampled_from(sorted(VR_OF_TAG)) | st.text("0123456789ABCDEF", min_size=7, max_size=9)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


def elements(inner):
    value = st.lists(SCALARS | st.dictionaries(TAGS, inner, max_size=3), max_size=3) | SCALARS
    vr = st.sampled_from(["CS", "LO", "DT", "UI", "PN", "SQ", "US", "XX"])
    return st.fixed_dictionaries({"vr": vr, "Value": value}) | st.fixed_dictionaries({"vr": vr}) | SCALARS


ALMOST_DATASETS = st.dictionaries(TAGS, st.recursive(SCALARS, elements, max_leaves=10), max_size=6)
GOOD = reading_workitem(
    invented_ct_study(1),
    TriageDecision(Priority.URGENT, ("x",)),
    workitem_uid="2.25.1",
    scheduled_at=ManualClock().now(),
    source=RetrievalSource("ORTHANC"),
)


@given(ANYTHING | ALMOST_DATASETS)
@settings(max_examples=300)
def test_no_dataset_breaks_creation(sent):
    worklist = MemoryWorkitems()
    try:
        workitem, _ = worklist.create(sent, workitem_uid="2.25.1")
    except PlumblineError:
        return
    assert worklist.retrieve("2.25.1") == workitem


@given(ALMOST_DATASETS)
@settings(max_examples=300)
def test_a_good_workitem_with_something_else_in_it_is_kept_whole_or_refused(changes):
    try:
        completed, _ = completed_for_creation({**GOOD, **changes})
    except InvalidInput:
        return
    assert changes.keys() - {tags.TRANSACTION_UID} <= completed.keys()
    assert from_xml(to_xml(completed)).keys() == completed.keys()


@given(ALMOST_DATASETS)
@settings(max_examples=300)
def test_no_change_breaks_an_update_and_a_refused_one_changes_nothing(changes):
    worklist = MemoryWorkitems()
    worklist.create(GOOD, workitem_uid="2.25.1")
    before = worklist.retrieve("2.25.1")
    try:
        worklist.update("2.25.1", changes)
    except PlumblineError:
        assert worklist.retrieve("2.25.1") == before


@given(st.sampled_from(sorted(TAG_OF_KEYWORD)), st.text(max_size=30) | st.text("0123456789-+.:*?", max_size=30))
@example("ScheduledProcedureStepStartDateTime", "-")
@settings(max_examples=500)
def test_no_search_key_breaks_matching(keyword, value):
    try:
        key = search_key(keyword, value)
    except InvalidInput:
        return
    assert matches(GOOD, [key]) in (True, False)


@given(st.text("0123456789+-.", max_size=28))
def test_a_moment_ends_after_it_begins(value):
    span = moment_span(value)
    assert span is None or span[0] <= span[1]
