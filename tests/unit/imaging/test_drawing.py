"""Evidence pictures: what is drawn, where, and that nothing else is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageDraw

from plumbline.imaging.drawing import (
    BASELINE_COLOUR,
    CURRENT_COLOUR,
    FOOTER_PX,
    HEADER_PX,
    PANEL_PX,
    PIXEL_MM,
    Label,
    Mark,
    View,
    draw_comparison,
)
from plumbline.imaging.volume import Volume
from tests.unit.imaging.bone_worlds import LPS_FRAME, METAL_HU, moved

CENTRE = np.zeros(3)
COLUMNS = {"sagittal": 0, "coronal": 1, "axial": 2}
THRESHOLD_HU = 2000.0


def box_volume(*centres, half_mm=3.0, reach_mm=24.0) -> Volume:
    """Boxes of metal in soft tissue, 1 mm voxels, middle in LPS 0."""
    axis = np.arange(-reach_mm, reach_mm + 1)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    voxels = np.full(x.shape, 40, np.int16)
    for centre in centres:
        inside = np.abs(np.stack([x, y, z], -1) - centre).max(axis=-1) <= half_mm
        voxels[inside] = METAL_HU
    affine = np.eye(4)
    affine[:3, 3] = -reach_mm
    return Volume(voxels, affine)


def view(volume: Volume, colour=CURRENT_COLOUR, implant=None, frame=LPS_FRAME, caption="Current") -> View:
    points = np.argwhere(volume.voxels > THRESHOLD_HU)
    implant = volume.zyx_to_lps(points) if implant is None else implant
    return View(volume, frame, implant, THRESHOLD_HU, caption, colour)


def panel(pixels, cut: str, row: int = 0):
    top = HEADER_PX + row * (PANEL_PX + FOOTER_PX)
    left = COLUMNS[cut] * PANEL_PX
    return pixels[top : top + PANEL_PX, left : left + PANEL_PX]


def coloured(pixels, colour) -> np.ndarray:
    return np.argwhere(np.all(pixels == np.array(colour), axis=-1))


def middle_mm(pixels, colour=CURRENT_COLOUR) -> tuple[float, float]:
    """(down, right) of the coloured pixels' middle from the middle of a panel, millimetres."""
    found = coloured(pixels, colour)
    assert len(found), "nothing is drawn in this colour"
    down, right = ((found.min(axis=0) + found.max(axis=0)) / 2 - PANEL_PX / 2) * PIXEL_MM
    return float(down), float(right)


def test_a_picture_has_a_row_for_each_exam_and_a_column_for_each_cut():
    one = view(box_volume((0, 0, 0)))
    single = draw_comparison([one], CENTRE, "title")
    double = draw_comparison([one, one], CENTRE, "title")
    assert single.dtype == np.uint8
    assert single.shape == (HEADER_PX + PANEL_PX + FOOTER_PX, 3 * PANEL_PX, 3)
    assert double.shape == (HEADER_PX + 2 * (PANEL_PX + FOOTER_PX), 3 * PANEL_PX, 3)


@pytest.mark.parametrize(
    ("towards", "cut", "expected"),
    [
        pytest.param((10, 0, 0), "axial", (0, 10), id="the patient's left is on the right of the axial cut"),
        pytest.param((10, 0, 0), "coronal", (0, 10), id="the patient's left is on the right of the coronal cut"),
        pytest.param((0, 10, 0), "axial", (10, 0), id="posterior is below in the axial cut"),
        pytest.param((0, 10, 0), "sagittal", (0, 10), id="posterior is on the right of the sagittal cut"),
        pytest.param((0, 0, 10), "sagittal", (-10, 0), id="cranial is above in the sagittal cut"),
        pytest.param((0, 0, 10), "coronal", (-10, 0), id="cranial is above in the coronal cut"),
    ],
)
def test_sides_are_as_radiologists_hang_them(towards, cut, expected):
    pixels = draw_comparison([view(box_volume(towards))], CENTRE, "title")
    assert middle_mm(panel(pixels, cut)) == pytest.approx(expected, abs=0.6)


def test_the_letters_of_the_sides_stand_where_the_sides_are(monkeypatch):
    written = record_text(monkeypatch)
    draw_comparison([view(box_volume((0, 0, 0)))], CENTRE, "title")
    places = {text: at[0] for at, text in written if text in "LRAP"}
    assert places["R"] < PANEL_PX / 2 < places["L"]
    assert places["A"] < PANEL_PX / 2 < places["P"]


def test_a_picture_is_cut_along_the_vertebra_and_not_along_the_scanner():
    """Volume and frame turned alike give the same outline in the same place."""
    turn = moved(2.0, 3.0, -4.0, (20.0, -15.0, 30.0))
    straight = box_volume((8, 0, 0))
    turned = replace(straight, lps_from_index=matrix(turn) @ straight.lps_from_index)
    pictures = [
        draw_comparison([view(volume, frame=frame)], CENTRE, "title")
        for volume, frame in ((straight, LPS_FRAME), (turned, LPS_FRAME.moved_by(turn)))
    ]
    for cut in COLUMNS:
        if cut != "sagittal":
            assert middle_mm(panel(pictures[1], cut)) == pytest.approx(middle_mm(panel(pictures[0], cut)), abs=0.5)


def matrix(transform) -> np.ndarray:
    whole = np.eye(4)
    whole[:3, :3], whole[:3, 3] = transform.rotation, transform.translation_mm
    return whole


def test_both_outlines_are_in_both_rows_each_in_its_own_colour():
    before = view(box_volume((0, 0, 0)), BASELINE_COLOUR)
    after = view(box_volume((0, 6, 0)))
    pixels = draw_comparison([before, after], np.array([3.0, 0.0, 0.0]), "title")
    for row in (0, 1):
        shown = panel(pixels, "sagittal", row)
        assert middle_mm(shown, BASELINE_COLOUR)[1] == pytest.approx(-3.0, abs=0.6)
        assert middle_mm(shown, CURRENT_COLOUR)[1] == pytest.approx(3.0, abs=0.6)


def test_only_the_implant_itself_is_outlined():
    volume = box_volume((0, 0, 0), (0, 14, 0))
    own = np.array([[-3.0, -3.0, -3.0], [3.0, 3.0, 3.0]])
    shown = panel(draw_comparison([view(volume, implant=own)], CENTRE, "title"), "axial")
    assert middle_mm(shown) == pytest.approx((0.0, 0.0), abs=0.6)


def test_an_arrow_is_drawn_on_the_current_exam_only(monkeypatch):
    written = record_text(monkeypatch)
    blank, current = (view(box_volume(), implant=np.full((1, 3), 500.0)) for _ in range(2))
    mark = Mark(np.zeros(3), np.array([5.0, 0.0, 0.0]), "5.0 ± 0.2 mm")
    pixels = draw_comparison([blank, current], CENTRE, "title", mark=mark)
    assert not len(coloured(panel(pixels, "sagittal", 0), CURRENT_COLOUR))
    drawn = coloured(panel(pixels, "sagittal", 1), CURRENT_COLOUR)
    shaft = drawn[np.abs(drawn[:, 0] - PANEL_PX / 2) < 2]
    assert shaft[:, 1].min() == pytest.approx(PANEL_PX / 2, abs=2)
    assert shaft[:, 1].max() - PANEL_PX / 2 == pytest.approx(5.0 / PIXEL_MM, abs=3)
    assert [text for _, text in written].count("5.0 ± 0.2 mm") == 1


def test_a_displacement_of_nothing_is_drawn_without_failing():
    mark = Mark(np.zeros(3), np.zeros(3), "0.0 mm")
    draw_comparison([view(box_volume((0, 0, 0)))], CENTRE, "title", mark=mark)


def test_nothing_is_written_but_what_was_passed(monkeypatch):
    """No text comes from anywhere else: sides, cuts, scale, and the caller's words."""
    written = record_text(monkeypatch)
    one = view(box_volume((0, 0, 0)), caption="the caption")
    mark = Mark(np.zeros(3), np.array([3.0, 0.0, 0.0]), "the arrow")
    draw_comparison([one], CENTRE, "the title", mark=mark, labels=[Label(np.array([-20.0, 0.0, 0.0]), "L5")])
    words = {text for _, text in written}
    assert words == {"the title", "the caption", "the arrow", "L5", "A", "P", "R", "L", *COLUMNS, "20 mm"}


def test_outside_the_exam_is_black_not_an_error():
    far = np.array([400.0, 0.0, 0.0])
    shown = panel(draw_comparison([view(box_volume((0, 0, 0)))], far, "title"), "coronal")
    assert np.median(shown) == 0


def record_text(monkeypatch) -> list[tuple[tuple[float, float], str]]:
    written: list[tuple[tuple[float, float], str]] = []
    original = ImageDraw.ImageDraw.text

    def text(self, xy, text, *args, **kwargs):
        written.append((xy, text))
        return original(self, xy, text, *args, **kwargs)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return written
