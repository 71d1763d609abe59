"""Modalities that send exams to the archive, and send again until each instance was taken."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from plumbline.demo.ports import HOST
from plumbline.demo.sending import CALLING_AE
from plumbline.errors import Unavailable
from plumbline.imaging.volume import Volume
from tests.faults.campaign.patients import Key, Patient, PlannedExam, write_files

MODALITIES = 4
"""How many exams are sent at a time."""
AGAIN_AFTER_S = 2.0
ATTEMPT_S = 120.0
"""Longest time of one association; an archive that ends in the middle of one may leave its sender waiting."""


class Modalities:
    """Sends all exams in the background, those of one patient one after the other."""

    def __init__(
        self,
        patients: Sequence[Patient],
        volumes: Mapping[Key, Volume],
        folder: Path,
        port: int,
        told: Callable[[str], None],
    ) -> None:
        self._volumes, self._folder, self._port, self._told = volumes, folder, port, told
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._sent = 0
        self._pool = ThreadPoolExecutor(MODALITIES, thread_name_prefix="modality")
        self._running = [self._pool.submit(self._send_patient, patient) for patient in patients]

    @property
    def sent(self) -> int:
        """How many exams the archive has taken whole."""
        return self._sent

    @property
    def are_done(self) -> bool:
        """Whether every exam was sent; raises what went wrong with one."""
        return all(each.done() and each.result() is None for each in self._running)

    def stop(self) -> None:
        """Send nothing more."""
        self._stopping.set()
        self._pool.shutdown(cancel_futures=True)

    def _send_patient(self, patient: Patient) -> None:
        for exam in patient:
            if not self._stopping.is_set():
                self._send(exam)

    def _send(self, exam: PlannedExam) -> None:
        folder = self._folder / exam.study_instance_uid
        files = write_files(exam, self._volumes[exam.shown], folder)
        attempts = 1
        while not store(files, self._port):
            attempts += 1
            if self._stopping.wait(AGAIN_AFTER_S):
                return
        shutil.rmtree(folder)
        with self._lock:
            self._sent += 1
        if attempts > 1:
            self._told(f"a modality had to send {exam.header.patient_id} {attempts} times")


def store(files: Sequence[Path], port: int) -> bool:
    """Send files over one association; whether the archive answered Success to each."""
    program = shutil.which("storescu")
    if program is None:
        raise Unavailable("storescu is not installed (Debian package dcmtk)", remedy="Run 'make setup'")
    command = [program, "--required", "-aet", CALLING_AE, "-aec", "ORTHANC", HOST, str(port), *map(str, files)]
    deadline = time.monotonic() + ATTEMPT_S
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return process.wait(deadline - time.monotonic()) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
