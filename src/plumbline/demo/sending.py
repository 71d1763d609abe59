"""Sending exams to Orthanc as a modality would: DCMTK's storescu, one association an exam."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from plumbline.demo.ports import HOST
from plumbline.errors import Unavailable

SEND_TIMEOUT_S = 300
CALLING_AE = "MODALITY"


def send(files: Iterable[Path], *, port: int, called_ae: str = "ORTHANC") -> None:
    """Send DICOM files over one association; a file that the archive refuses does not stop the others.

    Raises
    ------
    Unavailable
        When DCMTK is not installed or no association could be made.
    """
    program = shutil.which("storescu")
    if program is None:
        raise Unavailable("storescu is not installed (Debian package dcmtk)", remedy="Run 'make setup'")
    command = [program, "--no-halt", "--required", "--propose-j2k-lossless", "-aet", CALLING_AE, "-aec", called_ae]
    command += [HOST, str(port), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SEND_TIMEOUT_S, check=False)
    if done.returncode != 0 and "Association Request Failed" in done.stderr + done.stdout:
        raise Unavailable("the archive does not take associations", where=f"{HOST}:{port}")
