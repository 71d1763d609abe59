"""The likeliest spine among vertebral bodies that were grown from several starts and contradict each other in part.

Growing is greedy: one body drawn a third too low makes its neighbours too low as well, or squeezes one too many between
them. Judged over the whole spine such a chain is worth less than one in which every body fits its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from plumbline.imaging.vertebral_body import Body

SAME_MM = 2.0
"""Two fits whose centres and heights differ by less are one body."""
_WORTHLESS = 0.2
"""A body of this worth adds nothing to a spine."""


def known_as(body: Body, bodies: Sequence[Body]) -> Body | None:
    """The one of some bodies that is the same as another fit; None where there is none."""
    for each in bodies:
        apart = float(np.linalg.norm(each.centre_lps_mm - body.centre_lps_mm))
        if apart < SAME_MM and abs(each.height_mm - body.height_mm) < SAME_MM:
            return each
    return None


def best_chain(
    bodies: Sequence[Body], worth: Callable[[Body], float], link_cost: Callable[[Body, Body], float | None]
) -> list[Body]:
    """The chain with the largest sum of worth, less what its links cost; caudal to cranial.

    A body that is lower than usual in this spine counts less: two of them may stand in the place of one.

    Parameters
    ----------
    worth
        Of a body by itself, about 1 for a good one.
    link_cost
        Of one body as the next below another, given (lower, upper); None where they cannot be neighbours.
    """
    ordered = sorted(bodies, key=lambda body: float(body.centre_lps_mm[2]))
    usual_mm = float(np.median([body.height_mm for body in ordered])) if ordered else 1.0
    totals: list[float] = []
    before: list[int | None] = []
    for index, body in enumerate(ordered):
        gain = (worth(body) - _WORTHLESS) * min(body.height_mm / usual_mm, 1.0)
        links = [
            (totals[lower] - cost, lower)
            for lower in range(index)
            if (cost := link_cost(ordered[lower], body)) is not None
        ]
        longest, lower = max(links, default=(0.0, None))
        totals.append(gain + max(longest, 0.0))
        before.append(lower if longest > 0.0 else None)
    chain, at = [], int(np.argmax(totals)) if totals else None
    while at is not None:
        chain.append(ordered[at])
        at = before[at]
    return chain[::-1]
