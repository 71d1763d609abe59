"""Datasets and journals with wrong bytes in them: one kind of refusal, no other exception, never half an instance."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_files

from plumbline.adapters.dimse.command_set import parse_store_request
from plumbline.adapters.dimse.header import read_header, read_identity
from plumbline.adapters.spool import Journal, JournalTail
from plumbline.pipeline.receive import Label, Unusable
from tests.dimse_conversations import STORE
from tests.fuzz.mutation import mutated, seeds

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom tells of each oddity of its test files
SMALL_BYTES = 100_000


def datasets():
    """(Transfer Syntax UID, dataset bytes) of pydicom's small test files."""
    found = []
    for path in sorted(map(Path, get_testdata_files("*.dcm"))):
        with suppress(Exception):
            meta = dcmread(path, stop_before_pixels=True, specific_tags=[]).file_meta
            if path.stat().st_size < SMALL_BYTES:
                found.append(
                    (str(meta.TransferSyntaxUID), path.read_bytes()[144 + meta.FileMetaInformationGroupLength :])
                )
    return found


def outcome(read, data, syntax):
    try:
        return read(memoryview(data), syntax)
    except Unusable as refused:
        return refused.reason


def test_a_dataset_with_wrong_bytes_is_read_or_refused_and_nothing_else():
    originals = datasets()
    assert len({syntax for syntax, _ in originals}) >= 8
    refused = 0
    for seed in seeds():
        source = random.Random(seed)
        syntax, data = source.choice(originals)
        changed = mutated(source, data)
        identity, header = (outcome(read, changed, syntax) for read in (read_identity, read_header))
        is_refused = not isinstance(identity, tuple)
        refused += is_refused
        if is_refused:
            assert header == identity, f"seed {seed}: the sender heard another reason than the ledger"
    assert refused


def test_a_command_set_with_wrong_bytes_is_a_request_or_none():
    for seed in seeds(1.0):
        request = parse_store_request(1, memoryview(mutated(random.Random(seed), STORE)))
        assert request is None or set(request.sop_instance_uid) <= set(b"0123456789.")


def test_a_journal_with_wrong_bytes_shows_only_instances_that_were_added(tmp_path):
    journal = Journal(tmp_path / "original")
    added = {}
    for number in range(12):
        uid, data = f"2.25.{number}", random.Random(number).randbytes(700 * number)
        added[uid] = data
        journal.add(Label("1.2", uid, "1.2.840.10008.1.2.1", "BENCH", datetime.now(UTC)), data)
    journal.close()
    (path,) = (tmp_path / "original").iterdir()
    content = path.read_bytes()
    for seed in seeds():
        damaged = tmp_path / f"damaged{seed}"
        damaged.mkdir()
        (damaged / path.name).write_bytes(mutated(random.Random(seed), content))
        for label, data in shown(JournalTail(damaged)):
            assert label.refusal or added[label.sop_instance_uid] == data, f"seed {seed}"
        (damaged / path.name).unlink()
        damaged.rmdir()


def shown(tail):
    """What a reader gets of every segment until nothing follows; the segment is finished then."""
    for name in tail.segments():
        end = 0
        while not tail.is_finished(name, end):
            records = tail.after(name, end, 100)
            assert records, "neither a record nor the end"
            for record in records:
                with tail.dataset(record) as data:
                    yield record.label, bytes(data)
            end = records[-1].end
