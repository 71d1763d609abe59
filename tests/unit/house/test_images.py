"""The Dockerfiles: pinned, unprivileged, and built from files that exist. No engine is asked."""

from __future__ import annotations

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

DOCKERFILES = sorted((Path(__file__).parents[3] / "deploy/images").glob("*.Dockerfile"))
HADOLINT = Path(sysconfig.get_path("scripts")) / "hadolint"
KNOWN = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "CMD", "ENTRYPOINT"}

Instruction = tuple[str, str]


def instructions(dockerfile: str) -> list[Instruction]:
    """Instructions of a Dockerfile in order, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in joined.splitlines() if line.strip()]


def faults(found: list[Instruction], house: Path) -> list[str]:
    """What is wrong with a Dockerfile, each as a few words."""
    wrong = [f"{word} is not known here" for word, _ in found if word not in KNOWN]
    stages = {match[1] for word, rest in found if word == "FROM" and (match := re.search(r" AS (\w+)$", rest))}
    for word, rest in found:
        if word == "FROM" and not re.match(r"[a-z/]+:[\w.-]*\d{2,}[\w.-]*( AS \w+)?$", rest):
            wrong.append(f"{rest} is not pinned")
        if word == "RUN" and re.search(r"\|\s*(ba)?sh\b", rest):
            wrong.append("runs what it downloads")
        if word == "COPY":
            wrong += [f"{source} does not exist" for source in _sources(rest, stages) if not (house / source).exists()]
    users = [rest for word, rest in found[_last_stage(found) :] if word == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        wrong.append("runs as root, or as a user without a number")
    return wrong


def _last_stage(found: list[Instruction]) -> int:
    return max(index for index, (word, _) in enumerate(found) if word == "FROM")


def _sources(rest: str, stages: set[str]) -> list[str]:
    options = [word for word in rest.split() if word.startswith("--")]
    if any(option.removeprefix("--from=") in stages for option in options):
        return []
    return [word for word in rest.split() if not word.startswith("--")][:-1]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_dockerfile_is_pinned_unprivileged_and_complete(path: Path, house: Path) -> None:
    assert faults(instructions(path.read_text()), house) == []


@pytest.mark.parametrize(
    ("dockerfile", "fault"),
    [
        ("FROM python\nUSER 1:1\n", "python is not pinned"),
        ("FROM python:latest\nUSER 1:1\n", "python:latest is not pinned"),
        ("FROM python:3.11.9\n", "runs as root, or as a user without a number"),
        ("FROM python:3.11.9\nUSER 1:1\nUSER root\n", "runs as root, or as a user without a number"),
        ("FROM python:3.11.9 AS build\nUSER 1:1\nFROM python:3.11.9\n", "runs as root, or as a user without a number"),
        ("FROM python:3.11.9\nCOPY nowhere /there\nUSER 1:1\n", "nowhere does not exist"),
        ("FROM python:3.11.9\nRUN curl x | sh\nUSER 1:1\n", "runs what it downloads"),
    ],
)
def test_a_careless_dockerfile_is_found_out(dockerfile: str, fault: str, house: Path) -> None:
    assert fault in faults(instructions(dockerfile), house)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_hadolint_has_nothing_to_say(path: Path, house: Path) -> None:
    done = subprocess.run([HADOLINT, "--no-color", path], cwd=house, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_hadolint_would_say_something(tmp_path: Path) -> None:
    careless = tmp_path / "Dockerfile"
    careless.write_text("FROM python\nRUN cd /tmp && sudo pip install x\n")
    done = subprocess.run([HADOLINT, "--no-color", careless], capture_output=True, text=True, check=False)
    assert {"DL3006", "DL3004"} <= set(re.findall(r"DL\d{4}", done.stdout))


def test_scripts_in_the_images_can_be_executed(house: Path) -> None:
    for name in ("with-secrets", "orthanc-is-ready"):
        script = house / "deploy/images" / name
        assert script.stat().st_mode & 0o111, name
        assert script.read_text().startswith("#!/bin/sh\n")


def test_the_builder_is_sent_what_the_images_copy_and_no_secret(house: Path) -> None:
    lines = (house / ".dockerignore").read_text().splitlines()
    sent = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    assert not any("deploy/secrets".startswith(path) for path in sent)
    copied = {
        source
        for path in DOCKERFILES
        for word, rest in instructions(path.read_text())
        if word == "COPY"
        for source in _sources(rest, {"build", "pages"})
    }
    assert all(any(source == path or source.startswith(path + "/") for path in sent) for source in copied)
