"""The MLLP server: who may connect, frames of bounded size and time, one message after the other.

Framing is the library's (HL7 2.x, appendix C: VT, message, FS, CR). What is added here are the limits without
which one peer could hold memory or connections for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Protocol

from hl7.mllp import start_hl7_server
from hl7.mllp.streams import END_BLOCK, START_BLOCK, HL7StreamReader, HL7StreamWriter

from plumbline.errors import Misconfigured

Answer = Callable[[bytes], list[bytes]]
"""Takes one message, returns what is sent back; may block, runs in a thread."""

BETWEEN_FRAMES = b"\r\n \t"
"""Bytes that some senders put between frames; they mean nothing."""


@dataclass(frozen=True, slots=True)
class MllpLimits:
    """What one peer may use of us."""

    message_bytes: int = 1024**2
    message_s: float = 30.0
    """From the first byte of a message to its last."""
    idle_s: float = 3600.0
    """Silence between messages; interface engines keep connections open all day."""
    connections: int = 64
    stored_at_once: int = 4


class MllpObserver(Protocol):
    """Told of connections, for logs and metrics."""

    def connected(self, address: str) -> None:
        """A peer was let in."""
        ...

    def disconnected(self, address: str, reason: str) -> None:
        """Its connection ended, with a word for why."""
        ...

    def turned_away(self, address: str, reason: str) -> None:
        """A peer was not let in."""
        ...


class AllowedAddresses:
    """Addresses and networks that may connect; everybody where none is named."""

    def __init__(self, addresses: tuple[str, ...], *, where: str) -> None:
        try:
            self._networks: list[IPv4Network | IPv6Network] = [ip_network(each, strict=False) for each in addresses]
        except ValueError as error:
            raise Misconfigured(f"not an address or network ({error})", where=where) from error

    def allows(self, address: str) -> bool:
        """Whether a peer with this address may connect."""
        host = ip_address(address.partition("%")[0])
        if isinstance(host, IPv6Address) and host.ipv4_mapped:
            host = host.ipv4_mapped
        return not self._networks or any(host in network for network in self._networks)


class _Ended(Exception):
    """A connection is to be closed; carries a word for why."""


class MllpServer:
    """Serves MLLP on one address. Made and used inside one event loop.

    Parameters
    ----------
    answer
        What is done with a message. It runs in one of ``limits.stored_at_once`` threads.
    """

    def __init__(
        self, answer: Answer, *, allowed: AllowedAddresses, limits: MllpLimits, observer: MllpObserver
    ) -> None:
        self._answer = answer
        self._allowed = allowed
        self._limits = limits
        self._observer = observer
        self._pool = ThreadPoolExecutor(max_workers=limits.stored_at_once, thread_name_prefix="hl7")
        self._connections: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port.

        Raises
        ------
        Misconfigured
            Where the address cannot be had.
        """
        try:
            self._server = await start_hl7_server(self._accept, host, port, limit=self._limits.message_bytes)
        except OSError as error:
            raise Misconfigured(
                f"cannot listen on {host} port {port} ({error.strerror})",
                where="hl7.port",
                remedy="End what uses the port or choose another",
            ) from error
        return self._server.sockets[0].getsockname()[1]

    async def stop(self, drain_s: float) -> None:
        """Accept no more, let messages that are being stored be answered, then close every connection."""
        self._is_stopping = True
        if self._server is not None:
            self._server.close()
        for connection in self._connections - self._busy:
            connection.cancel()
        if self._busy:
            await asyncio.wait(set(self._busy), timeout=drain_s)
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._pool.shutdown(wait=True)

    async def _accept(self, reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        address = str((writer.get_extra_info("peername") or ("unknown",))[0])
        refusal = self._why_not(address)
        if refusal:
            self._observer.turned_away(address, refusal)
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._observer.connected(address)
        reason = "ended"
        try:
            await self._serve(reader, writer, task)
        except _Ended as ended:
            reason = str(ended)
        except (ConnectionError, asyncio.IncompleteReadError):
            reason = "broken off"
        except asyncio.CancelledError:
            reason = "shutdown"
        finally:
            self._connections.discard(task)
            self._busy.discard(task)
            self._observer.disconnected(address, reason)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    def _why_not(self, address: str) -> str | None:
        if not self._allowed.allows(address):
            return "not-allowed"
        return "too-many-connections" if len(self._connections) >= self._limits.connections else None

    async def _serve(self, reader: HL7StreamReader, writer: HL7StreamWriter, task: asyncio.Task[None]) -> None:
        """Answer one message after the other until the peer closes."""
        while not self._is_stopping and await self._frame_begins(reader):
            block = await self._rest_of_frame(reader)
            self._busy.add(task)
            answers = await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, block)
            for answer in answers:
                writer.writeblock(answer)
            await asyncio.wait_for(writer.drain(), self._limits.message_s)
            self._busy.discard(task)

    async def _frame_begins(self, reader: HL7StreamReader) -> bool:
        """Wait for the start of a frame; False where the peer closed in between."""
        while True:
            try:
                byte = await asyncio.wait_for(reader.read(1), self._limits.idle_s)
            except TimeoutError:
                raise _Ended("idle") from None
            if byte in (b"", START_BLOCK):
                return bool(byte)
            if byte not in BETWEEN_FRAMES:
                raise _Ended("no start of frame")

    async def _rest_of_frame(self, reader: HL7StreamReader) -> bytes:
        """Read up to the end of the frame; what is too long or too slow ends the connection unanswered.

        There is no telling where the next frame begins, and the sender keeps what was not acknowledged. Some
        senders leave out the CR that ends a frame. One that broke off and begins anew means its last beginning.
        """
        try:
            frame = await asyncio.wait_for(reader.readuntil(END_BLOCK), self._limits.message_s)
        except TimeoutError:
            raise _Ended("message too slow") from None
        except asyncio.LimitOverrunError:
            raise _Ended("message too long") from None
        return frame[: -len(END_BLOCK)].rpartition(START_BLOCK)[2]
