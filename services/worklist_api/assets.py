"""The built scripts under ``/assets``: their names hold a digest of their content, so they are kept for good."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from services.worklist_api.security import CONTENT_SECURITY_POLICY_OF_VIEWER


class BuiltAssets(StaticFiles):
    """Scripts, workers and codecs of the pages.

    A worker obeys the policy that its own script came with, so all carry the viewer's.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer one request."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY_OF_VIEWER
        return response
