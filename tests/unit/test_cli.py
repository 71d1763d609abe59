"""The command line's edge: one sentence and the contract's exit code, never a traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest

from plumbline.folder_comparison import ComparisonOutcome


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "plumbline", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("make_folder", [False, True])
def test_a_folder_that_is_absent_or_empty_is_bad_input(tmp_path, make_folder):
    folder = tmp_path / "exam"
    if make_folder:
        folder.mkdir()
    done = run("compare", "--current", str(folder))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "plumbline: " in done.stderr


def test_a_plan_that_names_nothing_is_bad_input(tmp_path):
    done = run("compare", "--current", str(tmp_path), "--planned", "something")
    assert done.returncode == 2
    assert "neither a level nor a procedure" in done.stderr


def test_a_date_that_is_none_is_bad_input(tmp_path):
    assert run("compare", "--current", str(tmp_path), "--surgery-date", "yesterday").returncode == 2


@pytest.mark.parametrize(
    ("statuses", "failed"),
    [((), False), (("failed",), True), (("failed", "negative"), False), (("indeterminate",), False)],
)
def test_only_a_run_in_which_every_check_failed_is_a_failure(statuses, failed):
    outcome = ComparisonOutcome({"findings": [{"status": status} for status in statuses]})
    assert outcome.every_check_failed is failed
