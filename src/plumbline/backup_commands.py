"""Backup and restore at the command line, of the site that the settings name."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from plumbline.backup import Manifest, back_up, restore
from plumbline.settings import load_settings

MIB = 1 << 20


def print_backup(console: Console, directory: Path) -> None:
    """Make a backup and say what it has; raises what ``back_up`` does."""
    console.print(f"Kept: {_words(back_up(load_settings(), directory))}", highlight=False)
    console.print("Images in the archive and secrets are not in it.", style="dim")


def print_restore(console: Console, directory: Path) -> None:
    """Restore a backup and say what it had; raises what ``restore`` does."""
    manifest = restore(load_settings(), directory)
    console.print(f"Restored, of {manifest.created_at}: {_words(manifest)}", highlight=False)


def _words(manifest: Manifest) -> str:
    segments = sum(file.path.endswith(".segment") for file in manifest.files)
    return f"the database and {segments} segments of the spool, {manifest.length / MIB:.1f} MiB"
