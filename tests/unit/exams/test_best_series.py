"""The best series for each check: what is wanted first wins, and nothing serves what it cannot show."""

from __future__ import annotations

from plumbline.checks.finding import CheckName
from plumbline.exams.best_series import NEEDS, best_series
from plumbline.exams.series_roles import SeriesRole


def role(uid: str, modality: str, kind: str | None = None, *, preference: float = 0.5, **more) -> SeriesRole:
    return SeriesRole(uid, True, preference, "", modality=modality, kind=kind, **more)


def chosen(*roles: SeriesRole) -> dict[str, str]:
    return {each.check: each.series_instance_uid for each in best_series(roles)}


def test_every_check_has_its_need():
    assert set(NEEDS) == {name.value for name in CheckName}


def test_gas_is_read_from_the_smooth_kernel_though_the_sharp_one_is_preferred_for_bone():
    best = chosen(role("sharp", "CT", "bone", preference=0.9), role("smooth", "CT", "soft", preference=0.7))
    assert best["screw-loosening"] == best["spacer-migration"] == "sharp"
    assert best["vacuum-gas"] == best["collection"] == "smooth"
    assert "dural-sac" not in best


def test_thin_slices_of_a_smooth_kernel_are_measured_rather_than_thick_ones_of_a_sharp_kernel():
    best = chosen(role("thick sharp", "CT", "bone", preference=0.3), role("thin smooth", "CT", "soft", preference=0.8))
    assert best["spacer-migration"] == best["fusion-status"] == "thin smooth"


def test_fluid_is_read_from_t2_and_collections_from_stir():
    best = chosen(role("t1", "MR", "T1"), role("t2", "MR", "T2"), role("stir", "MR", "STIR"))
    assert best["dural-sac"] == "t2"
    assert best["collection"] == "stir"
    assert "screw-loosening" not in best


def test_among_equals_the_preferred_series_is_taken():
    best = chosen(role("thick", "CT", "bone", preference=0.4), role("thin", "CT", "bone", preference=1.0))
    assert best["fusion-status"] == "thin"


def test_radiographs_serve_by_projection_and_position():
    lateral = role("lat", "DX", projection="lateral", position="standing")
    bent = role("flex", "DX", projection="lateral", position="flexion")
    frontal = role("ap", "DX", projection="ap")
    best = chosen(lateral, bent, frontal)
    assert best["spinopelvic-alignment"] == "lat"
    assert best["dynamic-instability"] == "flex"
    assert "spinopelvic-alignment" not in chosen(bent, frontal)


def test_what_may_not_be_measured_serves_nothing_and_reasons_are_given():
    refused = SeriesRole("loc", False, 0.0, "It is a localiser.", modality="CT", kind="bone")
    assert best_series([refused]) == ()
    assert all(each.reason.endswith(".") for each in best_series([role("a", "CT", "bone")]))
