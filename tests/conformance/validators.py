"""Validators that others wrote, each as a function from a file to its complaints.

A tool that is not installed skips the test with the Debian package to install; it never passes silently.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

_TIMEOUT_S = 90
_PIXELMED_OPTIONS = (
    # The validator's style sheet is larger than the limits that newer Java versions set on trusted XPath too.
    "-Djdk.xml.xpathExprGrpLimit=0 -Djdk.xml.xpathExprOpLimit=0 -Djdk.xml.xpathTotalOpLimit=0 "
    "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
)
PACKAGES = {"dciodvfy": "dicom3tools", "dsrdump": "dcmtk", "DicomSRValidator": "pixelmed-apps"}


def require(tool: str) -> None:
    """Skip the test, saying what to install, where a validator is absent."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed: apt-get install {PACKAGES[tool]}")


def dciodvfy(path: Path) -> list[str]:
    """Error lines of dicom3tools' dciodvfy, and its warnings but those about the private coding scheme."""
    complaints = [line for line in _run("dciodvfy", path).splitlines() if re.match(r"(Error|Warning)", line)]
    return [line for line in complaints if "99PLUMBLINE" not in line]


def dsrdump(path: Path) -> list[str]:
    """Errors of DCMTK's dsrdump."""
    return [line for line in _run("dsrdump", path).splitlines() if re.match(r"[EF]: ", line)]


def pixelmed(path: Path) -> list[str]:
    """Errors of PixelMed's DicomSRValidator, which exits 0 whatever it finds."""
    output = _run("DicomSRValidator", path, JDK_JAVA_OPTIONS=_PIXELMED_OPTIONS)
    if "IOD validation complete" not in output or "Found Root Template" not in output:
        return [f"the validator did not finish: {output[-500:]}"]
    return [line for line in output.splitlines() if line.startswith("Error")]


def _run(tool: str, path: Path, **environment: str) -> str:
    require(tool)
    finished = subprocess.run(
        [tool, str(path)],
        capture_output=True,
        check=False,
        timeout=_TIMEOUT_S,
        env={**os.environ, **environment},
    )
    return (finished.stdout + finished.stderr).decode("utf-8", "replace")
