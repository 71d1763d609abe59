"""What is struck when: a timetable that follows from a seed and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Blow(StrEnum):
    """What happens to a process or a server."""

    KILL = "kill"
    """SIGKILL to a process and all its children, as the end of a container."""
    KILL_PARENT = "kill-parent"
    """SIGKILL to the process alone; its children find themselves orphans."""
    KILL_CHILD = "kill-child"
    """SIGKILL to one of its children, as when the kernel runs out of memory."""
    STOP = "stop"
    """An orderly end, and no supervisor that starts it again."""
    CRASH = "crash"
    """An end without warning, and no supervisor that starts it again."""
    START = "start"
    """A stopped or crashed server comes back."""
    EMPTY = "empty"
    """Everything that Redis holds is forgotten."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One blow. ``at_s`` counts from the moment at which the first exam is sent."""

    at_s: float
    target: str
    blow: Blow

    @property
    def is_kill(self) -> bool:
        """Whether a process of this system ends by SIGKILL."""
        return self.blow in (Blow.KILL, Blow.KILL_PARENT, Blow.KILL_CHILD)


@dataclass(frozen=True, slots=True)
class Strain:
    """How often a target is struck in a campaign of a hundred exams, and in which ways."""

    target: str
    times: int
    blows: tuple[Blow, ...] = (Blow.KILL,)
    away_s: tuple[float, float] | None = None
    """Shortest and longest absence of a server; None for what a supervisor starts again."""


ANY_KILL = (Blow.KILL, Blow.KILL_PARENT, Blow.KILL_CHILD)
STRAINS = (
    Strain("worker-measure", 8, ANY_KILL),
    Strain("worker-path", 8, ANY_KILL),
    Strain("api", 6),
    Strain("listener", 8, ANY_KILL),
    Strain("dispatcher", 3),
    Strain("beat", 3),
    Strain("hl7-listener", 2),
    Strain("redis", 4, (Blow.EMPTY,)),
    Strain("redis", 4, (Blow.STOP, Blow.CRASH), away_s=(1.0, 8.0)),
    Strain("postgresql", 4, (Blow.STOP, Blow.CRASH), away_s=(1.0, 8.0)),
    Strain("orthanc", 1, (Blow.STOP,), away_s=(60.0, 60.0)),
    Strain("orthanc", 1, (Blow.CRASH,), away_s=(2.0, 10.0)),
)
EXAMS = 100
"""What ``Strain.times`` counts for; fewer exams are struck less often, but each target at least once."""


def timetable(seed: int, *, exams: int, lasts_s: float, strains: Sequence[Strain] = STRAINS) -> tuple[Fault, ...]:
    """All faults in the order of their time.

    Absences of one server never overlap; each ends by the end of the campaign.
    """
    source = random.Random(f"timetable {seed}")
    faults: list[Fault] = []
    for strain in strains:
        times = max(1, round(strain.times * exams / EXAMS))
        faults += (
            _absences(source, strain, times, lasts_s, faults)
            if strain.away_s
            else _blows(source, strain, times, lasts_s)
        )
    return tuple(sorted(faults))


def _blows(source: random.Random, strain: Strain, times: int, lasts_s: float) -> Iterator[Fault]:
    for _ in range(times):
        yield Fault(round(source.uniform(0.0, lasts_s), 1), strain.target, source.choice(strain.blows))


def _absences(
    source: random.Random, strain: Strain, times: int, lasts_s: float, planned: Sequence[Fault]
) -> list[Fault]:
    """Stops and starts, each in a part of the time of its own and outside of other absences of the same server."""
    assert strain.away_s is not None
    taken = _taken(planned, strain.target)
    found: list[Fault] = []
    for number in range(times):
        away_s = source.uniform(*strain.away_s)
        begins, ends = lasts_s * number / times, lasts_s * (number + 1) / times
        for _ in range(100):
            at_s = round(source.uniform(begins, max(begins, ends - away_s)), 1)
            until_s = round(at_s + away_s, 1)
            if all(until_s + 1.0 < start or at_s > end + 1.0 for start, end in taken):
                found += [
                    Fault(at_s, strain.target, source.choice(strain.blows)),
                    Fault(until_s, strain.target, Blow.START),
                ]
                taken.append((at_s, until_s))
                break
    return found


def _taken(planned: Sequence[Fault], target: str) -> list[tuple[float, float]]:
    """Absences of a server that are planned already: pairs of its end and its return."""
    moments = [each for each in sorted(planned) if each.target == target and each.blow is not Blow.EMPTY]
    return [(away.at_s, back.at_s) for away, back in zip(moments[::2], moments[1::2], strict=True)]
