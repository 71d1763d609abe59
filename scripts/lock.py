"""Write requirements.lock and requirements-benchmark.lock, or check that they still belong to pyproject.toml.

A lock opens with a digest of the dependency lists it was resolved from, so that staleness shows without a package
index. It names no host: where packages come from is the machine's business. The second holds what benchmarks compare
with and only they install.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
BENCHMARK_LOCK = ROOT / "requirements-benchmark.lock"
PYPROJECT = ROOT / "pyproject.toml"
HEADING = "# Resolved by `make lock` from the dependency lists of pyproject.toml with digest "


def dependency_digest(pyproject: str) -> str:
    """Return the SHA-256 of everything in pyproject.toml that decides what is locked."""
    settings = tomllib.loads(pyproject)
    lists = {
        "python": settings["project"]["requires-python"],
        "run": sorted(settings["project"]["dependencies"]),
        "options": settings["project"].get("optional-dependencies", {}),
        "groups": settings.get("dependency-groups", {}),
        "build": sorted(settings["build-system"]["requires"]),
    }
    return hashlib.sha256(json.dumps(lists, sort_keys=True).encode()).hexdigest()


def faults(lock: str, pyproject: str) -> list[str]:
    """Return what is wrong with the lock, each as a sentence."""
    found = []
    if lock.splitlines()[:1] != [HEADING + dependency_digest(pyproject)]:
        found.append("the lock was not made from these dependency lists; run `make lock`.")
    if hosts := re.findall(r"\w+://\S+", lock):
        found.append(f"the lock names a host: {hosts[0]}")
    return found


def write() -> int:
    """Resolve both again for every supported platform, keeping versions that still fit."""
    return _resolve(LOCK, "--group", "dev", "--all-extras", "pyproject.toml") or _resolve(
        BENCHMARK_LOCK, "--group", "benchmark", "--constraint", LOCK.name
    )


def _resolve(lock: Path, *sources: str) -> int:
    command = (
        "uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header"
    )
    compiler = Path(sys.executable).with_name("uv")
    arguments = [str(compiler), *command.split()[1:], *sources, "--output-file", lock.name]
    outcome = subprocess.run(arguments, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    if outcome.returncode == 0:
        lock.write_text(HEADING + dependency_digest(PYPROJECT.read_text()) + "\n" + lock.read_text())
    return outcome.returncode


def check() -> int:
    """Print what is wrong with the locks and return how many things are."""
    found = [
        f"{lock.name}: {fault}"
        for lock in (LOCK, BENCHMARK_LOCK)
        for fault in faults(lock.read_text(), PYPROJECT.read_text())
    ]
    for fault in found:
        print(fault)
    return len(found)


if __name__ == "__main__":
    sys.exit(check() if sys.argv[1:] == ["--check"] else write())
