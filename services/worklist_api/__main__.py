"""``python -m services.worklist_api``: serve on the settings' host and port until told to stop."""

from __future__ import annotations

import socket
import sys

from plumbline.errors import Misconfigured, PlumblineError
from plumbline.observability.logging import configure_logging
from plumbline.settings import ApiSettings, load_settings
from services.worklist_api.process import run


def main() -> int:
    """Run the server; 2 with one sentence where it cannot start."""
    try:
        settings = load_settings()
        configure_logging(settings.log_level, process="worklist-api")
        run(settings, listen(settings.api))
    except PlumblineError as error:
        sys.stderr.write(f"{error}\n")
        return 2
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
