from pydicom.datadict import dictionary_VR, keyword_for_tag

from plumbline.worklist.attributes import RETURNED_BY_SEARCH, UPS_ATTRIBUTES, every_attribute


def test_every_row_has_the_keyword_and_the_vr_of_the_dicom_dictionary():
    for row in every_attribute():
        tag = int(row.tag, 16)
        assert (keyword_for_tag(tag), dictionary_VR(tag)) == (row.keyword, row.vr)


def test_rows_are_nested_where_the_table_nests_them():
    performed = UPS_ATTRIBUTES["00741216"]
    assert performed.items["00404033"].keyword == "OutputInformationSequence"
    assert performed.items["00404035"].items["00404037"].keyword == "HumanPerformerName"
    assert performed.items["00404033"].items["00081199"].items["00081155"].keyword == "ReferencedSOPInstanceUID"
    assert "00404033" not in UPS_ATTRIBUTES


def test_the_lock_is_never_among_what_a_search_returns():
    assert "00081195" not in RETURNED_BY_SEARCH
