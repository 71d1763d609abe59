"""The documents: links lead somewhere, commands exist, what is promised is there."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[3]
broken_links = runpy.run_path(str(HOUSE / "scripts/document_links.py"))["broken_links"]


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (HOUSE / "Makefile").read_text(), flags=re.MULTILINE))


def test_every_link_of_every_document_leads_somewhere() -> None:
    assert [str(link) for link in broken_links(HOUSE)] == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[a](nowhere.md)", "no such file"),
        ("[a](other.md#absent)", "no such heading"),
        ("[a](#absent)", "no such heading"),
        ("[a](code.py#L3)", "the file has fewer lines"),
        ("[a](code.py#name)", "only a line (L12) can be named in this file"),
        ("[`a`](nowhere.md)", "no such file"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "document.md").write_text(text)
    (tmp_path / "other.md").write_text("# Present\n")
    (tmp_path / "code.py").write_text("one\ntwo\n")
    assert [link.reason for link in broken_links(tmp_path)] == [reason]


@pytest.mark.parametrize(
    "text",
    [
        "[a](other.md#two-words-here)",
        "[a](code.py#L1-L2)",
        "[a](https://example.org/whatever)",
        "```\n[a](nowhere.md)\n```",
        "`[a](nowhere.md)`",
        "## Above\n[a](#above)",
    ],
)
def test_a_link_that_leads_somewhere_or_is_only_shown_is_not(tmp_path: Path, text: str) -> None:
    (tmp_path / "document.md").write_text(text)
    (tmp_path / "other.md").write_text("# Two *words*, here\n")
    (tmp_path / "code.py").write_text("one\ntwo\n")
    assert broken_links(tmp_path) == []


def test_commands_in_the_documents_are_targets_of_the_makefile() -> None:
    for document in (HOUSE / "README.md", HOUSE / "docs/operations.md", HOUSE / "ARCHITECTURE.md"):
        named = set(re.findall(r"\bmake ([a-z][a-z-]*)(?=[`\s])", "\n".join(_code(document.read_text()))))
        assert named <= makefile_targets(), document.name


def _code(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+`)", text) + re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_help_lists_every_target_with_a_sentence() -> None:
    shown = subprocess.run(["make", "help"], cwd=HOUSE, capture_output=True, text=True, check=True).stdout
    lines = dict(re.findall(r"^  make ([a-z-]+) +(\S.*)$", shown, flags=re.MULTILINE))
    assert lines.keys() == makefile_targets()


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    readme, run = (HOUSE / "README.md").read_text(), (HOUSE / ".ci/run").read_text()
    assert re.search(r"^\| `make test` \|", readme, flags=re.MULTILINE)
    commands = re.findall(r"^(make [a-z-]+)", run, flags=re.MULTILINE)
    assert commands == ["make test", "make check"]


def test_every_decision_is_listed_with_its_own_title() -> None:
    folder = HOUSE / "docs/adr"
    listed = dict(
        re.findall(r"^\d+\. \[(.+)\]\((\d{4}-[\w-]+\.md)\)$", (folder / "README.md").read_text(), re.MULTILINE)
    )
    listed = {name: title for title, name in listed.items()}
    assert listed.keys() == {path.name for path in folder.glob("0*.md")}
    for name, title in listed.items():
        text = (folder / name).read_text()
        assert text.startswith(f"# {int(name[:4])}. {title}\n"), name
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], name
