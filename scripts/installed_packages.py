"""Say whether this Python has exactly the versions of a lock file.

Run by the set-up before it believes its own stamp. Reads metadata only, imports nothing that it names, and is silent
when all is well.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

try:
    from packaging.requirements import Requirement
except ImportError:
    sys.exit("packaging: not installed")


def locked_versions(lock: str) -> dict[str, str]:
    """Return the pinned version of each package that the lock wants on this platform, by normalised name."""
    pins = (Requirement(line.rstrip("\\ ")) for line in lock.splitlines() if re.match(r"[A-Za-z0-9]", line))
    return {normalised(pin.name): str(pin.specifier)[2:] for pin in pins if pin.marker is None or pin.marker.evaluate()}


def normalised(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(lock_path: str) -> int:
    """Print each package that differs; exit 1 if there is one."""
    installed = {normalised(d.name): d.version for d in distributions()}
    wanted = locked_versions(Path(lock_path).read_text())
    differing = [name for name, version in wanted.items() if installed.get(name) != version]
    for name in differing:
        print(f"{name}: {installed.get(name, 'not installed')}, locked {wanted[name]}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
