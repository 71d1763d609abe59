"""A proxy before Redis through which every message of a queue is delivered twice.

Kombu hands a message to Redis as ``LPUSH queue message``. The proxy reads the commands of each client and lets
such a one push the same message twice: two deliveries of one message, with the same identifiers, as a broker
makes them that has promised at least one. Everything else passes as it is.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO

from plumbline.demo.ports import HOST

PIECE_BYTES = 65536
CONNECT_TIMEOUT_S = 5.0


class DoublingProxy:
    """Listens on a port of its own and passes everything on to Redis, which may be away for a while."""

    def __init__(self, redis_port: int, queues: Sequence[str]) -> None:
        self._redis_port = redis_port
        self._queues = tuple(queue.encode() for queue in queues)
        self._doubled = 0
        self._lock = threading.Lock()
        self._socket = socket.create_server((HOST, 0))
        threading.Thread(target=self._accept, name="doubling", daemon=True).start()

    @property
    def url(self) -> str:
        """Where clients find Redis."""
        return f"redis://{HOST}:{self._socket.getsockname()[1]}/0"

    @property
    def doubled(self) -> int:
        """How many messages were delivered twice."""
        return self._doubled

    def close(self) -> None:
        """Take no more connections."""
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Join a client and Redis; when either hangs up, so does the other."""
        with client, suppress(OSError), socket.create_connection((HOST, self._redis_port), CONNECT_TIMEOUT_S) as redis:
            redis.settimeout(None)
            threading.Thread(target=_pass_on, args=(redis, client), daemon=True).start()
            with client.makefile("rb") as commands:
                while command := read_command(commands):
                    redis.sendall(written(self._passed_on(command)))

    def _passed_on(self, command: list[bytes]) -> list[bytes]:
        doubled = twice(command, self._queues)
        with self._lock:
            self._doubled += doubled is not command
        return doubled


def twice(command: list[bytes], queues: Sequence[bytes]) -> list[bytes]:
    """The command, made to push its message twice where it pushes one onto one of these queues."""
    is_message = len(command) == 3 and command[0].upper() == b"LPUSH" and command[1].startswith(tuple(queues))
    return [*command, command[2]] if is_message else command


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    """Carry answers until one side hangs up, then end both."""
    with suppress(OSError):
        while piece := source.recv(PIECE_BYTES):
            sink.sendall(piece)
    for each in (sink, source):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def read_command(stream: BinaryIO) -> list[bytes]:
    """The words of the next command, as RESP writes them (an array of bulk strings); empty at the end."""
    header = stream.readline()
    if not header.startswith(b"*"):
        return []
    words = []
    for _ in range(int(header[1:])):
        length = int(stream.readline()[1:])
        words.append(stream.read(length))
        stream.read(2)
    return words


def written(words: Sequence[bytes]) -> bytes:
    """A command in RESP."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
