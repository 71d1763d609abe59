"""Take a screenshot of every page into docs/screenshots, of the demonstration's cohort, for a desk and for a phone.

    python -m tests.browser.screenshots                     starts the demonstration, waits for it, ends it
    python -m tests.browser.screenshots ADDRESS ORTHANC     takes them of a demonstration that runs already

A radiograph of one of the patients is sent first, and the landmarks in view are set on it. The pictures are reduced
to a palette, so that they stay small enough for the repository.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, Request, sync_playwright

from tests.browser.radiograph import Radiograph, standing_lateral

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "docs" / "screenshots"
DESK, PHONE = (1440, 900), (390, 844)
LARGEST_BYTES = 300_000
DEMONSTRATION_S = 1800.0
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]


@dataclass(frozen=True)
class Shot:
    """One screenshot: its name, its page, and what to wait for or do first."""

    name: str
    path: str
    size: tuple[int, int] = DESK
    is_whole: bool = False
    prepare: str = ""


def shots(flagged: str, quiet: str, radiograph: str) -> list[Shot]:
    """All of them, for a flagged exam, one that was not compared, and a radiograph."""
    exam = f"/exams/{flagged}"
    return [
        Shot("worklist", "/"),
        Shot("worklist-phone", "/", PHONE),
        Shot("worklist-filtered", "/?check=spacer-migration&priority=URGENT"),
        Shot("worklist-empty", "/?state=cancelled"),
        Shot("worklist-link-lost", "/", prepare="lost"),
        Shot("exam", exam, prepare="top"),
        Shot("exam-loading", exam, prepare="loading"),
        Shot("exam-viewer", exam, prepare="viewer"),
        Shot("exam-viewer-axial", exam, prepare="axial"),
        Shot("exam-viewer-fade", exam, prepare="fade"),
        Shot("exam-whole", exam, is_whole=True, prepare="top"),
        Shot("exam-phone", exam, PHONE),
        Shot("exam-not-compared", f"/exams/{quiet}", prepare="top"),
        Shot("exam-print", exam, is_whole=True, prepare="print"),
        Shot("trends", f"{exam}/trends", is_whole=True),
        Shot("operator", "/operator", is_whole=True),
        Shot("operator-phone", "/operator", PHONE),
        Shot("operator-exam", f"/operator/exams/{flagged}", is_whole=True),
        Shot("rules", f"/rules?exam={flagged}"),
        Shot("radiographs", f"/exams/{radiograph}/radiographs", is_whole=True, prepare="landmarks"),
        Shot("radiographs-phone", f"/exams/{radiograph}/radiographs", PHONE, prepare="landmarks"),
        Shot("radiographs-empty", f"{exam}/radiographs"),
        Shot("error", "/exams/1.2.3"),
    ]


def main() -> int:
    """Take all screenshots; 1 with a sentence where one is too large."""
    given = (sys.argv[1], sys.argv[2]) if len(sys.argv) == 3 else None
    FOLDER.mkdir(parents=True, exist_ok=True)
    with demonstration() if given is None else nothing(given) as (address, orthanc), sync_playwright() as playwright:
        radiograph = standing_lateral(REPOSITORY / "build" / "cohort")
        _send(radiograph, address, orthanc)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        taken = _take_all(browser, address, radiograph.study_instance_uid)
        large = [name for name, size in taken if size > LARGEST_BYTES]
        browser.close()
    if large:
        sys.stderr.write(f"Larger than {LARGEST_BYTES} bytes: {', '.join(large)}.\n")
    return 1 if large else 0


def _send(radiograph: Radiograph, address: str, orthanc: str) -> None:
    """Send a radiograph as a modality would, wait for its result, and set the landmarks that are in view."""
    httpx.post(f"{orthanc}/instances", content=radiograph.file, timeout=60).raise_for_status()
    uid = radiograph.study_instance_uid
    until = time.monotonic() + 120
    while httpx.get(f"{address}/api/exams/{uid}", timeout=60).status_code != httpx.codes.OK:
        if time.monotonic() > until:
            raise TimeoutError("the radiograph was not reported in two minutes")
        time.sleep(1)
    with httpx.Client(base_url=address, timeout=60) as reader:
        reader.post("/session", data={"reader": "Ada Reader"})
        for name, (column, row) in radiograph.landmarks.items():
            image = {"series_instance_uid": f"{uid}.1", "sop_instance_uid": f"{uid}.1.1"}
            place = {**image, "name": name, "column": column, "row": row}
            reader.put(f"/api/exams/{uid}/landmarks", json=place).raise_for_status()


def _take_all(browser: Browser, address: str, radiograph: str) -> Iterator[tuple[str, int]]:
    for shot in shots(*_exams(address), radiograph):
        context = browser.new_context(viewport={"width": shot.size[0], "height": shot.size[1]})
        page = context.new_page()
        _prepare_before(page, shot)
        page.goto(f"{address}{shot.path}", timeout=120_000)
        _prepare_after(page, shot)
        taken = page.screenshot(full_page=shot.is_whole, timeout=180_000)
        page.unroute_all(behavior="ignoreErrors")
        context.close()
        yield shot.name, _keep(shot.name, taken)


def _exams(address: str) -> tuple[str, str]:
    """The first exam of the worklist, and the first that there is no baseline for."""
    entries = httpx.get(f"{address}/api/worklist", timeout=60).json()["entries"]
    untold = next(each for each in entries if "no valid baseline" in " ".join(each["reasons"]))
    return entries[0]["study_instance_uid"], untold["study_instance_uid"]


def _prepare_before(page: Page, shot: Shot) -> None:
    if shot.prepare == "lost":
        page.route_web_socket("**/live", lambda link: link.close())
    if shot.prepare in ("top", "print", "loading") or (shot.size == PHONE and shot.prepare != "landmarks"):
        page.route(re.compile(r"/series/.*/images$"), _never)


def _never(_route: object, _request: Request) -> None:
    """Leave a request without an answer, so that the images stay on their way."""


def _prepare_after(page: Page, shot: Shot) -> None:
    page.wait_for_timeout(1500)
    if shot.prepare == "print":
        page.emulate_media(media="print")
    if shot.prepare == "loading":
        page.locator("#viewer").scroll_into_view_if_needed()
    if shot.prepare == "landmarks":
        page.locator("#radiographs[data-loaded=yes]").wait_for(timeout=60_000)
        page.wait_for_timeout(1000)
    if shot.prepare in ("viewer", "axial", "fade"):
        _wait_for_viewer(page)
        if shot.prepare == "axial":
            page.get_by_role("button", name="Axial").click()
        if shot.prepare == "fade":
            page.get_by_role("button", name="Fade").click()
        page.evaluate("document.getElementById('viewer').scrollIntoView({ block: 'center' })")
        page.wait_for_timeout(3000)


def _wait_for_viewer(page: Page) -> None:
    until = time.monotonic() + 300
    while page.evaluate("document.getElementById('viewer').dataset.loaded") != "yes":
        if time.monotonic() > until:
            raise TimeoutError("the viewer did not load its images in five minutes")
        time.sleep(1)


def _keep(name: str, png: bytes) -> int:
    """Write a screenshot with a palette, smaller where it would be too large for the repository."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for share in (1.0, 0.8, 0.65, 0.5):
        size = (round(image.width * share), round(image.height * share))
        reduced = io.BytesIO()
        palette = image.resize(size, Image.Resampling.LANCZOS).quantize(256, Image.Quantize.MAXCOVERAGE)
        palette.save(reduced, "PNG", optimize=True)
        if reduced.tell() <= LARGEST_BYTES:
            break
    (FOLDER / f"{name}.png").write_bytes(reduced.getvalue())
    sys.stdout.write(f"{name}.png {reduced.tell() // 1024} KiB\n")
    sys.stdout.flush()
    return reduced.tell()


@contextmanager
def nothing(given: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Pages that somebody else serves."""
    yield given[0].rstrip("/"), given[1].rstrip("/")


@contextmanager
def demonstration() -> Iterator[tuple[str, str]]:
    """The demonstration on free ports, ended at the end; yields its address and that of its Orthanc."""
    command = [str(REPOSITORY / ".venv/bin/plumbline"), "demo"]
    environment = {**os.environ, "FREE_PORTS": "1", "COLUMNS": "200"}
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield _addresses(process)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)


def _addresses(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Addresses that the demonstration tells once everything is done."""
    assert process.stdout is not None
    until = time.monotonic() + DEMONSTRATION_S
    for line in process.stdout:
        sys.stdout.write(line)
        if found := re.search(r"Worklist: (http://\S+?)/?\s.*Orthanc: (http://\S+?)/?\s", line):
            return found[1], found[2]
        if time.monotonic() > until:
            break
    raise RuntimeError("the demonstration did not come to its worklist")


if __name__ == "__main__":
    raise SystemExit(main())
