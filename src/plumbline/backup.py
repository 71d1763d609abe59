"""``plumbline backup`` and ``restore``: database, spool, rules and settings of a site, with checksums, while it runs.

Images in the archive are the archive's to keep; secrets are in no backup.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from plumbline import __version__
from plumbline.adapters.database.engine import Store, create_store_engine
from plumbline.adapters.database.retention import DatabaseRetention
from plumbline.adapters.database.snapshot import Snapshots
from plumbline.errors import Conflict, InvalidInput, Misconfigured, Unavailable
from plumbline.settings import Settings

FORMAT = 1
MANIFEST, SPOOL, SETTINGS, RULES = "manifest.json", "spool", "settings.yaml", "triage-rules.yaml"
_SEGMENTS = "*.segment"
_PASSWORD_IN_URL = re.compile(r"(://[^/@:]*):[^/@]+@")


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file of a backup: its place in it, length and SHA-256."""

    path: str
    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup has; written last, so that a folder without one is no backup."""

    format: int
    version: str
    created_at: str
    database: str
    files: tuple[KeptFile, ...]

    @property
    def length(self) -> int:
        """Bytes in all."""
        return sum(file.length for file in self.files)


def back_up(settings: Settings, directory: Path) -> Manifest:
    """Copy a site into an empty folder, readable by this user alone; the site goes on meanwhile.

    The database is copied first and the spool after it: what the copied database points to is in segments that exist
    then, and they are not removed within ``retention.SETTLE_S`` of losing their last use.

    Raises
    ------
    Conflict
        The folder is not empty, or segments went away while they were copied, which took too long.
    Unavailable
        The database does not answer, or the folder cannot be written.
    """
    _refuse_anything_in(directory, "the folder of the backup")
    snapshots = Snapshots(settings.store_url)
    there = {path.stem for path in settings.spool_dir.glob(_SEGMENTS)}
    needed = _segments_in_use(settings.store_url) & there
    try:
        (directory / SPOOL).mkdir(parents=True, mode=0o700)
        directory.chmod(0o700)
        snapshots.take(directory / snapshots.file_name)
        _copy_segments(settings.spool_dir, directory / SPOOL)
        _write_site_files(settings, directory)
        _refuse_gaps(needed, directory / SPOOL)
        return _write_manifest(directory, snapshots.file_name)
    except OSError as error:
        raise Unavailable(f"the backup cannot be written ({error.strerror})", where=str(error.filename)) from error


def restore(settings: Settings, directory: Path) -> Manifest:
    """Put a backup into an empty database and an empty spool, and bring the database to the newest schema.

    Settings and rules of the backup are left where they are, for a person to compare. Steps that somebody held
    when the backup was made are taken over when their leases are up.

    Raises
    ------
    InvalidInput
        The folder is no whole backup, or a file of it is not as it was written.
    Conflict
        Database or spool are not empty.
    Misconfigured
        The backup is of another kind of database than the settings name.
    """
    manifest = read_manifest(directory)
    snapshots = Snapshots(settings.store_url)
    if manifest.database != snapshots.file_name:
        raise Misconfigured(
            f"the backup has {manifest.database}, and the settings want {snapshots.file_name}", where="database_url"
        )
    _refuse_anything_in(settings.spool_dir, "the spool")
    if not snapshots.is_empty():
        raise Conflict("there is a database already, and a restore would mix two", remedy="Name an empty one")
    _verify(manifest, directory)
    try:
        _copy_segments(directory / SPOOL, settings.spool_dir)
        snapshots.restore(directory / manifest.database)
    except BaseException:
        _remove_segments(settings.spool_dir)  # all of it or nothing: they came from here just now
        raise
    return manifest


def read_manifest(directory: Path) -> Manifest:
    """What a backup says that it has; raise ``InvalidInput`` where it is none that this version can read."""
    try:
        raw = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        if raw["format"] != FORMAT:
            raise InvalidInput(
                f"this is a backup of format {raw['format']}; format {FORMAT} is known", where=str(directory)
            )
        return Manifest(**{**raw, "files": tuple(KeptFile(**each) for each in raw["files"])})
    except OSError as error:
        raise InvalidInput("this is no backup, or one that was not finished", where=str(directory)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput("the manifest cannot be read", where=str(directory / MANIFEST)) from error


def _refuse_anything_in(directory: Path, what: str) -> None:
    if directory.exists() and any(directory.iterdir()):
        raise Conflict(f"{what} is not empty", where=str(directory), remedy="Nothing is overwritten; name an empty one")


def _segments_in_use(store_url: str) -> set[str]:
    engine = create_store_engine(store_url)
    try:
        return DatabaseRetention(Store(engine)).referenced_segments()
    finally:
        engine.dispose()


def _copy_segments(source: Path, target: Path) -> None:
    """Copy every segment, durably; one that is given back meanwhile is passed over."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob(_SEGMENTS)):
        copy = target / path.name
        try:
            shutil.copyfile(path, copy)
        except FileNotFoundError:
            continue
        _flush(copy)
    _flush(target)


def _remove_segments(directory: Path) -> None:
    for path in directory.glob(_SEGMENTS):
        path.unlink()


def _refuse_gaps(needed: Iterable[str], spool: Path) -> None:
    gone = [segment for segment in needed if not (spool / f"{segment}.segment").is_file()]
    if gone:
        raise Conflict(
            f"{len(gone)} segments of the spool went away while they were copied",
            remedy="Remove the unfinished backup and make another, to a faster disk",
        )


def _write_site_files(settings: Settings, directory: Path) -> None:
    values = settings.model_dump(mode="json")
    for key in ("database_url", "redis_url"):
        values[key] = values[key] and _PASSWORD_IN_URL.sub(r"\1@", values[key])
    (directory / SETTINGS).write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
    rules = settings.site.triage_rules
    if rules is not None:
        shutil.copyfile(rules, directory / RULES)


def _write_manifest(directory: Path, database: str) -> Manifest:
    files = tuple(_described(directory))
    manifest = Manifest(FORMAT, __version__, datetime.now(UTC).isoformat(timespec="seconds"), database, files)
    for file in files:
        _flush(directory / file.path)
    unfinished = directory / f"{MANIFEST}.new"
    unfinished.write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")
    _flush(unfinished)
    unfinished.rename(directory / MANIFEST)
    _flush(directory)
    return manifest


def _described(directory: Path) -> Iterator[KeptFile]:
    for path in sorted(each for each in directory.rglob("*") if each.is_file()):
        yield KeptFile(str(path.relative_to(directory)), path.stat().st_size, _digest(path))


def _verify(manifest: Manifest, directory: Path) -> None:
    for file in manifest.files:
        path = (directory / file.path).resolve()
        if not path.is_relative_to(directory.resolve()) or not path.is_file():
            raise InvalidInput("a file of the backup is missing", where=file.path)
        if path.stat().st_size != file.length or _digest(path) != file.sha256:
            raise InvalidInput("a file of the backup is not as it was written", where=file.path)


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
