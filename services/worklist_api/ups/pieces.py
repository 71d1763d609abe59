"""Answers put together from parts that were compressed once: a change of a workitem makes one part anew and no other.

A part of a deflate stream that ends at a full flush stands for itself (RFC 1951), and the checksum of the whole follows
from those of its parts, so that an answer of a thousand parts costs no more than joining them.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

from isal import isal_zlib

from plumbline.worklist.workitem import Edition, RenderedPage

KEPT_BYTES = 64 * 1024 * 1024
"""Memory that what is kept for answers may take, for each application."""

_LEVEL = 1
"""Of compression: what lists many instances shrinks to a twentieth even so."""
_GZIP_HEADER = bytes.fromhex("1f8b08000000000004ff")
_LAST_BLOCK = b"\x03\x00"
"""An empty block that ends a deflate stream (RFC 1951 3.2.3)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of answers, plain and deflated, with what the whole needs to know of it."""

    plain: bytes
    deflated: bytes
    checksum: int
    """CRC-32 of what is plain."""
    digest: bytes

    @classmethod
    def of(cls, plain: bytes) -> Piece:
        """Compress a part, once for all answers that it goes into."""
        compressing = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, -zlib.MAX_WBITS)
        deflated = compressing.compress(plain) + compressing.flush(isal_zlib.Z_FULL_FLUSH)
        digest = hashlib.blake2b(plain, digest_size=16).digest()
        return cls(plain, deflated, isal_zlib.crc32(plain), digest)

    @property
    def size(self) -> int:
        """Memory that it takes, bytes."""
        return len(self.plain) + len(self.deflated)


_OPENING, _COMMA, _CLOSING = (Piece.of(part) for part in (b"[", b",", b"]"))


@dataclass(frozen=True)
class Answer:
    """One answer: the pieces of a JSON array, and whether more can be had."""

    editions: tuple[Edition, ...]
    pieces: Sequence[Piece]
    has_more: bool

    @classmethod
    def of(cls, editions: tuple[Edition, ...], found: Sequence[Piece], *, has_more: bool) -> Answer:
        """Answer of the workitems found."""
        separated = [piece for each in found for piece in (_COMMA, each)][1:]
        return cls(editions, (_OPENING, *separated, _CLOSING), has_more)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        return not self.editions

    @property
    def body(self) -> bytes:
        """The array, for those who do not accept gzip."""
        return b"".join([piece.plain for piece in self.pieces])

    @cached_property
    def compressed(self) -> bytes:
        """One gzip member (RFC 1952) of the array, from its deflated pieces."""
        checksum = size = 0
        for piece in self.pieces:
            checksum = isal_zlib.crc32_combine(checksum, piece.checksum, len(piece.plain))
            size += len(piece.plain)
        trailer = checksum.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")
        return b"".join([_GZIP_HEADER, *[piece.deflated for piece in self.pieces], _LAST_BLOCK, trailer])

    @cached_property
    def entity_tag(self) -> str:
        """Value of the ETag header, from what the pieces say and nothing else."""
        return f'"{hashlib.blake2b(b"".join([piece.digest for piece in self.pieces]), digest_size=16).hexdigest()}"'

    @cached_property
    def size(self) -> int:
        """Memory that it takes, bytes, as if no other answer had a piece in common with it."""
        return sum(piece.size for piece in self.pieces) + len(self.compressed)


class Pieces:
    """Workitems in writing that were searched for last; a change of one makes that one anew and no other."""

    def __init__(self) -> None:
        self._held: OrderedDict[Edition, Piece] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def __contains__(self, edition: object) -> bool:
        return edition in self._held

    def of(self, page: RenderedPage) -> list[Piece] | None:
        """Pieces of a page in its order; None where one that was held has been given up meanwhile."""
        fresh = {edition: Piece.of(dataset) for edition, dataset in page.datasets.items()}
        with self._lock:
            found = [fresh.get(edition) or self._held.get(edition) for edition in page.editions]
            for edition in page.editions:
                self._keep(edition, fresh)
            while self._size > KEPT_BYTES:
                self._size -= self._held.popitem(last=False)[1].size
        pieces = [piece for piece in found if piece is not None]
        return pieces if len(pieces) == len(found) else None

    def _keep(self, edition: Edition, fresh: Mapping[Edition, Piece]) -> None:
        if edition in self._held:
            self._held.move_to_end(edition)
        elif edition in fresh:
            self._held[edition] = fresh[edition]
            self._size += fresh[edition].size
