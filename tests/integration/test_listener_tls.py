"""DICOM TLS: DCMTK and pynetdicom as senders, and peers that stall, show a wrong certificate or speak plainly."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_files
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from plumbline.adapters.dimse.listener import Listener
from plumbline.adapters.dimse.storage_commitment import CommitmentReporter
from plumbline.adapters.spool import Journal
from plumbline.errors import Misconfigured
from plumbline.pipeline.commitment import Commitment, CommitmentRequest, CommitmentState, Reference
from plumbline.settings import ListenerSettings, Peer, TlsSettings
from tests.benchmark.store_sender import negotiate, read_pdu
from tests.integration.test_listener import dataset_bytes
from tests.integration.test_store_loop import DATASET, RELEASE, STORE, UID, kept, pdu
from tests.servers import free_port, program, wait_until

CT = next(path for path in get_testdata_files("CT_small.dcm") if Path(path).name == "CT_small.dcm")


@dataclass(frozen=True)
class Pair:
    """A key and its certificate, as PEM files."""

    key: Path
    certificate: Path


def openssl(*arguments):
    subprocess.run([program("openssl", "openssl"), *map(str, arguments)], check=True, capture_output=True)


def authority(folder, name):
    pair = Pair(folder / f"{name}.key", folder / f"{name}.pem")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", pair.key, "-out", pair.certificate, "-subj", f"/CN={name}", "-days", 2)
    return pair


def signed(folder, name, issuer):
    pair, request = Pair(folder / f"{name}.key", folder / f"{name}.pem"), folder / f"{name}.csr"
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}")
    issued = ["-CA", issuer.certificate, "-CAkey", issuer.key, "-CAcreateserial", "-days", 2]
    openssl("x509", "-req", "-in", request, *issued, "-out", pair.certificate)
    return pair


@dataclass(frozen=True)
class Keys:
    """What the hospital's authority issued, and what another did."""

    authority: Pair
    server: Pair
    client: Pair
    stranger: Pair


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    ours, others = authority(folder, "ours"), authority(folder, "others")
    return Keys(ours, signed(folder, "server", ours), signed(folder, "client", ours), signed(folder, "eve", others))


@dataclass
class Observed:
    """``ListenerObserver`` that remembers."""

    statuses: list = field(default_factory=list)
    rejections: list = field(default_factory=list)

    def opened(self, sender):
        pass

    def closed(self, sender):
        pass

    def rejected(self, sender, address, reason):
        self.rejections.append(reason)

    def stored(self, label, length, status, seconds):
        self.statuses.append(status)


@dataclass
class Place:
    """A listener with a plain port and one with TLS, and what it observed."""

    plain_port: int
    tls_port: int
    spool: Path
    observed: Observed


@pytest.fixture
def place(tmp_path, keys):
    tls = TlsSettings(
        certificate=keys.server.certificate,
        key=keys.server.key,
        authorities=keys.authority.certificate,
        port=free_port(),
        handshake_timeout_s=3.0,
    )
    peers = tuple(Peer(ae_title=title) for title in ("BENCH", "STORESCU", "PYNETDICOM"))
    settings = ListenerSettings(
        port=free_port(), peers=peers, reserve_bytes=0, drain_s=2.0, idle_timeout_s=2.0, buffer_bytes=65536, tls=tls
    )
    journal, observed = Journal(tmp_path / "spool"), Observed()
    listener = Listener(settings, journal, observed)
    listener.start()
    assert tls.port is not None
    yield Place(listener.port, tls.port, tmp_path / "spool", observed)
    listener.stop()
    journal.close()


class WholeReads(ssl.SSLSocket):
    """What the plain sender of the benchmark takes for granted: reads that wait for everything."""

    def recv(self, buflen=1024, flags=0):
        received = b""
        while len(received) < buflen and (piece := super().recv(buflen - len(received))):
            received += piece
        return received


def client_of(keys, pair=None, **options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.sslsocket_class = WholeReads
    context.load_verify_locations(keys.authority.certificate)
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    for name, value in options.items():
        setattr(context, name, value)
    return context


def plain_reads(keys):
    context = client_of(keys, keys.client)
    context.sslsocket_class = ssl.SSLSocket
    return context


def secured(place, context):
    return context.wrap_socket(socket.create_connection(("127.0.0.1", place.tls_port), timeout=10))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_store_by_our_own_loop(place, keys, version, monkeypatch):
    monkeypatch.setattr(Listener, "_on_store", lambda *_: pytest.fail("not by the loop"))
    with secured(place, client_of(keys, keys.client, minimum_version=version, maximum_version=version)) as connection:
        assert connection.version() == version.name.replace("_", ".")
        negotiate(connection, "BENCH", "PLUMBLINE")
        for _ in range(20):
            connection.sendall(pdu((3, STORE)) + pdu((0, DATASET[:100])) + pdu((2, DATASET[100:])))
            assert read_pdu(connection)[0] == 4
        connection.sendall(RELEASE)
        assert read_pdu(connection)[0] == 6
    assert place.observed.statuses == [0] * 20
    assert kept(place.spool) == [(UID.decode(), "", DATASET)] * 20


def test_storescu_and_pynetdicom_store_over_tls(place, keys, monkeypatch):
    secure = ["+tls", keys.client.key, keys.client.certificate, "+cf", keys.authority.certificate]
    command = [program("storescu", "dcmtk"), *secure, "-aec", "PLUMBLINE", "127.0.0.1", place.tls_port, CT]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)
    header = dcmread(CT, stop_before_pixels=True)
    ae = AE("PYNETDICOM")
    ae.add_requested_context(header.SOPClassUID, header.file_meta.TransferSyntaxUID)
    association = ae.associate(
        "127.0.0.1", place.tls_port, ae_title="PLUMBLINE", tls_args=(plain_reads(keys), "localhost")
    )
    assert association.send_c_store(CT).Status == 0
    association.release()
    received = [data for _, _, data in kept(place.spool)]
    assert dataset_bytes(CT) in received
    assert [data.count(dcmread(CT).PixelData) for data in received] == [1, 1], "DCMTK writes other elements its own way"


def test_who_stalls_in_the_handshake_holds_up_nobody_and_is_hung_up_on(place, keys):
    stalled = [socket.create_connection(("127.0.0.1", place.tls_port), timeout=10) for _ in range(5)]
    stalled[0].sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a client's hello
    began = time.monotonic()
    with secured(place, client_of(keys, keys.client)) as connection:
        negotiate(connection, "BENCH", "PLUMBLINE")
    assert time.monotonic() - began < 10
    assert [connection.recv(1) for connection in stalled] == [b""] * 5
    wait_until(lambda: place.observed.rejections == ["tls"] * 5, "five are turned away")
    for connection in stalled:
        connection.close()


@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_without_a_certificate_of_our_authority_nobody_comes_in(place, keys, who):
    context = client_of(keys, keys.stranger if who == "stranger" else None)
    with pytest.raises((OSError, SystemExit)), secured(place, context) as connection:
        negotiate(connection, "BENCH", "PLUMBLINE")
    wait_until(lambda: place.observed.rejections == ["tls"], "turned away")


def test_a_cipher_without_forward_secrecy_is_refused(place, keys):
    context = client_of(keys, keys.client, maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("AES128-SHA256:AES128-GCM-SHA256")
    with pytest.raises(ssl.SSLError), secured(place, context):
        pass


def test_plain_dicom_on_the_port_of_tls_is_turned_away_and_on_the_other_is_not(place):
    with (
        pytest.raises((OSError, SystemExit)),
        socket.create_connection(("127.0.0.1", place.tls_port), timeout=10) as connection,
    ):
        negotiate(connection, "BENCH", "PLUMBLINE")
    with socket.create_connection(("127.0.0.1", place.plain_port), timeout=10) as connection:
        negotiate(connection, "BENCH", "PLUMBLINE")
    assert place.observed.rejections == ["tls"]


def test_a_silent_association_over_tls_is_aborted_after_the_idle_time(place, keys):
    with secured(place, client_of(keys, keys.client)) as connection:
        negotiate(connection, "BENCH", "PLUMBLINE")
        connection.sendall(pdu((3, STORE)) + pdu((2, DATASET)))
        assert read_pdu(connection)[0] == 4
        assert read_pdu(connection)[0] == 7


def test_commitment_reports_go_over_tls_to_a_requester_that_listens_for_it(keys):
    told = []

    def on_report(event):
        told.append(event.event_information.TransactionUID)
        return 0x0000, None

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.client.certificate, keys.client.key)
    context.load_verify_locations(keys.authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    requester = AE("CT1")
    requester.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    port = free_port()
    server = requester.start_server(
        ("127.0.0.1", port), block=False, ssl_context=context, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_report)]
    )
    tls = TlsSettings(certificate=keys.server.certificate, key=keys.server.key, authorities=keys.authority.certificate)
    peer = Peer(ae_title="CT1", port=port, uses_tls=True)
    reporter = CommitmentReporter(ListenerSettings(peers=(peer,), tls=tls, idle_timeout_s=5.0))
    asked = CommitmentRequest("2.25.7", "CT1", "127.0.0.1", (Reference("1.2", "2.25.1"),))
    judged = Commitment(1, asked, CommitmentState.JUDGED, datetime.now(UTC), doubts={})
    try:
        reporter.report(judged)
    finally:
        server.shutdown()
    assert told == ["2.25.7"]


def test_files_that_are_missing_or_do_not_fit_are_told_at_the_start(tmp_path, keys):
    journal = Journal(tmp_path / "spool")
    for certificate, key in ((tmp_path / "none.pem", keys.server.key), (keys.server.certificate, keys.client.key)):
        tls = TlsSettings(certificate=certificate, key=key)
        with pytest.raises(Misconfigured, match=r"listener\.tls"):
            Listener(ListenerSettings(tls=tls), journal, Observed())
