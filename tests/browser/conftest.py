"""A seeded site on loopback (real store, real Orthanc, the API as it is wired), and a headless Chromium."""

import shutil
import socket
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import uvicorn
from playwright.sync_api import sync_playwright

from plumbline.adapters.database.engine import open_store
from plumbline.observability.clock import SystemClock
from plumbline.settings import ApiSettings, OrthancSettings, Settings
from services.worklist_api.app import create_app
from services.worklist_api.pages.rendering import BUILT
from tests.browser.seeding import seed
from tests.servers import run_orthanc

SOFTWARE_GRAPHICS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
LINKS = {"OHIF": "https://ohif.invalid/viewer?StudyInstanceUIDs={studies}"}


@contextmanager
def served(settings: Settings):
    """The API on these settings; yields its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    if not (BUILT / "manifest.json").is_file():
        pytest.skip("the scripts of the pages are not built (make setup builds them)")
    folder = tmp_path_factory.mktemp("site")
    with run_orthanc(folder / "orthanc") as orthanc:
        settings = Settings(
            data_dir=folder / "var", orthanc=OrthancSettings(url=orthanc.url), api=ApiSettings(viewer_links=LINKS)
        )
        store = open_store(settings.store_url)
        seed(store, SystemClock(), orthanc.url)
        with served(settings) as address:
            yield SimpleNamespace(address=address, settings=settings, store=store)
        store.engine.dispose()


@pytest.fixture(scope="session")
def chromium():
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian package chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=SOFTWARE_GRAPHICS)
        yield launched
        launched.close()


def until(page, expression: str, within_s: float = 10.0) -> None:
    """Wait until an expression is true on a page; fail when it never is."""
    end = time.monotonic() + within_s
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never true: {expression}"
        time.sleep(0.05)


class Visit:
    """A page, and everything it complained of or asked other hosts for."""

    def __init__(self, page, address: str):
        self.page, self.address = page, address
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))

    def open(self, path: str):
        response = self.page.goto(f"{self.address}{path}")
        assert response is not None
        return response

    def wait_until(self, expression: str, within_s: float = 10.0) -> None:
        """Wait until JavaScript says so; asked from outside, for the pages allow nobody to evaluate strings."""
        until(self.page, expression, within_s)

    def introduce(self, name: str, path: str) -> None:
        """Say who reads, on a page that asks for it."""
        self.open(path)
        self.page.get_by_label("Your name").fill(name)
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Continue").click()


@pytest.fixture
def visit(chromium, site, request):
    width, height = getattr(request, "param", (1440, 900))
    context = chromium.new_context(viewport={"width": width, "height": height})
    yield Visit(context.new_page(), site.address)
    context.close()
