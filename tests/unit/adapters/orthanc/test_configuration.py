"""The archive's configuration: valid once its variables are filled in, and every setting explained."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from plumbline.adapters.orthanc.configuration import LocalArchive
from plumbline.pipeline.receive import OWN_MANUFACTURER, OWN_MODALITIES

ORTHANC = Path(__file__).parents[4] / "orthanc"
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::-([^}]*))?\}")


@pytest.fixture
def text():
    return (ORTHANC / "orthanc.json").read_text()


def filled(text, values):
    return json.loads(VARIABLE.sub(lambda found: values.get(found[1], found[2] or ""), text))


@pytest.fixture
def archive(tmp_path):
    return LocalArchive(ORTHANC, tmp_path, http_port=18042, dicom_port=14242, listener_port=21112)


def test_it_is_valid_json_with_the_defaults_alone(text):
    configuration = filled(text, {})
    assert (configuration["HttpPort"], configuration["DicomPort"], configuration["DicomAet"]) == (8042, 4242, "ORTHANC")
    assert configuration["DicomModalities"]["plumbline"]["Port"] == 11112
    assert configuration["RemoteAccessAllowed"] is False


def test_a_local_archive_fills_in_variables_that_the_file_has(text, archive):
    assert set(archive.environment()) <= {found[1] for found in VARIABLE.finditer(text)}
    configuration = filled(text, archive.environment())
    assert configuration["HttpPort"] == 18042
    assert configuration["DicomModalities"]["plumbline"]["Port"] == 21112
    assert Path(configuration["PythonScript"]).exists()


def test_the_readme_says_why_of_every_setting(text):
    readme = (ORTHANC / "README.md").read_text()
    unexplained = [key for key in filled(text, {}) if key not in readme]
    assert unexplained == []


def test_the_readme_names_every_variable(text):
    readme = (ORTHANC / "README.md").read_text()
    assert [found[1] for found in VARIABLE.finditer(text) if found[1] not in readme] == []


def test_missing_plugins_are_named_by_their_packages(archive, tmp_path):
    bare = LocalArchive(ORTHANC, tmp_path, 1, 2, 3, plugins_dir=tmp_path)
    assert bare.missing_parts() == ["orthanc-dicomweb", "orthanc-python"]


def test_router_and_pipeline_know_our_own_objects_by_the_same_rule():
    router = (ORTHANC / "plumbline_router.py").read_text()
    assert f'OWN_MANUFACTURER = "{OWN_MANUFACTURER}"' in router
    named = re.search(r"OWN_MODALITIES = frozenset\((.*?)\)", router)[1]
    assert set(json.loads(named.replace("{", "[").replace("}", "]"))) == OWN_MODALITIES
