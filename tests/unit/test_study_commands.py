"""``plumbline complete`` and ``plumbline studies``, on a store of their own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.console import Console
from typer.testing import CliRunner

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.studies import DatabaseStudies
from plumbline.cli import app
from plumbline.errors import InvalidInput
from plumbline.exams.study import PatientIdentity
from plumbline.pipeline.ports import Location, ReceivedInstance
from plumbline.study_commands import print_studies

STUDY = "2.25.1"


@pytest.fixture
def store(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", url)
    monkeypatch.delenv("PLUMBLINE_SETTINGS", raising=False)
    store = open_store(url)
    now = datetime(2026, 3, 2, tzinfo=UTC)
    received = ReceivedInstance(
        "1.1", "1.2", "1.2", STUDY, "2.25.2", PatientIdentity("SECRET-ID"), "0" * 64, Location("s", 1, 1), "CT1", now
    )
    DatabaseInstanceIndex(store).record([received])
    yield store
    store.engine.dispose()


def test_a_word_at_the_command_line_is_kept(store):
    ended = CliRunner().invoke(app, ["complete", STUDY, "--by", "A. Operator", "--because", "sent from a CD"])
    assert ended.exit_code == 0
    declared = DatabaseStudies(store).declaration(STUDY)
    assert declared is not None
    assert (declared.declared_by, declared.reason) == ("A. Operator", "sent from a CD")


def test_an_unknown_study_is_one_sentence(store):
    ended = CliRunner().invoke(app, ["complete", "2.25.404", "--by", "A. Operator", "--because", "as it is"])
    assert isinstance(ended.exception, InvalidInput)
    assert str(ended.exception) == "2.25.404: no such study is held."


@pytest.mark.usefixtures("store")
def test_studies_are_printed_without_patients():
    console = Console(record=True, width=200)
    print_studies(console, limit=10, only_waiting=True)
    printed = console.export_text()
    assert STUDY in printed
    assert "receiving" in printed
    assert "SECRET-ID" not in printed
