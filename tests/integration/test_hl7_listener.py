"""The HL7 listener as a process: real sockets, messages that hl7apy built, what the database holds afterwards.

Not here: what the orders mean for exams (test_late_news.py).
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import yaml
from hl7apy.parser import parse_message

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.message_intake import DatabaseMessageIntake
from plumbline.adapters.database.news import DatabaseOrders
from plumbline.exams.identity import IdentityPolicy
from plumbline.exams.notices import OrderNotice, OrderStatus
from plumbline.exams.study import PatientIdentity, Study
from plumbline.observability.clock import SystemClock
from plumbline.pipeline.patient_ports import StoredMessage, Taken
from plumbline.settings import Settings
from tests.hl7_messages import END, VT, Frame, OrderText, Person, merge_message, order_message
from tests.servers import free_port, is_listening, running, wait_until

POLICY = IdentityPolicy()


@dataclass
class Hl7Process:
    """A running listener and what it has stored."""

    port: int
    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path

    def __post_init__(self) -> None:
        self.store = open_store(self.settings.store_url)
        self.intake = DatabaseMessageIntake(self.store, SystemClock(), POLICY)

    def messages(self, outcome: Taken | None = None) -> list[StoredMessage]:
        return self.intake.messages(outcome=outcome)

    def orders(self, patient: str = "P1", accession: str | None = None) -> tuple[OrderNotice, ...]:
        study = Study("2.25.1", PatientIdentity(patient, "HOSPITAL"), (), accession_number=accession)
        return DatabaseOrders(self.store, POLICY).concerning(study)


@contextmanager
def run_hl7(folder: Path, database_url: str | None = None, **hl7: object) -> Iterator[Hl7Process]:
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    document = {"data_dir": str(folder / "var"), "hl7": {"port": port, **hl7}}
    if database_url:
        document["database_url"] = database_url
    file, log = folder / "settings.yaml", folder / "hl7.log"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    settings = Settings.model_validate({**document, "data_dir": folder / "var"})
    command = [sys.executable, "-m", "services.hl7_listener"]
    with running(command, log=log, env={"PLUMBLINE_SETTINGS": str(file)}) as process:
        wait_until(lambda: process.poll() is not None or is_listening(port), f"the listener listens; {log}")
        if process.returncode is not None:
            pytest.fail(f"the listener ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
        yield Hl7Process(port, settings, process, log)


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Hl7Process]]:
    with ExitStack() as stack:
        yield lambda **hl7: stack.enter_context(run_hl7(tmp_path, **hl7))


class Sender:
    """One MLLP connection, written without the library that the listener uses."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.settimeout(10)
        self.held = b""

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, block: bytes) -> None:
        self.socket.sendall(VT + block + END)

    def answer(self) -> bytes:
        """The next frame; empty where the peer closes."""
        while END not in self.held:
            piece = self.socket.recv(65536)
            if not piece:
                return b""
            self.held += piece
        frame, self.held = self.held.split(END, 1)
        assert frame.startswith(VT)
        return frame[1:]

    def ask(self, block: bytes) -> str:
        """Send one message and return MSA-1 of its acknowledgement."""
        self.send(block)
        ack = parse_message(self.answer().decode())
        ack.validate()
        return ack.msa.msa_1.value


def test_an_order_is_in_the_database_before_its_acknowledgement(start):
    listener = start()
    with Sender(listener.port) as sender:
        block = order_message(order=OrderText(accession="A1", relevant="saddle anaesthesia"))
        assert sender.ask(block) == "AA"
        listener.process.send_signal(signal.SIGKILL)
    (stored,) = listener.messages()
    assert stored.outcome is Taken.APPLIED
    assert listener.intake.body(stored.message_id) == block
    (order,) = listener.orders()
    assert order.order.accession_number == "A1"


def test_the_same_message_again_is_one_and_gets_the_same_answer(start):
    listener = start()
    block = order_message()
    with Sender(listener.port) as first, Sender(listener.port) as second:
        assert [first.ask(block), first.ask(block), second.ask(block)] == ["AA"] * 3
        reused = order_message(order=OrderText(placer="PL2"), frame=Frame(control_id=block.split(b"|")[9].decode()))
        assert first.ask(reused) == "AA"
    assert len(listener.messages()) == 2
    assert len(listener.orders()) == 2


def test_a_change_takes_the_place_of_an_order_and_a_cancellation_ends_it(start):
    listener = start()
    with Sender(listener.port) as sender:
        sender.ask(order_message(order=OrderText(relevant="fever")))
        sender.ask(order_message(order=OrderText(control="XO", priority="S"), frame=Frame(sent="20260228130000")))
        (changed,) = listener.orders()
        assert (changed.order.priority, changed.order.red_flags) == ("S", ())
        sender.ask(order_message(order=OrderText(relevant="late"), frame=Frame(sent="20260228110000")))
        assert listener.orders() == (changed,), "an older message that arrives later does not count"
        sender.ask(order_message(order=OrderText(control="CA"), frame=Frame(sent="20260228140000")))
        (cancelled,) = listener.orders()
    assert cancelled.status is OrderStatus.CANCELLED


def test_what_cannot_be_used_is_told_kept_and_not_logged(start):
    listener = start()
    bad = order_message(order=OrderText(relevant="NobodyMayReadThis")).replace(b"CTLSP^CT lumbar spine^L", b"")
    with Sender(listener.port) as sender:
        sender.send(bad)
        ack = parse_message(sender.answer().decode())
        assert ack.msa.msa_1.value == "AE"
        assert ack.err.err_8.value == "OBR-4 does not say what is ordered."
        sender.send(b"this is no message")
        assert b"MSA|AR|" in sender.answer()
        assert sender.ask(order_message()) == "AA", "the connection goes on"
    quarantined = listener.messages(Taken.QUARANTINED)
    assert {each.sentence for each in quarantined} == {
        "OBR-4: OBR-4 does not say what is ordered.",
        "MSH: The message does not begin with an MSH segment.",
    }
    assert bad in [listener.intake.body(each.message_id) for each in quarantined]
    log = listener.log.read_text()
    assert not [secret for secret in ("NobodyMayReadThis", "Example", "P1", "1961") if secret in log]
    answered = [json.loads(line) for line in log.splitlines() if "message answered" in line]
    assert [each["code"] for each in answered] == ["E", "R", "A"]


def test_messages_for_others_are_rejected_and_not_kept(start):
    listener = start()
    with Sender(listener.port) as sender:
        assert sender.ask(order_message().replace(b"OMI^O23^OMI_O23", b"SIU^S12^SIU_S12")) == "AR"
        assert sender.ask(order_message(frame=Frame(processing="T"))) == "AR"
        sender.send(order_message().replace(b"OMI^O23^OMI_O23", b"ADT^A08^ADT_A01"))
        assert b"MSA|AA|" in sender.answer(), "the feed of a hospital goes on"
    assert listener.messages() == []


def test_a_move_between_patients_that_is_not_carried_out_is_rejected_and_kept(start):
    listener = start()
    with Sender(listener.port) as sender:
        sender.send(order_message().replace(b"OMI^O23^OMI_O23", b"ADT^A45^ADT_A45"))
        assert b"MSA|AR|" in sender.answer()
    (kept,) = listener.messages(Taken.QUARANTINED)
    assert kept.kind == "ADT^A45" and "operator" in kept.sentence


def test_enhanced_mode_sends_both_acknowledgements_on_the_connection(start):
    listener = start()
    with Sender(listener.port) as sender:
        sender.send(order_message(frame=Frame(accept="AL", application="AL", control_id="E1")))
        answers = [parse_message(sender.answer().decode()) for _ in range(2)]
    assert [each.msa.msa_1.value for each in answers] == ["CA", "AA"]
    assert {each.msa.msa_2.value for each in answers} == {"E1"}


def test_a_frame_that_never_ends_is_given_up(start):
    listener = start(maximum_message_bytes=8192, message_timeout_s=0.5)
    with Sender(listener.port) as sender:
        sender.socket.sendall(VT + b"MSH|" + b"x" * 20000)
        assert sender.answer() == b""
    with Sender(listener.port) as sender:
        sender.socket.sendall(VT + b"MSH|^~\\&|")
        assert sender.answer() == b""
    with Sender(listener.port) as sender:
        assert sender.ask(order_message()) == "AA"
    wait_until(lambda: "message too long" in listener.log.read_text(), "the reason is in the log")
    assert "message too slow" in listener.log.read_text()


def test_who_is_not_on_the_list_and_who_is_too_many_are_turned_away(start, tmp_path):
    listener = start(maximum_connections=2)
    with Sender(listener.port) as one, Sender(listener.port) as two:
        assert (one.ask(order_message()), two.ask(order_message())) == ("AA", "AA")
        with Sender(listener.port) as three:
            assert three.answer() == b""
    with run_hl7(tmp_path / "closed", addresses=["192.0.2.0/24"]) as closed, Sender(closed.port) as sender:
        assert sender.answer() == b""
        wait_until(lambda: "not-allowed" in closed.log.read_text(), "the reason is in the log")


def test_many_senders_at_once_lose_nothing(start):
    listener = start()

    def feed(number: int) -> list[str]:
        with Sender(listener.port) as sender:
            texts = (OrderText(placer=f"PL{number}-{n}") for n in range(5))
            return [sender.ask(order_message(order=text)) for text in texts]

    with ThreadPoolExecutor(10) as pool:
        codes = [code for answered in pool.map(feed, range(10)) for code in answered]
    assert codes == ["AA"] * 50
    assert len(listener.orders()) == 50


def test_messages_may_follow_each_other_without_waiting(start):
    listener = start()
    with Sender(listener.port) as sender:
        blocks = [order_message(order=OrderText(placer=f"PL{n}"), frame=Frame(control_id=f"C{n}")) for n in range(5)]
        sender.socket.sendall(b"".join(VT + block + END + b"\r\n" for block in blocks))
        answered = [parse_message(sender.answer().decode()).msa.msa_2.value for _ in blocks]
    assert answered == [f"C{n}" for n in range(5)]


def test_a_frame_that_begins_anew_or_has_no_cr_is_the_message_that_it_ends_with(start):
    listener = start()
    with Sender(listener.port) as sender:
        whole = order_message()
        sender.socket.sendall(VT + order_message(person=Person("P2"))[:-30] + VT + whole + END[:1])
        assert b"MSA|AA|" in sender.answer()
        assert sender.ask(order_message()) == "AA", "what follows is read from its beginning"
    assert listener.orders("P1") and not listener.orders("P2")


def test_shutdown_is_clean_with_connections_open(start):
    listener = start()
    with Sender(listener.port) as sender:
        assert sender.ask(order_message()) == "AA"
        listener.process.send_signal(signal.SIGTERM)
        assert sender.answer() == b""
        assert listener.process.wait(10) == 0
    assert "Traceback" not in listener.log.read_text()


def test_when_the_database_is_away_the_sender_keeps_the_message(tmp_path, postgres_url, postgres_server):
    name = postgres_url.rsplit("/", 1)[1]
    with (
        run_hl7(tmp_path, database_url=postgres_url) as listener,
        Sender(listener.port) as sender,
        psycopg.connect(postgres_server.replace("+psycopg", ""), autocommit=True) as connection,
    ):
        assert sender.ask(order_message()) == "AA"
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        assert sender.ask(order_message()) == "AR"
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
        assert sender.ask(order_message()) == "AA"


def test_a_merge_is_taken_and_orders_of_either_record_concern_the_patient(start):
    listener = start()
    with Sender(listener.port) as sender:
        assert sender.ask(order_message(person=Person("P2"))) == "AA"
        assert listener.orders("P1") == ()
        assert sender.ask(merge_message(Person("P1"), Person("P2"))) == "AA"
    (order,) = listener.orders("P1")
    assert order.patient.patient_id == "P2", "what was received is not rewritten"


@pytest.mark.parametrize("key", ["addresses", "port"])
def test_wrong_settings_are_told_in_one_line(tmp_path, key):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] if key == "port" else free_port()
        wrong = {"port": port, "addresses": ["nowhere"] if key == "addresses" else []}
        file = tmp_path / "settings.yaml"
        file.write_text(yaml.safe_dump({"data_dir": str(tmp_path), "hl7": wrong}))
        command = [sys.executable, "-m", "services.hl7_listener"]
        done = subprocess.run(
            command,
            check=False,
            env={"PLUMBLINE_SETTINGS": str(file), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 2
    assert f"hl7.{key}" in done.stderr and "Traceback" not in done.stderr
