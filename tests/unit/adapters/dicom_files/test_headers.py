"""From DICOM headers to exam values: what is read, and how absent or odd values are borne."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from pydicom import Dataset

from plumbline.adapters.dicom_files.headers import patient_from_header, study_from_headers
from plumbline.errors import InvalidInput

from .conftest import ct_slice


def test_a_study_is_read_with_its_series_and_planes(ct_series):
    study = study_from_headers(ct_series)
    assert study.study_instance_uid == "2.25.1"
    assert study.performed_at == datetime(2026, 3, 2, 8, 15)
    assert study.has_time
    assert study.patient.birth_date == date(1960, 1, 2)
    (series,) = study.series
    assert series.kernel == "Br64d\\3"
    assert series.instances[0].image_position_lps_mm == (-10.0, -20.0, 6.0)
    assert study.modalities == ("CT",)


def test_order_text_is_collected_from_where_senders_put_it():
    request = Dataset()
    request.ReasonForTheRequestedProcedure = "s/p TLIF L4-L5"
    ds = ct_slice(1, RequestAttributesSequence=[request], AdditionalPatientHistory="pain")
    assert study_from_headers([ds]).reason_for_study == ("pain", "s/p TLIF L4-L5")


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize(
    ("keyword", "value"),
    [("StudyDate", ""), ("StudyTime", "99"), ("PatientBirthDate", ""), ("PatientSex", ""), ("StudyDescription", None)],
)
def test_empty_and_odd_values_do_not_stop_the_reading(keyword, value):
    ds = ct_slice(1)
    setattr(ds, keyword, value)
    assert study_from_headers([ds]).study_instance_uid == "2.25.1"


def test_no_text_has_characters_that_a_store_does_not_keep():
    study = study_from_headers([ct_slice(1, StudyDescription="LWS\0 post", AccessionNumber="A1\0\0")])
    assert (study.description, study.accession_number) == ("LWS post", "A1")


def test_a_time_that_was_not_given_is_not_invented():
    study = study_from_headers([ct_slice(1, StudyTime="")])
    assert study.performed_at == datetime(2026, 3, 2)
    assert not study.has_time


def test_other_patient_ids_keep_their_issuers():
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID = "X9", "CLINIC"
    ds = ct_slice(1, OtherPatientIDsSequence=[other])
    assert patient_from_header(ds).other_ids == (("X9", "CLINIC"),)


def test_two_studies_or_two_patients_are_never_one():
    with pytest.raises(InvalidInput, match="2 studies"):
        study_from_headers([ct_slice(1), ct_slice(2, StudyInstanceUID="2.25.9")])
    with pytest.raises(InvalidInput, match="different patient IDs"):
        study_from_headers([ct_slice(1), ct_slice(2, PatientID="P2")])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"IssuerOfPatientID": "ELSEWHERE"}, "issuers of the patient ID"),
        ({"PatientBirthDate": "19610203"}, "birth dates"),
        ({"PatientSex": "M"}, "sexes"),
    ],
)
def test_instances_that_contradict_each_other_about_the_patient_are_no_study(changed, words):
    with pytest.raises(InvalidInput, match=f"carry different {words}"):
        study_from_headers([ct_slice(1), ct_slice(2, **changed)])


def test_what_one_instance_leaves_open_another_tells():
    bare = ct_slice(1, IssuerOfPatientID="", PatientBirthDate="", PatientSex="O")
    patient = study_from_headers([bare, ct_slice(2)]).patient
    assert (patient.issuer, patient.birth_date, patient.sex) == ("HOSPITAL", date(1960, 1, 2), "F")


def item(**values) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def test_an_enhanced_mr_says_its_sequence_in_functional_groups():
    shared = item(
        MRTimingAndRelatedParametersSequence=[item(RepetitionTime=3500.0)],
        MREchoSequence=[item(EffectiveEchoTime=60.0)],
        MRModifierSequence=[item(InversionRecovery="YES", InversionTimes=[160.0], SpectrallySelectedSuppression="FAT")],
        MRImageFrameTypeSequence=[item(AcquisitionContrast="STIR")],
    )
    agent = item(CodeMeaning="Gadobutrol")
    ds = ct_slice(1, Modality="MR", NumberOfFrames=2, EchoPulseSequence="SPIN")
    ds.SharedFunctionalGroupsSequence, ds.ContrastBolusAgentSequence = [shared], [agent]
    (series,) = study_from_headers([ds]).series
    assert (series.repetition_time_ms, series.echo_time_ms, series.inversion_time_ms) == (3500, 60, 160)
    assert series.scanning_sequence == ("SE", "IR")
    assert series.scan_options == ("FS",)
    assert series.acquisition_contrast == "STIR"
    assert series.contrast_agent == "Gadobutrol"


def test_each_radiograph_of_a_series_has_its_own_view():
    frontal = ct_slice(1, Modality="CR", ViewPosition="AP")
    lateral = ct_slice(2, Modality="CR", ViewPosition="LL", AcquisitionDeviceProcessingDescription="L-SPINE LAT")
    (series,) = study_from_headers([frontal, lateral]).series
    assert [view.view_position for view in series.views] == ["AP", "LL"]
    assert series.views[1].processing == "L-SPINE LAT"


def test_a_series_is_described_by_its_slices_and_not_by_the_localiser_before_them():
    scout = ct_slice(1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], ConvolutionKernel="T20f", SliceThickness=0.6)
    (series,) = study_from_headers([scout, ct_slice(2, SliceThickness=1.0)]).series
    assert series.kernel == "Br64d\\3"
    assert series.slice_thickness_mm == 1.0


def test_colour_is_seen_in_the_samples_of_a_pixel():
    (series,) = study_from_headers([ct_slice(1, SamplesPerPixel=3), ct_slice(2)]).series
    assert [each.is_colour for each in series.instances] == [True, False]
