from __future__ import annotations

import socket

import pytest


def test_a_unit_test_that_connects_somewhere_fails() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"127\.0\.0\.1"), socket.socket() as connection:
        connection.connect(("127.0.0.1", 9))


def test_sockets_within_the_process_stay_allowed() -> None:
    here, there = socket.socketpair()
    with here, there:
        here.sendall(b"word")
        assert there.recv(4) == b"word"
