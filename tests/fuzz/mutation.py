"""Seeded mutations of byte strings and of conversations: the same seed, the same bytes."""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Iterator, Sequence

BUDGET_S = float(os.environ.get("PLUMBLINE_FUZZ_SECONDS", "5"))
"""Time that each fuzz test takes; ``make fuzz`` gives them more."""
FIRST_SEED = int(os.environ.get("PLUMBLINE_FUZZ_SEED", "0"))
_LENGTHS = (0, 1, 2, 5, 6, 0x7F, 0xFFFF, 0x20000, 0x7FFFFFFF, 0xFFFFFFFF)


def seeds(budget_s: float = BUDGET_S) -> Iterator[int]:
    """Seeds, one after another, until the time is used up; at least one."""
    deadline, seed = time.monotonic() + budget_s, FIRST_SEED
    while seed == FIRST_SEED or time.monotonic() < deadline:
        yield seed
        seed += 1


def mutated(source: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut out, repeated or put in; or a number of the length field's size made odd."""
    found = bytearray(data)
    for _ in range(source.choice([1, 1, 2, 4])):
        at = source.randrange(len(found) + 1)
        match source.randrange(6):
            case 0 if found:
                found[min(at, len(found) - 1)] ^= 1 << source.randrange(8)
            case 1:
                del found[at : at + source.choice([1, 2, 6, 100])]
            case 2:
                found[at:at] = source.randbytes(source.choice([1, 4, 60]))
            case 3:
                found[at:at] = found[max(at - 50, 0) : at]
            case 4:
                found[at : at + 4] = struct.pack(source.choice("<>") + "L", source.choice(_LENGTHS))
            case _:
                del found[at:]
    return bytes(found)


def mutated_conversation(source: random.Random, conversations: Sequence[Sequence[bytes]]) -> list[bytes]:
    """PDUs of one or two conversations, some of them mutated, lost, doubled or in another order."""
    pdus = list(source.choice(conversations))
    if source.random() < 0.3:
        pdus += source.choice(conversations)
    for _ in range(source.choice([0, 1, 1, 2])):
        at = source.randrange(len(pdus))
        match source.randrange(5):
            case 0:
                pdus.insert(at, pdus[at])
            case 1 if len(pdus) > 1:
                del pdus[at]
            case 2:
                source.shuffle(pdus)
            case _:
                pdus[at] = mutated(source, pdus[at])
    return pdus
