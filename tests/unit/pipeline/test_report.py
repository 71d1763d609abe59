"""What the report step hands to the builders: which instances the pictures come from, and whose clock is written."""

from datetime import UTC, datetime

import pytest
from pydicom.dataset import Dataset

from plumbline.errors import Misconfigured
from plumbline.pipeline.report import _measured_instances
from plumbline.reports.content import ReportedStudy
from plumbline.settings import Settings, SiteSettings
from plumbline.site_policy import site_policy


def study(uid: str, measured: str | None) -> ReportedStudy:
    """Two series of two instances."""
    headers = []
    for series in (f"{uid}.1", f"{uid}.2"):
        for number in (1, 2):
            header = Dataset()
            header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"{series}.{number}"
            header.StudyInstanceUID, header.SeriesInstanceUID, header.Modality = uid, series, "CT"
            headers.append(header)
    return ReportedStudy(tuple(headers), measured_series_uid=measured)


def test_pictures_come_from_the_measured_series_of_every_exam():
    sources = _measured_instances(study("1.1", "1.1.2"), study("1.2", "1.2.1"), study("1.3", None))
    assert sources == ("1.1.2.1", "1.1.2.2", "1.2.1.1", "1.2.1.2")


def test_the_clock_of_a_study_without_a_zone_is_the_sites():
    policy = site_policy(Settings(site=SiteSettings(time_zone="Europe/Berlin")))
    moment = datetime(2026, 7, 1, 23, 30, tzinfo=UTC).astimezone(policy.time_zone)
    assert f"{moment:%Y%m%d%H%M}" == "202607020130"
    assert site_policy(Settings()).time_zone is UTC


def test_a_zone_that_is_none_is_refused_at_start():
    with pytest.raises(Misconfigured, match=r"site\.time_zone: there is no time zone 'Europe/Nowhere'"):
        site_policy(Settings(site=SiteSettings(time_zone="Europe/Nowhere")))
