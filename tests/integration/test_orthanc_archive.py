"""The archive port on the real Orthanc: counting, searching, fetching, storing, annotating, following changes."""

from __future__ import annotations

from io import BytesIO

import httpx
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_files
from pydicom.uid import generate_uid

from plumbline.adapters.orthanc.archive import OrthancArchive
from plumbline.errors import InvalidInput, Misconfigured, Unavailable
from plumbline.pipeline.fetch import Fetcher
from plumbline.settings import OrthancSettings
from plumbline.testing import ManualClock, MemorySpool
from tests.servers import free_port, run_orthanc, wait_until


@pytest.fixture(scope="module")
def server(orthanc):
    return orthanc


@pytest.fixture
def archive(server):
    archive = OrthancArchive(OrthancSettings(url=server.url))
    yield archive
    archive.close()


def part10(patient_id, *, study=None, series=None, manufacturer="SIEMENS", modality="CT", **attributes):
    """One small CT instance as a DICOM file, and its dataset."""
    dataset = dcmread(get_testdata_files("CT_small.dcm")[0])
    dataset.PatientID = patient_id
    dataset.StudyInstanceUID = study or generate_uid()
    dataset.SeriesInstanceUID = series or generate_uid()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.Manufacturer, dataset.Modality = manufacturer, modality
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue(), dataset


def put(server, content):
    httpx.post(server.url + "/instances", content=content).raise_for_status()


def test_a_study_is_counted_and_our_own_objects_are_told_apart(server, archive):
    study = generate_uid()
    first, one = part10("COUNT", study=study)
    second, _ = part10("COUNT", study=study, series=one.SeriesInstanceUID)
    report, ours = part10("COUNT", study=study, manufacturer="Plumbline", modality="SR")
    for content in (first, second, report):
        put(server, content)
    listed = archive.instances_of(study)
    assert len(listed) == 3
    assert {instance.series_instance_uid for instance in listed if not instance.is_own} == {one.SeriesInstanceUID}
    assert [instance.sop_instance_uid for instance in listed if instance.is_own] == [ours.SOPInstanceUID]


def test_a_study_that_the_archive_does_not_know_is_empty(archive):
    assert archive.instances_of("2.25.404") == ()


def test_what_is_fetched_is_the_file_s_dataset_byte_for_byte(server, archive):
    content, dataset = part10("FETCH")
    put(server, content)
    (instance,) = archive.instances_of(dataset.StudyInstanceUID)
    fetched = archive.fetch(instance)
    stored = httpx.get(f"{server.url}/instances/{instance.handle}/file").content
    assert stored.endswith(fetched.dataset)
    assert len(stored) - len(fetched.dataset) < 600
    assert fetched.sop_instance_uid == dataset.SOPInstanceUID
    assert fetched.transfer_syntax_uid == dataset.file_meta.TransferSyntaxUID


def test_an_instance_deleted_meanwhile_is_said_to_be_gone(server, archive):
    content, dataset = part10("GONE")
    put(server, content)
    (instance,) = archive.instances_of(dataset.StudyInstanceUID)
    httpx.delete(f"{server.url}/instances/{instance.handle}").raise_for_status()
    with pytest.raises(InvalidInput):
        archive.fetch(instance)


def test_studies_of_a_patient_come_with_issuer_series_and_counts(server, archive):
    study = generate_uid()
    content, one = part10(
        "HISTORY", study=study, IssuerOfPatientID="NORTH", BodyPartExamined="LSPINE", StudyDate="20250102"
    )
    put(server, content)
    put(server, part10("HISTORY", study=study, series=one.SeriesInstanceUID, IssuerOfPatientID="NORTH")[0])
    put(server, part10("HISTORY", study=study, manufacturer="Plumbline", modality="SR")[0])
    (found,) = archive.studies_of("HISTORY")
    assert found.study.patient.issuer == "NORTH"
    assert found.study.performed_at.year == 2004
    (series,) = found.study.series
    assert (series.series_instance_uid, series.slice_thickness_mm) == (one.SeriesInstanceUID, 5.0)
    assert found.instance_count == 2


@pytest.mark.parametrize("patient_id", ["WILD*", "WILD?", "wild1", "WILD 1", "WILD/1&x=2", "WILD+1%", "WILDÄ"])
def test_special_characters_in_a_patient_id_mean_themselves_and_case_matters(server, archive, patient_id):
    for other in ("WILD1", "WILD22", "WILDX1", "WILD", patient_id):
        put(server, part10(other)[0])
    (found,) = archive.studies_of(patient_id)
    assert found.study.patient.patient_id == patient_id


def test_an_empty_patient_id_finds_nobody(archive):
    assert archive.studies_of("") == ()


def test_however_many_studies_there_are_it_takes_two_queries(server, archive, monkeypatch):
    for _ in range(12):
        put(server, part10("MANY")[0])
    asked = []
    qido = archive._client.qido
    monkeypatch.setattr(archive._client, "qido", lambda *query: (asked.append(query[0]), qido(*query))[1])
    assert len(archive.studies_of("MANY")) == 12
    assert asked == ["studies", "series"]


def test_storing_the_same_object_again_changes_nothing(server, archive):
    content, dataset = part10("TWICE")
    archive.store(content)
    (before,) = archive.instances_of(dataset.StudyInstanceUID)
    attached = httpx.get(f"{server.url}/instances/{before.handle}/attachments/dicom/md5").text
    archive.store(content)
    assert archive.instances_of(dataset.StudyInstanceUID) == (before,)
    assert httpx.get(f"{server.url}/instances/{before.handle}/attachments/dicom/md5").text == attached


def test_only_an_object_of_ours_can_be_taken_back(archive):
    study = generate_uid()
    ours, selection = part10("BACK", study=study, manufacturer="Plumbline", modality="KO")
    theirs, other = part10("BACK", study=study, modality="KO")
    archive.store(ours)
    archive.store(theirs)
    for _ in range(2):
        archive.withdraw(selection.SOPInstanceUID)
        archive.withdraw(other.SOPInstanceUID)
        archive.withdraw(other.SeriesInstanceUID)
    assert [each.sop_instance_uid for each in archive.instances_of(study)] == [other.SOPInstanceUID]


def test_what_is_no_dicom_file_is_refused_as_the_sender_s_fault(archive):
    with pytest.raises(InvalidInput):
        archive.store(b"not DICOM")


def test_annotations_replace_earlier_ones(server, archive):
    content, dataset = part10("NOTE")
    put(server, content)
    archive.annotate(dataset.StudyInstanceUID, {"plumbline-priority": "STAT", "plumbline-reason": "Größer als 2 mm"})
    archive.annotate(dataset.StudyInstanceUID, {"plumbline-priority": "ROUTINE"})
    study = httpx.post(server.url + "/tools/lookup", content=dataset.StudyInstanceUID).json()[0]["ID"]
    kept = httpx.get(f"{server.url}/studies/{study}/metadata?expand").json()
    assert (kept["plumbline-priority"], kept["plumbline-reason"]) == ("ROUTINE", "Größer als 2 mm")
    for _ in range(2):
        archive.annotate(dataset.StudyInstanceUID, {"plumbline-priority": ""})
        left = httpx.get(f"{server.url}/studies/{study}/metadata?expand").json()
        assert "plumbline-priority" not in left and left["plumbline-reason"] == "Größer als 2 mm"
    with pytest.raises(InvalidInput):
        archive.annotate("2.25.404", {"plumbline-priority": "STAT"})


def test_studies_are_reported_when_they_become_stable(server, archive):
    _, start, _ = archive.stable_since(0, 100_000)
    content, dataset = part10("STABLE")
    put(server, content)

    def stable():
        return [change.study_instance_uid for change in archive.stable_since(start, 1000)[0]]

    wait_until(lambda: dataset.StudyInstanceUID in stable(), "the study is stable")
    changes, last, is_all = archive.stable_since(start, 1000)
    assert is_all
    assert last >= changes[-1].sequence > start
    assert changes[-1].at is not None
    page, reached, is_all = archive.stable_since(start, 1)
    assert (page, reached, is_all) == ((), start + 1, False)


def test_an_archive_that_is_away_is_unavailable():
    archive = OrthancArchive(OrthancSettings(url=f"http://127.0.0.1:{free_port()}", timeout_s=2))
    with pytest.raises(Unavailable):
        archive.tell_missing()
    with pytest.raises(Unavailable):
        archive.instances_of("2.25.1")
    archive.close()


def test_an_archive_that_wants_a_password_is_told_it_from_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("ORTHANC_AUTHENTICATION", "true")
    monkeypatch.setenv("ORTHANC_PASSWORD", "correct horse")
    (tmp_path / "password").write_text("correct horse\n")
    with run_orthanc(tmp_path / "orthanc", answers_with=401) as server:
        anonymous = OrthancArchive(OrthancSettings(url=server.url))
        with pytest.raises(Misconfigured):
            anonymous.tell_missing()
        known = OrthancArchive(
            OrthancSettings(url=server.url, username="plumbline", password_file=tmp_path / "password")
        )
        known.tell_missing()
        anonymous.close()
        known.close()


def test_the_instances_of_several_studies_are_listed_by_one_query(server, archive):
    expected: dict[str, set[str]] = {}
    for count in (1, 3):
        study, series = generate_uid(), generate_uid()
        files = [part10("EACH WILDÄ", study=study, series=series) for _ in range(count)]
        files.append(part10("EACH WILDÄ", study=study))
        for content, _ in files:
            put(server, content)
        put(server, part10("EACH WILDÄ", study=study, manufacturer="Plumbline", modality="SR")[0])
        expected[study] = {dataset.SOPInstanceUID for _, dataset in files}
    studies = [found.study for found in archive.studies_of("EACH WILDÄ")]
    asked = []
    archive._client._api.event_hooks["request"].append(asked.append)
    listed = archive.instances_of_each(studies)
    assert {uid: {each.sop_instance_uid for each in instances} for uid, instances in listed.items()} == expected
    assert all(each.series_instance_uid for instances in listed.values() for each in instances)
    assert len(asked) == 1
    handle = next(each for instances in listed.values() for each in instances)
    assert archive.fetch(handle).sop_instance_uid == handle.sop_instance_uid


def test_no_studies_have_no_instances(archive):
    assert archive.instances_of_each([]) == {}


def test_an_instance_whose_file_the_archive_has_lost_does_not_keep_the_others_from_coming(tmp_path):
    study = generate_uid()
    files = [part10("LOST", study=study) for _ in range(3)]
    with run_orthanc(tmp_path) as server:
        for content, _ in files:
            put(server, content)
        before = OrthancArchive(OrthancSettings(url=server.url))
        (found,) = before.studies_of("LOST")
        before.close()
    lost = str(files[1][1].SOPInstanceUID)
    (stored,) = [path for path in tmp_path.glob("??/??/*") if lost.encode() in path.read_bytes()]
    stored.unlink()
    with run_orthanc(tmp_path) as server:  # anew: it keeps fresh files in memory
        archive = OrthancArchive(OrthancSettings(url=server.url))
        listed = archive.instances_of_each([found.study])[study]
        assert len(listed) == found.instance_count == 3
        spool = MemorySpool()
        fetcher = Fetcher(archive, spool, ManualClock())
        assert fetcher.fetch(listed) == {lost}
        assert len(spool.appended) == 2
        archive.close()
