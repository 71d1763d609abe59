"""Being asked to end by a signal, without taking a lock.

A ``threading.Event`` must not be set by a signal handler: ``set`` takes a lock that is not reentrant. Where the signal
comes while the main thread holds it, in a first signal's handler or because it just begins to wait, the process stands
still for ever.
"""

from __future__ import annotations

import signal


class Stop:
    """Whether this process was asked to end."""

    def __init__(self) -> None:
        self.is_set = False

    def on(self, *numbers: signal.Signals) -> None:
        """Be set by these signals, however many of them come and however quickly."""
        for number in numbers:
            signal.signal(number, self._set)

    def _set(self, *_: object) -> None:
        self.is_set = True
