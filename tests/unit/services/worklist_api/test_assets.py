"""Scripts and style are sent compressed and kept by browsers for as long as their content is the same."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.worklist_api.assets import BuiltAssets

SCRIPT = b"export const plumb = 1;"


@pytest.fixture
def built(tmp_path):
    for name, content in {"page-A1.js": SCRIPT, "page-A1.js.br": b"brotli", "page-A1.js.gz": b"not gzip"}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "plain-A1.js").write_bytes(SCRIPT)
    app = FastAPI()
    app.mount("/assets", BuiltAssets(tmp_path))
    return TestClient(app)


def sent(client, name, accepted):
    with client.stream("GET", f"/assets/{name}", headers={"Accept-Encoding": accepted}) as answer:
        return b"".join(answer.iter_raw()), answer.headers


@pytest.mark.parametrize(
    ("accepted", "content", "encoding"),
    [
        ("gzip, deflate, br", b"brotli", "br"),
        ("gzip, deflate", b"not gzip", "gzip"),
        ("br;q=0, identity", SCRIPT, None),
        ("identity", SCRIPT, None),
    ],
)
def test_a_script_comes_in_the_smallest_encoding_that_the_browser_takes(built, accepted, content, encoding):
    body, headers = sent(built, "page-A1.js", accepted)
    assert (body, headers.get("content-encoding")) == (content, encoding)
    assert headers["content-type"].startswith("text/javascript")
    assert headers["vary"] == "Accept-Encoding"
    assert "immutable" in headers["cache-control"]


def test_a_script_that_was_not_compressed_comes_as_it_is(built):
    body, headers = sent(built, "plain-A1.js", "br")
    assert (body, "content-encoding" in headers) == (SCRIPT, False)


def test_a_missing_script_is_404(built):
    assert built.get("/assets/other.js").status_code == 404


def test_the_style_is_kept_by_its_digest_and_not_without(client):
    (address,) = re.findall(r'href="(/static/plumbline\.css\?[0-9a-f]+)"', client.get("/").text)
    assert "immutable" in client.get(address).headers["cache-control"]
    assert client.get("/static/plumbline.css").headers["cache-control"] == "no-store"
    assert client.get("/static/plumbline.css?0").headers["cache-control"] == "no-store"
