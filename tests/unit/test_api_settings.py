import pytest
from pydantic import ValidationError

from plumbline.settings import ApiSettings


def test_the_address_of_another_viewer_may_have_the_exams_in_it():
    assert ApiSettings(viewer_links={"OHIF": "https://ohif.example/viewer?s={studies}"}).viewer_links


def test_an_unknown_place_in_an_address_is_refused_with_the_known_ones():
    with pytest.raises(ValidationError, match="known are current, reference, studies"):
        ApiSettings(viewer_links={"OHIF": "https://ohif.example/{patient}"})
