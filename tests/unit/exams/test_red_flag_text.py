import pytest

from plumbline.exams.facts import RedFlag
from plumbline.exams.plain_text import plain
from plumbline.exams.red_flag_text import read_red_flags


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("?CES", RedFlag.CAUDA_EQUINA),
        ("cannot pass urine", RedFlag.CAUDA_EQUINA),
        ("bladder/bowel dysfunction", RedFlag.CAUDA_EQUINA),
        ("?cauda equina", RedFlag.CAUDA_EQUINA),
        ("rule out cauda equina syndrome", RedFlag.CAUDA_EQUINA),
        ("Reithosenanästhesie", RedFlag.CAUDA_EQUINA),
        ("rétention urinaire", RedFlag.CAUDA_EQUINA),
        ("cola de caballo", RedFlag.CAUDA_EQUINA),
        ("new foot drop", RedFlag.NEW_DEFICIT),
        ("neue Parese links", RedFlag.NEW_DEFICIT),
        ("déficit moteur", RedFlag.NEW_DEFICIT),
        ("debilidad progresiva", RedFlag.NEW_DEFICIT),
        ("epidural hematoma", RedFlag.BLEEDING),
        ("Nachblutung", RedFlag.BLEEDING),
        ("fever since yesterday", RedFlag.INFECTION),
        ("Schüttelfrost", RedFlag.INFECTION),
        ("fièvre", RedFlag.INFECTION),
        ("supuración de la herida", RedFlag.INFECTION),
        ("postural headache", RedFlag.POSTURAL_HEADACHE),
        ("fuite de LCR", RedFlag.POSTURAL_HEADACHE),
        ("known breast cancer", RedFlag.CANCER),
        ("Metastasen", RedFlag.CANCER),
        ("severe leg pain on waking", RedFlag.RADICULAR_PAIN_ON_WAKING),
        ("new back pain after epidural injection", RedFlag.NEW_PAIN_AFTER_PROCEDURE),
    ],
)
def test_a_red_flag_is_raised(text: str, flag: RedFlag):
    assert flag in read_red_flags(plain(text))


@pytest.mark.parametrize(
    "text",
    [
        "no fever",
        "denies saddle anaesthesia",
        "no fever, chills or weakness",
        "afebrile",
        "kein Fieber",
        "keine Parese",
        "pas de fièvre",
        "sin fiebre ni déficit motor",
        "fever: no",
        "fever denied",
        "cauda equina excluded",
        "without urinary retention",
        "chronic back pain",
        "apyrétique",
        "no h/o cancer",
        "successful access",
        "ces douleurs sont anciennes",
        "conus at L1",
        "bladder and bowel intact",
        "sphincter tone normal",
        "CRP normal",
        "retention cyst",
        "aseptic",
    ],
)
def test_a_denied_flag_is_not_raised(text: str):
    assert read_red_flags(plain(text)) == ()


def test_a_denial_does_not_reach_over_a_turn():
    assert read_red_flags(plain("no fever but new foot drop")) == (RedFlag.NEW_DEFICIT,)
    assert read_red_flags(plain("No fever. Urinary retention.")) == (RedFlag.CAUDA_EQUINA,)
    assert read_red_flags(plain("no fever, new foot drop")) == (RedFlag.NEW_DEFICIT,)
