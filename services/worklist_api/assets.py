"""Files that browsers keep: scripts by the digest in their names, style and pictures by that in their address."""

from __future__ import annotations

import hashlib
import mimetypes
from functools import lru_cache
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from services.worklist_api.security import CONTENT_SECURITY_POLICY_OF_VIEWER

STATIC = Path(__file__).parent / "pages" / "static"
KEPT_FOR_GOOD = "public, max-age=31536000, immutable"
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Encodings that the build has made beside each script, the smallest first, and how their files end."""


class BuiltAssets(StaticFiles):
    """Scripts, workers and codecs of the pages, compressed where the browser accepts that.

    A worker obeys the policy that its own script came with, so all carry the viewer's.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer one request."""
        encoding = self._encoding(path, Headers(scope=scope).get("accept-encoding", ""))
        response = await super().get_response(path + ENCODINGS.get(encoding or "", ""), scope)
        if encoding:
            response.headers["Content-Encoding"] = encoding
            response.headers["Content-Type"] = mimetypes.guess_type(path)[0] or "application/octet-stream"
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["Cache-Control"] = KEPT_FOR_GOOD
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY_OF_VIEWER
        return response

    def _encoding(self, path: str, accepted: str) -> str | None:
        """The smallest encoding of a file that is there and that the browser takes; None for the file as it is."""
        asked = {part.partition(";")[0].strip() for part in accepted.split(",") if not part.endswith("q=0")}
        return next(
            (each for each, end in ENCODINGS.items() if each in asked and self.lookup_path(path + end)[1]), None
        )


class StaticPages(StaticFiles):
    """Style and pictures of the pages; kept by the browser where the address holds their digest."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer one request."""
        response = await super().get_response(path, scope)
        if scope["query_string"].decode("ascii", "replace") == digest_of(path):
            response.headers["Cache-Control"] = KEPT_FOR_GOOD
        return response


def static_address(name: str) -> str:
    """Address of a file of the pages, which changes with its content."""
    return f"/static/{name}?{digest_of(name)}"


@lru_cache(maxsize=32)
def digest_of(name: str) -> str | None:
    """Digest of a file of the pages, None where there is none of this name."""
    file = STATIC / name
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else None
