"""Evidence pictures: two exams cut along the same vertebra's axes, with outlines, a measurement, sides and scale.

Only what the caller passes is written into a picture; no patient data comes near it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from plumbline.anatomy.transforms import VertebraFrame
from plumbline.imaging.sampling import AIR_HU, sample
from plumbline.imaging.volume import Volume

Points = NDArray[Any]
Colour = tuple[int, int, int]

BONE_WINDOW_HU = (-450.0, 1350.0)
BASELINE_COLOUR: Colour = (86, 180, 233)
CURRENT_COLOUR: Colour = (255, 176, 0)
"""Sky blue and orange: told apart by readers who see colours differently, too."""
TEXT_COLOUR: Colour = (235, 235, 235)
PANEL_PX = 360
PIXEL_MM = 0.4
HEADER_PX = 30
FOOTER_PX = 30
SCALE_BAR_MM = 20.0


class Cut(StrEnum):
    """The three cuts along a vertebra's axes."""

    SAGITTAL = "sagittal"
    CORONAL = "coronal"
    AXIAL = "axial"


_POSTERIOR, _CRANIAL, _LEFT = 0, 1, 2
_AXES = {
    Cut.SAGITTAL: (_POSTERIOR, -_CRANIAL, _LEFT),
    Cut.CORONAL: (_LEFT, -_CRANIAL, _POSTERIOR),
    Cut.AXIAL: (_LEFT, _POSTERIOR, _CRANIAL),
}
"""Frame axis to the right, downwards (cranial is up), and through the picture. Radiological: the patient's
left is on the reader's right."""
_SIDES = {Cut.SAGITTAL: ("A", "P"), Cut.CORONAL: ("R", "L"), Cut.AXIAL: ("R", "L")}


def panel_corner_px(row: int, cut: Cut) -> tuple[int, int]:
    """Left and top of one cut of one exam in a picture of :func:`draw_comparison`; the panel is a square."""
    return list(Cut).index(cut) * PANEL_PX, HEADER_PX + row * (PANEL_PX + FOOTER_PX)


@dataclass(frozen=True, eq=False)
class View:
    """One exam to be cut: its volume, and the common frame as it lies in this exam.

    ``metal_hu`` and ``implant_lps_mm`` outline the implant: metal near these points.
    """

    volume: Volume
    frame: VertebraFrame
    implant_lps_mm: Points
    metal_hu: float
    caption: str
    colour: Colour


@dataclass(frozen=True, eq=False)
class Mark:
    """A displacement to be drawn as an arrow, in frame coordinates (posterior, cranial, left) mm."""

    start_mm: Points
    stop_mm: Points
    label: str


@dataclass(frozen=True, eq=False)
class Label:
    """A name to be written at a place, in frame coordinates mm."""

    place_mm: Points
    text: str


def draw_comparison(
    views: Sequence[View],
    through_mm: Points,
    title: str,
    *,
    mark: Mark | None = None,
    labels: Sequence[Label] = (),
) -> NDArray[np.uint8]:
    """One row a view, one column a cut, all through the same point of the common frame.

    Parameters
    ----------
    through_mm
        Shape (3,): (posterior, cranial, left) of the point in the frame.

    Returns
    -------
    NDArray
        Shape (rows, columns, 3), uint8, RGB.
    """
    width = PANEL_PX * len(Cut)
    canvas = Image.new("RGB", (width, HEADER_PX + (PANEL_PX + FOOTER_PX) * len(views)), (12, 12, 12))
    pen = ImageDraw.Draw(canvas)
    pen.text((8, 7), title, fill=TEXT_COLOUR, font=_font(15))
    sections = {cut: [_section(view, cut, through_mm) for view in views] for cut in Cut}
    for row, view in enumerate(views):
        for cut in Cut:
            panel = _panel(sections[cut][row].hu)
            for each, section in zip(views, sections[cut], strict=True):
                panel[section.outline] = each.colour
            shown = mark if view is views[-1] else None
            canvas.paste(_lettered(panel, cut, through_mm, shown, labels), panel_corner_px(row, cut))
        _, top = panel_corner_px(row, Cut.SAGITTAL)
        pen.text((8, top + PANEL_PX + 7), view.caption, fill=view.colour, font=_font(13))
        _scale_bar(pen, width - 12, top + PANEL_PX + 14)
    return np.asarray(canvas, dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class _Section:
    """One exam in one cut: density and the edge of the implant, both of shape (PANEL_PX, PANEL_PX)."""

    hu: Points
    outline: NDArray[np.bool_]


def _section(view: View, cut: Cut, through_mm: Points) -> _Section:
    points = _plane_points(view, cut, through_mm)
    hu = sample(view.volume, points, outside=AIR_HU)
    return _Section(hu, _outline(view, points, hu))


def _panel(hu: Points) -> NDArray[np.uint8]:
    """Density in the bone window as a picture, shape (PANEL_PX, PANEL_PX, 3)."""
    low, high = BONE_WINDOW_HU
    grey = np.clip((hu - low) / (high - low), 0.0, 1.0)
    return np.repeat((grey * 255).astype(np.uint8)[:, :, None], 3, axis=2)


def _lettered(
    rgb: NDArray[np.uint8], cut: Cut, through_mm: Points, mark: Mark | None, labels: Sequence[Label]
) -> Image.Image:
    """The picture with its sides, the name of its cut, and in the sagittal one levels and displacement."""
    panel = Image.fromarray(rgb)
    pen = ImageDraw.Draw(panel)
    left, right = _SIDES[cut]
    pen.text((6, PANEL_PX // 2), left, fill=TEXT_COLOUR, font=_font(15))
    pen.text((PANEL_PX - 18, PANEL_PX // 2), right, fill=TEXT_COLOUR, font=_font(15))
    pen.text((6, 5), cut.value, fill=TEXT_COLOUR, font=_font(13))
    if cut is Cut.SAGITTAL:
        for each in labels:
            x, y = _pixel(cut, each.place_mm, through_mm)
            pen.text((x - 8, y - 7), each.text, fill=TEXT_COLOUR, font=_font(13))
        if mark is not None:
            _arrow(pen, _pixel(cut, mark.start_mm, through_mm), _pixel(cut, mark.stop_mm, through_mm), mark.label)
    return panel


def _plane_points(view: View, cut: Cut, through_mm: Points) -> Points:
    """LPS points of every pixel of a cut, shape (PANEL_PX, PANEL_PX, 3)."""
    right, down, _ = _AXES[cut]
    offsets = (np.arange(PANEL_PX) - PANEL_PX / 2) * PIXEL_MM
    axes = view.frame.axes
    across = axes[right]
    downwards = -axes[_CRANIAL] if cut is not Cut.AXIAL else axes[down]
    centre = view.frame.origin_lps_mm + np.asarray(through_mm) @ axes
    return centre + offsets[None, :, None] * across + offsets[:, None, None] * downwards


def _outline(view: View, points: Points, hu: Points, reach_mm: float = 4.0) -> NDArray[np.bool_]:
    """Edge of the implant in a cut: metal within reach of its own points, one pixel wide."""
    metal = hu > view.metal_hu
    lower, upper = view.implant_lps_mm.min(axis=0) - reach_mm, view.implant_lps_mm.max(axis=0) + reach_mm
    metal &= np.all((points > lower) & (points < upper), axis=2)
    return metal & ~ndimage.binary_erosion(metal)


def _pixel(cut: Cut, place_mm: Points, through_mm: Points) -> tuple[float, float]:
    right, down, _ = _AXES[cut]
    relative = (np.asarray(place_mm) - np.asarray(through_mm)) / PIXEL_MM
    vertical = -relative[_CRANIAL] if cut is not Cut.AXIAL else relative[down]
    return float(relative[right] + PANEL_PX / 2), float(vertical + PANEL_PX / 2)


def _arrow(pen: ImageDraw.ImageDraw, start: tuple[float, float], stop: tuple[float, float], label: str) -> None:
    pen.line([start, stop], fill=CURRENT_COLOUR, width=2)
    direction = np.array(stop) - np.array(start)
    length = float(np.linalg.norm(direction))
    if length > 4:
        unit = direction / length
        for turn in (0.5, -0.5):
            barb = np.array(
                [unit[0] * np.cos(turn) - unit[1] * np.sin(turn), unit[0] * np.sin(turn) + unit[1] * np.cos(turn)]
            )
            end = np.array(stop) - 6 * barb
            pen.line([stop, (float(end[0]), float(end[1]))], fill=CURRENT_COLOUR, width=2)
    x, y = min(max(stop[0] + 10, 6), PANEL_PX - 150), min(max(stop[1] - 26, 20), PANEL_PX - 20)
    pen.text((x, y), label, fill=CURRENT_COLOUR, font=_font(14), stroke_width=2, stroke_fill=(0, 0, 0))


def _scale_bar(pen: ImageDraw.ImageDraw, right: int, y: int) -> None:
    left = right - SCALE_BAR_MM / PIXEL_MM
    pen.line([(left, y), (right, y)], fill=TEXT_COLOUR, width=2)
    for x in (left, right):
        pen.line([(x, y - 4), (x, y + 4)], fill=TEXT_COLOUR, width=2)
    pen.text((left - 48, y - 8), f"{SCALE_BAR_MM:.0f} mm", fill=TEXT_COLOUR, font=_font(13))


def _font(size: int) -> Any:
    return ImageFont.load_default(size=size)
