"""Templates to responses, with what every page needs: the title, the way to its scripts, who is reading."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.templating import Jinja2Templates
from starlette.responses import Response

from services.worklist_api.assets import static_address
from services.worklist_api.context import context_of
from services.worklist_api.pages import presentation

BUILT = Path(__file__).parents[1] / "web" / "dist"
"""What ``npm run build`` makes of ``web/src``; the set-up does that."""

_templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
_templates.env.filters.update(presentation.FILTERS)
_templates.env.trim_blocks = _templates.env.lstrip_blocks = True


def render(request: Request, template: str, shown: dict[str, Any], *, status_code: int = 200) -> Response:
    """Page from a template."""
    common = {
        "title": context_of(request).title,
        "script": script_address,
        "chunks": chunk_addresses,
        "static": static_address,
        "path": request.url.path,
    }
    return _templates.TemplateResponse(request, template, {**common, **shown}, status_code=status_code)


def script_address(name: str) -> str | None:
    """Address of a built script, None where the front end was not built: every page also works without."""
    return next(iter(chunk_addresses(name)), None)


def chunk_addresses(name: str) -> list[str]:
    """Addresses of a built script and of everything that it imports; none where the front end was not built."""
    return [f"/assets/{file}" for file in _manifest().get(name, ())]


@lru_cache(maxsize=1)
def _manifest() -> dict[str, list[str]]:
    manifest = BUILT / "manifest.json"
    return json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
