"""Sends many C-STORE requests over one association as fast as the receiver answers; prints how long it took.

The same bytes go to every receiver: encoded once, only the SOP Instance UID changes. Run as a process of
its own, so that its work is not counted as the receiver's.
"""

from __future__ import annotations

import argparse
import json
import secrets
import socket
import struct
import time
from io import BytesIO

import numpy as np
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
UID_LENGTH = 40
MAXIMUM_LENGTH = 131072


def instance(side: int, study: str, series: str) -> tuple[bytes, int]:
    """Encoded CT instance of ``side`` x ``side`` and the offset of its SOP Instance UID."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = CT_IMAGE_STORAGE
    ds.SOPInstanceUID = "2" * UID_LENGTH
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = "20260301"
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = "120000"
    ds.AccessionNumber = "BENCH"
    ds.Modality = "CT"
    ds.Manufacturer = "Benchmark"
    ds.StudyDescription = "CT lumbar spine"
    ds.PatientName = "Bench^Mark"
    ds.PatientID = "BENCH"
    ds.PatientBirthDate = "19600101"
    ds.PatientSex = "O"
    ds.SliceThickness = "1"
    ds.KVP = "120"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "1", "1", "1"
    ds.ImagePositionPatient = [0, 0, 0]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.FrameOfReferenceUID = "2.25.1"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = side
    ds.PixelSpacing = [0.7, 0.7]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleIntercept, ds.RescaleSlope = "-1024", "1"
    pixels = np.random.default_rng(1).integers(0, 4096, (side, side), dtype=np.uint16)
    ds.add_new(0x7FE00010, "OW", pixels.tobytes())
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    write_dataset(file, ds)
    encoded = file.getvalue()
    return encoded, encoded.index(b"2" * UID_LENGTH)


def association_request(calling: str, called: str) -> bytes:
    """A-ASSOCIATE-RQ PDU for CT."""
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = calling, called
    context = build_context(CT_IMAGE_STORAGE, EXPLICIT_LITTLE)
    context.context_id = 1
    request.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = MAXIMUM_LENGTH
    implementation.implementation_class_uid = "2.25.42"
    request.user_information = [length, implementation]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(request)
    return pdu.encode()


def negotiate(connection: socket.socket, calling: str, called: str) -> int:
    """Open an association for CT; returns the longest PDU that the receiver takes."""
    connection.sendall(association_request(calling, called))
    answer = read_pdu(connection)
    if answer[0] != 2:
        raise SystemExit(f"the association was not accepted (PDU type {answer[0]})")
    accepted = A_ASSOCIATE_AC()
    accepted.decode(answer)
    return accepted.to_primitive().maximum_length_received or MAXIMUM_LENGTH


def read_pdu(connection: socket.socket) -> bytes:
    """One whole PDU."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)  # else Nagle at a receiver meets our delay
    head = connection.recv(6, socket.MSG_WAITALL)
    if len(head) < 6:
        raise SystemExit("the receiver closed the connection")
    return head + connection.recv(struct.unpack(">L", head[2:])[0], socket.MSG_WAITALL)


def command(uid: bytes, message_id: int) -> bytes:
    """Command set of a C-STORE request."""

    def element(number: int, value: bytes) -> bytes:
        return struct.pack("<HHL", 0, number, len(value)) + value

    sop_class = CT_IMAGE_STORAGE.encode() + b"\0" * (len(CT_IMAGE_STORAGE) % 2)
    rest = (
        element(0x0002, sop_class)
        + element(0x0100, b"\1\0")
        + element(0x0110, struct.pack("<H", message_id))
        + element(0x0700, b"\0\0")
        + element(0x0800, b"\1\0")
        + element(0x1000, uid)
    )
    return element(0x0000, struct.pack("<L", len(rest))) + rest


def p_data(pieces: list[tuple[int, bytes | memoryview]]) -> list[bytes | memoryview]:
    """P-DATA-TF PDUs, one fragment each."""
    parts: list[bytes | memoryview] = []
    for control, data in pieces:
        parts += [struct.pack(">BxLLBB", 4, len(data) + 6, len(data) + 2, 1, control), data]
    return parts


def send(connection: socket.socket, encoded: bytes, uid_at: int, count: int, longest: int) -> list[float]:
    """Send ``count`` instances, each after the answer to the last; returns the time of each answer."""
    dataset = bytearray(encoded)
    view = memoryview(dataset)
    fragment = min(longest, MAXIMUM_LENGTH) - 6
    cuts = list(range(0, len(dataset), fragment))
    base = 10**19 + secrets.randbelow(9 * 10**19)  # a component of a UID does not begin with 0
    answered = []
    for number in range(count):
        uid = f"1.2.826.{base}{number:012d}".encode()
        dataset[uid_at : uid_at + UID_LENGTH] = uid
        pieces: list[tuple[int, bytes | memoryview]] = [(3, command(uid, number % 65535 + 1))]
        pieces += [(2 if at == cuts[-1] else 0, view[at : at + fragment]) for at in cuts]
        stream = BytesIO()
        for part in p_data(pieces):
            stream.write(part)
        connection.sendall(stream.getbuffer())
        answer = read_pdu(connection)
        status = struct.unpack_from("<H", answer, answer.rindex(b"\0\0\0\x09\2\0\0\0") + 8)[0]
        if status:
            raise SystemExit(f"the receiver answered {status:04X}")
        answered.append(time.perf_counter())
    return answered


def main() -> None:
    """Command line of the sender process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--called", required=True)
    parser.add_argument("--calling", default="BENCH")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    encoded, uid_at = instance(options.side, f"2.25.{secrets.randbits(60)}", f"2.25.{secrets.randbits(60)}")
    with socket.create_connection(("127.0.0.1", options.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        longest = negotiate(connection, options.calling, options.called)
        began = time.perf_counter()
        answered = send(connection, encoded, uid_at, options.count, longest)
        tenth = max(options.count // 10, 1)
        print(  # noqa: T201  for the benchmark that started this process
            json.dumps(
                {
                    "seconds": answered[-1] - began,
                    "head_seconds": answered[tenth - 1] - began,
                    "tail_seconds": answered[-1] - answered[-tenth - 1] if options.count > tenth else 0.0,
                    "last_answer_unix": time.time() - (time.perf_counter() - answered[-1]),
                }
            )
        )
        connection.sendall(b"\5\0\0\0\0\4\0\0\0\0")
        read_pdu(connection)


if __name__ == "__main__":
    main()
