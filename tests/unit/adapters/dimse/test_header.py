"""What a dataset says it is, in every encoding; and datasets that are cut, garbled or no datasets at all."""

from __future__ import annotations

import random
import zlib
from datetime import date
from io import BytesIO

import pytest
from pydicom import Dataset, Sequence
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from plumbline.adapters.dimse.elements import EXPLICIT_LITTLE, encoding_of, scan
from plumbline.adapters.dimse.header import DEFLATED, read_header, read_identity
from plumbline.pipeline.receive import InstanceHeader, Refusal, Unusable

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
SYNTAXES = (IMPLICIT, EXPLICIT, BIG, DEFLATED)


class Everything:
    """A container of all tags."""

    def __contains__(self, _tag):
        return True

    def __len__(self):
        return 1 << 32


def dataset():
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID = "2.25.1"
    ds.Modality = "CT"
    ds.Manufacturer = "Größer & Söhne"
    ds.PatientName = "Ω^Test"
    ds.PatientID = "Ä-17"
    ds.IssuerOfPatientID = "HOSPITAL"
    ds.PatientBirthDate = "19610402"
    ds.PatientSex = "F"
    other = Dataset()
    other.PatientID = "OLD-3"
    other.IssuerOfPatientID = "ELSEWHERE"
    ds.OtherPatientIDsSequence = Sequence([other])
    ds.StudyInstanceUID = "2.25.100"
    ds.SeriesInstanceUID = "2.25.101"
    ds.Rows = ds.Columns = 4
    ds.BitsAllocated = 16
    ds.add_new(0x7FE00010, "OW", bytes(range(32)))
    return ds


def encoded(ds, syntax):
    file = DicomBytesIO()
    file.is_little_endian = syntax != BIG
    file.is_implicit_VR = syntax == IMPLICIT
    write_dataset(file, ds)
    data = file.getvalue()
    if syntax == DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = deflater.compress(data) + deflater.flush()
    return data


def undefined(ds):
    """The same with sequences and items of undefined length."""
    ds["OtherPatientIDsSequence"].is_undefined_length = True
    for item in ds.OtherPatientIDsSequence:
        item.is_undefined_length_sequence_item = True
    return ds


def reason_of(data, syntax=EXPLICIT):
    with pytest.raises(Unusable) as told:
        read_header(memoryview(data), syntax)
    return told.value.reason


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED, "1.2.840.10008.1.2.4.90"])
@pytest.mark.parametrize("form", [dataset, lambda: undefined(dataset())], ids=["defined", "undefined"])
def test_every_encoding_says_the_same(syntax, form):
    header = read_header(memoryview(encoded(form(), syntax)), syntax)
    assert header.sop_instance_uid == "2.25.1"
    assert (header.study_instance_uid, header.series_instance_uid) == ("2.25.100", "2.25.101")
    assert (header.modality, header.manufacturer) == ("CT", "Größer & Söhne")
    assert header.patient.patient_id == "Ä-17"
    assert header.patient.birth_date == date(1961, 4, 2)
    assert header.patient.other_ids == (("OLD-3", "ELSEWHERE"),)
    assert read_identity(memoryview(encoded(form(), syntax)), syntax) == (header.sop_class_uid, "2.25.1")


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_every_cut_inside_an_element_is_told(syntax):
    data = encoded(undefined(dataset()), syntax)
    ends = {0, *(element.end for element in scan(memoryview(data), encoding_of(syntax), Everything()).values())}
    for length in range(1, len(data)):
        if length in ends:
            read_header(memoryview(data[:length]), syntax)
        else:
            assert reason_of(data[:length], syntax) in (Refusal.TRUNCATED, Refusal.NOT_DICOM)
    assert reason_of(data[:-1], syntax) is Refusal.TRUNCATED


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_identity_is_refused_wherever_the_header_is(syntax):
    """The walk behind the last wanted element is another loop; it must come to the same end."""
    data = encoded(undefined(dataset()), syntax)
    for length in range(len(data)):
        outcomes = [outcome_of(read, data[:length], syntax) for read in (read_header, read_identity)]
        assert outcomes[0] == outcomes[1], length


def outcome_of(read, data, syntax):
    try:
        read(memoryview(data), syntax)
    except Unusable as error:
        return error.reason
    return None


def test_a_cut_dataset_still_says_which_study_it_was_of():
    with pytest.raises(Unusable) as told:
        read_header(memoryview(encoded(dataset(), EXPLICIT)[:-1]), EXPLICIT)
    assert told.value.header.study_instance_uid == "2.25.100"


def test_a_deflated_dataset_that_is_cut_is_told():
    assert reason_of(encoded(dataset(), DEFLATED)[:-4], DEFLATED) is Refusal.TRUNCATED
    with pytest.raises(Unusable):
        read_identity(memoryview(encoded(dataset(), DEFLATED)[:-4]), DEFLATED)


def test_of_a_long_deflated_dataset_only_the_beginning_is_kept_to_find_its_identity():
    large = dataset()
    large.PixelData = bytes(5 << 20)
    assert read_identity(memoryview(encoded(large, DEFLATED)), DEFLATED)[1] == "2.25.1"


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7 not a dataset at all", b"\xff" * 64, b"PK\x03\x04" + b"\0" * 40])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_no_dataset_is_called_so(data, syntax):
    assert reason_of(data, syntax) in (Refusal.NOT_DICOM, Refusal.TRUNCATED)


def is_refused(data: bytes, syntax: str) -> bool:
    """Whether the header reader refuses the bytes; anything else than a header or a refusal is raised."""
    try:
        return not isinstance(read_header(memoryview(data), syntax), InstanceHeader)
    except Unusable:
        return True


def test_random_bytes_are_refused():
    source = random.Random(7)
    datasets = [(source.randbytes(source.randrange(200)), source.choice(SYNTAXES)) for _ in range(3000)]
    taken = [len(data) for data, syntax in datasets if not is_refused(data, syntax)]
    assert max(taken, default=0) < 16  # a few bytes may happen to be an empty element


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom tells of each odd character set
def test_a_garbled_dataset_is_read_or_refused():
    source, whole = random.Random(8), encoded(undefined(dataset()), EXPLICIT)
    refused = 0
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(source.randrange(1, 6)):
            data[source.randrange(len(data))] = source.randrange(256)
        refused += is_refused(bytes(data), EXPLICIT)
    assert 300 < refused < 2700


def test_nesting_without_end_is_refused_and_does_not_exhaust_the_stack():
    opened = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    assert reason_of(opened * 5000) in (Refusal.NOT_DICOM, Refusal.TRUNCATED)


def test_a_sender_that_contradicts_its_own_syntax_is_understood():
    header = read_header(memoryview(encoded(dataset(), IMPLICIT)), EXPLICIT)
    assert header.sop_instance_uid == "2.25.1"


def test_encapsulated_fragments_are_walked():
    fragments = b"\xfe\xff\x00\xe0\0\0\0\0" + b"\xfe\xff\x00\xe0\x04\0\0\0abcd" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    data = encoded(Dataset(), EXPLICIT) + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + fragments
    found = scan(memoryview(data), EXPLICIT_LITTLE, {0x7FE00010})
    assert found[0x7FE00010].end == len(data)


def test_characters_that_no_store_keeps_are_dropped():
    ds = dataset()
    ds.PatientID = "A\0B "
    stream = BytesIO(encoded(ds, EXPLICIT))
    assert read_header(memoryview(stream.getvalue()), EXPLICIT).patient.patient_id == "AB"
