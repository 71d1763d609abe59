"""Unit tests reach nothing outside their process: a connection is refused before it is tried."""

from __future__ import annotations

import socket

import pytest


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection by IP; a pair of sockets within the process, as event loops use it, stays allowed."""

    def refuse(connection: socket.socket, address: object) -> None:
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            pytest.fail(f"a unit test tried to connect to {address}")
        original(connection, address)  # type: ignore[arg-type]

    original = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", refuse)
