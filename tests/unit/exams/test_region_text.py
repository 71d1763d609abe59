import pytest

from plumbline.exams.region_text import (
    names_other_body_part,
    names_trauma_survey,
    position_of,
    projection_of,
    regions_of_code,
    spine_regions,
    vertebrae_in,
)


@pytest.mark.parametrize(
    ("text", "regions"),
    [
        ("LSPINE", ("L",)),
        ("CT LUMBAR SPINE WO", ("L",)),
        ("LWS", ("L",)),
        ("rachis lombaire", ("L",)),
        ("columna lumbar", ("L",)),
        ("L-SPINE", ("L",)),
        ("CT_L_SPINE", ("L",)),
        ("LUMBOSACRAL", ("L",)),
        ("CSPINE", ("C",)),
        ("HWS", ("C",)),
        ("rachis cervical", ("C",)),
        ("columna cervical", ("C",)),
        ("TSPINE", ("T",)),
        ("BWS", ("T",)),
        ("rachis dorsal", ("T",)),
        ("TLSPINE", ("T", "L")),
        ("thoracolumbar spine", ("T", "L")),
        ("whole spine", ("C", "T", "L")),
        ("Ganzwirbelsäule", ("C", "T", "L")),
        ("rachis entier", ("C", "T", "L")),
        ("SPINE", ()),
        ("Wirbelsäule", ()),
        ("CT L4-S1", ("L",)),
        ("CT C5-T2", ("C", "T")),
        ("TLIF control", ("L",)),
        ("CT T/L SPINE RECON", ("T", "L")),
        ("MRI C, T & L-SPINE", ("C", "T", "L")),
        ("T_L_SPINE", ("T", "L")),
        ("CT TL SPINE", ("T", "L")),
        ("CT L SPINE", ("L",)),
        ("CT SPINE", ()),
        ("Rachis cervico-dorsal", ("C", "T")),
        ("GWS stehend", ("C", "T", "L")),
        ("WS gesamt", ("C", "T", "L")),
        ("telerradiografía de columna", ("C", "T", "L")),
        ("EOS", ("C", "T", "L")),
        ("EOS lower limbs", None),
        ("lombare", ("L",)),
        ("Lendenwirbels.", ("L",)),
        ("Lendenwirbelsaeule", ("L",)),
        ("LS-Übergang", ("L",)),
        ("IRM médullaire", ()),
        ("Wirbelsaeule", ()),
    ],
)
def test_regions_of_the_spine_are_read_in_four_languages(text: str, regions: tuple[str, ...] | None):
    assert spine_regions(text) == regions


@pytest.mark.parametrize(
    "text", ["CHEST", "CT ABDOMEN PELVIS", "Thorax", "CT cérébral", "KNEE", "ABDPELVIS", "", "HEAD T1 T2"]
)
def test_other_parts_of_the_body_are_not_the_spine(text: str):
    assert spine_regions(text) is None


def test_other_parts_of_the_body_are_recognised_as_such():
    assert names_other_body_part("CT ABDOMEN PELVIS")
    assert names_other_body_part("Thorax")
    assert not names_other_body_part("LSPINE")


def test_a_trauma_survey_is_told():
    assert names_trauma_survey("CT WHOLE SPINE TRAUMA")
    assert not names_trauma_survey("CT WHOLE SPINE")


def test_procedure_codes_are_read_only_in_their_scheme():
    assert regions_of_code("72131", "C4") == ("L",)
    assert regions_of_code("72131", "99LOCAL") is None
    assert regions_of_code("71250", "C4") is None


@pytest.mark.parametrize(
    ("view", "orientation", "text", "expected"),
    [
        ("LL", (), "", "lateral"),
        ("AP", (), "lateral", "ap"),
        (None, ("P", "F"), "", "lateral"),
        (None, ("L", "F"), "", "ap"),
        (None, (), "L-SPINE LAT", "lateral"),
        (None, (), "rachis de profil", "lateral"),
        (None, (), "LWS seitlich", "lateral"),
        (None, (), "rachis de face", "ap"),
        (None, (), "a.p.", "ap"),
        ("RPO", (), "", "oblique"),
        (None, (), "LWS", None),
        ("LLAT", (), "", "lateral"),
        ("LEFT LATERAL", (), "", "lateral"),
        ("PROFIL", (), "", "lateral"),
        ("A.P.", (), "", "ap"),
        ("FRONT", (), "", "ap"),
        ("FLEX", ("P", "F"), "", "lateral"),
        (None, (), "LWS ap/seitlich", None),
        (None, (), "rachis face + profil", None),
        (None, (), "RX RACHIS LOMBAIRE F/P", None),
        (None, (), "LOMB P", "lateral"),
        (None, (), "AP lateral bending left", "ap"),
        (None, (), "inclinaison latérale gauche", None),
        (None, (), "trois-quarts gauche", "oblique"),
    ],
)
def test_the_projection_is_read_from_view_then_orientation_then_words(view, orientation, text, expected):
    assert projection_of(view, orientation, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("standing", "standing"),
        ("im Stehen", "standing"),
        ("debout", "standing"),
        ("de pie", "standing"),
        ("supine", "supine"),
        ("Flexion", "flexion"),
        ("hyperextension", "extension"),
        ("Reklination", "extension"),
        ("couché", "supine"),
        ("L-SPINE", None),
        ("LWS seitl. Ventralflexion", "flexion"),
        ("Vorneigung", "flexion"),
        ("Beugung", "flexion"),
        ("antéflexion", "flexion"),
        ("hiperflexión", "flexion"),
        ("LAT FLEX", "flexion"),
        ("Dorsalextension", "extension"),
        ("Rückneigung", "extension"),
        ("Rueckbeugung", "extension"),
        ("rétroflexion", "extension"),
        ("hiperextensión", "extension"),
        ("L-SPINE LAT EXT", "extension"),
        ("flexion / extension", None),
        ("dinámicas en flexión y extensión", None),
        ("side bending R", "bending"),
        ("Seitneigung links", "bending"),
        ("LWS seitl. steh.", "standing"),
        ("LWS lat. lieg.", "supine"),
        ("Bauchlage", "prone"),
        ("décubitus ventral", "prone"),
        ("neutral standing", "standing"),
    ],
)
def test_the_position_is_read(text: str, expected: str | None):
    assert position_of(text) == expected


def test_the_vertebrae_of_a_region_include_the_junctions():
    assert vertebrae_in(("L",)) == ("L1", "L2", "L3", "L4", "L5", "S1")
    assert vertebrae_in(("C", "L"))[0] == "C1"
    assert vertebrae_in(()) == ()


@pytest.mark.parametrize(
    ("angles", "expected"),
    [((90.0, 0.0), "lateral"), ((-92.0, 3.0), "lateral"), ((45.0, 0.0), "oblique"), ((-30.0, 0.0), "oblique")],
)
def test_a_positioner_that_was_turned_tells_the_projection(angles, expected):
    assert projection_of(None, (), "LSPINE", angles_deg=angles) == expected


def test_a_positioner_that_was_not_turned_leaves_it_to_the_words():
    assert projection_of(None, (), "LSPINE lateral", angles_deg=(0.0, 0.0)) == "lateral"
    assert projection_of(None, (), "LSPINE", angles_deg=(0.0, 0.0)) is None


@pytest.mark.parametrize(
    "text", ["IRM LOMBO SACREE", "CT LSP", "XR L-SP", "LS WS", "LWS nativ 1.0 B70s", "RACHIS LOMB"]
)
def test_short_names_of_the_lumbar_spine_are_known(text: str):
    assert spine_regions(text) == ("L",)
