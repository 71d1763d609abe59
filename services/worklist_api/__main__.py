"""``python -m services.worklist_api``: serve on the settings' host and port until told to stop."""

from __future__ import annotations

import sys

import uvicorn

from plumbline.errors import PlumblineError
from plumbline.observability.logging import configure_logging
from plumbline.settings import load_settings
from services.worklist_api.app import create_app


def main() -> int:
    """Run the server; 2 with one sentence where it cannot start."""
    try:
        settings = load_settings()
        configure_logging(settings.log_level, process="worklist-api")
        app = create_app(settings)
    except PlumblineError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    uvicorn.run(app, host=settings.api.host, port=settings.api.port, log_config=None, access_log=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
