"""A site is copied while it works and comes back elsewhere as it was, on SQLite and on PostgreSQL; then it goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import MetaData, select

from plumbline.adapters.database.engine import open_store
from plumbline.adapters.database.instances import DatabaseInstanceIndex
from plumbline.adapters.database.steps import DatabaseSteps
from plumbline.adapters.dimse.header import read_header
from plumbline.adapters.spool import Journal, JournalTail
from plumbline.backup import MANIFEST, back_up, restore
from plumbline.errors import Conflict, InvalidInput, Misconfigured
from plumbline.observability.clock import SystemClock
from plumbline.pipeline.ports import Proceed, StepName
from plumbline.pipeline.receive import Label, Ledger
from plumbline.settings import Settings
from tests.benchmark.store_sender import CT_IMAGE_STORAGE, EXPLICIT_LITTLE, UID_LENGTH, instance

STUDY = "2.25.5"


class Site:
    """Spool, ledger and steps at one place."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = open_store(settings.store_url)
        self.journal = Journal(settings.spool_dir)
        self.index = DatabaseInstanceIndex(self.store)
        self.ledger = Ledger(JournalTail(settings.spool_dir), self.index, read_header)
        self.steps = DatabaseSteps(self.store, SystemClock(), lease_s=60, maximum_attempts=3)

    def receive(self, *numbers: int) -> None:
        template, uid_at = instance(64, STUDY, STUDY + ".9")
        for number in numbers:
            uid = f"{STUDY}.{number}".ljust(UID_LENGTH, "1")
            data = template[:uid_at] + uid.encode() + template[uid_at + UID_LENGTH :]
            self.journal.add(Label(CT_IMAGE_STORAGE, uid, EXPLICIT_LITTLE, "ORTHANC", datetime.now(UTC)), data)
        self.ledger.take_in()

    def state(self) -> dict[str, list[tuple]]:
        """Every row of every table, as the database lists them."""
        schema = MetaData()
        schema.reflect(self.store.engine)
        with self.store.read() as session:
            return {
                table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key.columns))]
                for table in schema.sorted_tables
            }

    def held(self) -> list[bytes]:
        return [self.journal.read(each.location) for each in self.index.held(STUDY)]

    def close(self) -> None:
        self.journal.close()
        self.store.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path) -> Callable[[str], Settings]:
    """Settings of a place of its own by name, on each of the stores."""
    if request.param == "sqlite":
        return lambda name: Settings(data_dir=tmp_path / name)
    new_database = request.getfixturevalue("new_postgres_database")
    urls: dict[str, str] = {}
    return lambda name: Settings(data_dir=tmp_path / name, database_url=urls.setdefault(name, new_database()))


@pytest.fixture
def open_site() -> Iterator[Callable[[Settings], Site]]:
    opened: list[Site] = []

    def open_at(settings: Settings) -> Site:
        opened.append(Site(settings))
        return opened[-1]

    yield open_at
    for site in opened:
        site.close()


def test_a_site_comes_back_as_it_was_and_goes_on(place, open_site, tmp_path):
    here = open_site(place("here"))
    here.receive(1, 2, 3)
    step_id = here.steps.open(STUDY, 1, StepName.COMPLETE)
    before, bytes_before = here.state(), here.held()

    manifest = back_up(here.settings, tmp_path / "backup")
    here.receive(4)  # it worked on meanwhile
    restore(place("there"), tmp_path / "backup")

    there = open_site(place("there"))
    assert there.state() == before
    assert there.held() == bytes_before
    assert len(bytes_before) == 3
    assert manifest.length > sum(map(len, bytes_before))

    there.receive(4, 5)
    assert len(there.held()) == 5
    step = there.steps.claim(step_id, "worker")
    assert step is not None
    assert (
        there.steps.settle(step, "worker", Proceed({"revision": 1})) is None
    )  # the exam's revision has not begun here
    assert there.steps.timeline(STUDY)[0].state == "done"


def test_nothing_is_overwritten(place, open_site, tmp_path):
    here = open_site(place("here"))
    here.receive(1)
    back_up(here.settings, tmp_path / "backup")
    with pytest.raises(Conflict, match="not empty"):
        back_up(here.settings, tmp_path / "backup")
    with pytest.raises(Conflict, match="the spool is not empty"):
        restore(here.settings, tmp_path / "backup")
    elsewhere = here.settings.model_copy(
        update={"data_dir": tmp_path / "elsewhere", "database_url": here.settings.store_url}
    )
    with pytest.raises(Conflict, match="a database already"):
        restore(elsewhere, tmp_path / "backup")
    assert not (tmp_path / "elsewhere/spool").exists()


@pytest.mark.parametrize("part", ["spool", "database"])
def test_a_backup_of_which_a_byte_changed_is_refused_and_nothing_is_restored(open_site, tmp_path, part):
    here = open_site(Settings(data_dir=tmp_path / "here"))
    here.receive(1)
    back_up(here.settings, tmp_path / "backup")
    damaged = next((tmp_path / "backup").glob("spool/*.segment" if part == "spool" else "database.sqlite"))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    target = Settings(data_dir=tmp_path / "there")
    with pytest.raises(InvalidInput, match="not as it was written"):
        restore(target, tmp_path / "backup")
    assert not target.data_dir.exists()


def test_an_unfinished_backup_is_none(open_site, tmp_path):
    here = open_site(Settings(data_dir=tmp_path / "here"))
    back_up(here.settings, tmp_path / "backup")
    (tmp_path / "backup" / MANIFEST).unlink()
    with pytest.raises(InvalidInput, match="not finished"):
        restore(Settings(data_dir=tmp_path / "there"), tmp_path / "backup")


def test_a_backup_of_another_kind_of_store_is_refused(open_site, tmp_path):
    back_up(open_site(Settings(data_dir=tmp_path / "here")).settings, tmp_path / "backup")
    other = Settings(data_dir=tmp_path / "there", database_url="postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(Misconfigured, match="the backup has database"):
        restore(other, tmp_path / "backup")


def test_rules_and_settings_are_in_it_and_no_secret(open_site, tmp_path):
    rules, password = tmp_path / "rules.yaml", tmp_path / "password"
    rules.write_text("rules: []\n")
    password.write_text("hunter2")
    settings = Settings(
        data_dir=tmp_path / "here",
        redis_url="redis://:hunter2@127.0.0.1:6379/0",
        orthanc={"password_file": password},  # type: ignore[arg-type]
        site={"triage_rules": rules},  # type: ignore[arg-type]
    )
    back_up(open_site(settings).settings, tmp_path / "backup")
    kept = {path.name: path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file()}
    assert kept["triage-rules.yaml"] == rules.read_bytes()
    assert str(password).encode() in kept["settings.yaml"]
    assert not any(b"hunter2" in content for content in kept.values())
    assert json.loads(kept[MANIFEST])["format"] == 1
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
