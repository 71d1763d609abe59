"""A series as SVG: values with their 95 % intervals over time, the threshold as a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, floor, log10

from markupsafe import Markup, escape

from services.worklist_api.pages.presentation import day, number
from services.worklist_api.trends.series import NEVER_BELOW_0, Point, Series

WIDTH, HEIGHT = 420, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 14, 34
TICKS = 4
LEAST_SPAN = 2.0
"""Smallest height of the axis in the measurement's unit, so that noise does not look like change."""


@dataclass(frozen=True)
class Chart:
    """One drawn series."""

    title: str
    unit: str
    svg: Markup
    points: Sequence[Point]


def chart(series: Series, first: date, last: date) -> Chart:
    """Draw a series on an axis of time from ``first`` to ``last``."""
    low, high, step = _range(series)

    def x(on: date) -> float:
        span = (last - first).days
        share = (on - first).days / span if span else 0.5
        return LEFT + 12 + share * (WIDTH - LEFT - RIGHT - 24)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [*_axes(low, high, step, y), *_threshold(series, y), *_lines(series, x, y), *_marks(series, x, y)]
    parts += _days(first, last, x)
    label = escape(f"{series.group}: {series.title}, {len(series.points)} exams")
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    return Chart(series.title, series.unit, Markup(svg), series.points)


def _range(series: Series) -> tuple[float, float, float]:
    """Lower and upper end of the axis, and the distance of its lines."""
    ends = [end for point in series.points for end in series.interval(point)]
    ends += [0.0, *series.limits]
    low, high = min(ends), max(ends)
    missing = max(0.0, LEAST_SPAN - (high - low)) / 2
    step = _step(high - low + 2 * missing)
    below = 0.0 if series.key in NEVER_BELOW_0 else missing
    return floor((low - below) / step) * step, ceil((high + missing) / step) * step, step


def _step(span: float) -> float:
    """A round distance of about a quarter of the span."""
    rough = max(span, 1e-6) / TICKS
    power = 10 ** floor(log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def _axes(low: float, high: float, step: float, y: Callable[[float], float]) -> Iterator[str]:
    for index in range(round((high - low) / step) + 1):
        value = low + index * step
        at = y(value)
        kind = "zero" if abs(value) < step / 100 else "grid"
        yield f'<line class="{kind}" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"/>'
        yield f'<text class="tick is-value" x="{LEFT - 6}" y="{at + 4:.1f}">{_tick(value, step)}</text>'


def _tick(value: float, step: float) -> str:
    return number(value) if step < 1 else number(value).removesuffix(".0")


def _threshold(series: Series, y: Callable[[float], float]) -> Iterator[str]:
    for limit in series.limits:
        at = y(limit)
        yield f'<line class="threshold" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"/>'
        told = f"threshold {number(limit)}"
        yield f'<text class="tick is-threshold" x="{WIDTH - RIGHT}" y="{at - 4:.1f}">{told}</text>'


def _lines(series: Series, x: Callable[[date], float], y: Callable[[float], float]) -> Iterator[str]:
    """A line between neighbours that were measured against the same exam, or against none."""
    for before, after in zip(series.points, series.points[1:], strict=False):
        if before.against == after.against:
            yield (
                f'<line class="course" x1="{x(before.on):.1f}" y1="{y(before.value):.1f}" '
                f'x2="{x(after.on):.1f}" y2="{y(after.value):.1f}"/>'
            )


def _marks(series: Series, x: Callable[[date], float], y: Callable[[float], float]) -> Iterator[str]:
    for point in series.points:
        at = x(point.on)
        bottom, top = map(y, series.interval(point))
        yield f'<line class="interval" x1="{at:.1f}" y1="{top:.1f}" x2="{at:.1f}" y2="{bottom:.1f}"/>'
        for end in (top, bottom):
            yield f'<line class="interval" x1="{at - 4:.1f}" y1="{end:.1f}" x2="{at + 4:.1f}" y2="{end:.1f}"/>'
        told = escape(f"{day(point.on)}: {number(point.value)} ± {number(point.uncertainty)} {series.unit}")
        yield f'<circle class="value" cx="{at:.1f}" cy="{y(point.value):.1f}" r="4"><title>{told}</title></circle>'


def _days(first: date, last: date, x: Callable[[date], float]) -> list[str]:
    shown = [(first, "is-first"), (last, "is-last")] if first != last else [(first, "")]
    return [f'<text class="tick {place}" x="{x(on):.1f}" y="{HEIGHT - 12}">{day(on)}</text>' for on, place in shown]
