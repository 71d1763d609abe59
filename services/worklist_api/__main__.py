"""``python -m services.worklist_api``: serve on the settings' host and port until told to stop."""

from __future__ import annotations

import socket
import sys

import uvicorn

from plumbline.errors import Misconfigured, PlumblineError
from plumbline.observability.logging import configure_logging
from plumbline.settings import ApiSettings, load_settings
from services.worklist_api.app import create_app

THREADS_TURN_EVERY_S = 0.001
"""How long one thread may keep the interpreter while others wait. The event loop is busy whenever many read; a change
that is being stored gives the interpreter away at every call of the database and waits this long for it each time."""


def main() -> int:
    """Run the server; 2 with one sentence where it cannot start."""
    sys.setswitchinterval(THREADS_TURN_EVERY_S)
    try:
        settings = load_settings()
        configure_logging(settings.log_level, process="worklist-api")
        listening = listen(settings.api)
        app = create_app(settings)
    except PlumblineError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    server.run(sockets=[listening])
    return 0


def listen(settings: ApiSettings) -> socket.socket:
    """Bind the address of the API.

    Raises
    ------
    Misconfigured
        When the port is in use or may not be opened.
    """
    address = f"{settings.host}:{settings.port}"
    try:
        return socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as error:
        remedy = "Choose another one with api.port, or stop what listens there"
        raise Misconfigured(
            f"the address is in use or cannot be opened ({error.strerror})", where=address, remedy=remedy
        ) from error


if __name__ == "__main__":
    raise SystemExit(main())
