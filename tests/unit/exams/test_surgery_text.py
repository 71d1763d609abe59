import pytest

from plumbline.exams.plain_text import plain
from plumbline.exams.surgery_text import PROCEDURES, Tense, names_implants, read_procedures, read_side, read_tense

WRITTEN = {
    "TLIF": ["TLIF", "MIS-TLIF", "transforaminal lumbar interbody fusion"],
    "PLIF": ["PLIF"],
    "ALIF": ["anterior lumbar interbody fusion"],
    "LLIF": ["XLIF", "lateral interbody fusion"],
    "OLIF": ["OLIF"],
    "ACDF": ["ACDF", "anterior cervical discectomy and fusion"],
    "DISCECTOMY": ["microdiscectomy", "Nukleotomie", "cure de hernie discale", "microdiscectomía", "Bandscheiben-OP"],
    "LAMINECTOMY": ["hemilaminectomy", "Laminektomie", "laminectomía"],
    "LAMINOTOMY": ["laminotomy"],
    "FORAMINOTOMY": ["foraminotomie"],
    "LAMINOPLASTY": ["laminoplasty"],
    "DECOMPRESSION": ["decompression", "Dekompression", "recalibrage", "descompresión"],
    "FUSION": ["fusion", "Spondylodese", "arthrodèse", "artrodesis", "fused"],
    "INSTRUMENTATION": ["instrumentation", "Fixateur interne", "dorsale Stabilisierung"],
    "DISC_REPLACEMENT": ["disc arthroplasty", "Bandscheibenprothese", "prothèse discale"],
    "KYPHOPLASTY": ["kyphoplasty", "Kyphoplastie", "cyphoplastie", "cifoplastia"],
    "VERTEBROPLASTY": ["vertebroplasty", "vertébroplastie"],
    "CORPECTOMY": ["corpectomy", "Wirbelkörperersatz"],
    "HARDWARE_REMOVAL": [
        "removal of hardware",
        "ROH",
        "Metallentfernung",
        "ablation de matériel",
        "retirada de material",
    ],
    "STIMULATOR": ["spinal cord stimulator"],
}


def test_every_procedure_has_an_example():
    assert set(WRITTEN) == set(PROCEDURES)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRITTEN.items() for text in texts])
def test_a_procedure_is_read_as_its_canonical_word(name: str, text: str):
    assert read_procedures(plain(text)) == (name,)


@pytest.mark.parametrize(
    "text", ["no fusion", "without instrumentation", "sin artrodesis", "keine Spondylodese", "confusion", "diffusion"]
)
def test_a_denied_or_unrelated_word_is_no_procedure(text: str):
    assert read_procedures(plain(text)) == ()


def test_procedures_come_in_the_order_written():
    assert read_procedures(plain("laminectomy and TLIF")) == ("LAMINECTOMY", "TLIF")


@pytest.mark.parametrize(
    ("text", "tense"),
    [
        ("s/p TLIF", Tense.DONE),
        ("status post fusion", Tense.DONE),
        ("post op day 2", Tense.DONE),
        ("Z.n. Spondylodese", Tense.DONE),
        ("Z. n. TLIF", Tense.DONE),
        ("scanner postopératoire", Tense.DONE),
        ("control postoperatorio", Tense.DONE),
        ("FBSS", Tense.DONE),
        ("contrôle arthrodèse", Tense.DONE),
        ("opérée en 2020", Tense.DONE),
        ("preop TLIF", Tense.PLANNED),
        ("TLIF geplant", Tense.PLANNED),
        ("OP-Planung", Tense.PLANNED),
        ("arthrodèse prévue", Tense.PLANNED),
        ("cirugía programada", Tense.PLANNED),
        ("scheduled for laminectomy", Tense.PLANNED),
        ("no prior surgery", Tense.DENIED),
        ("keine Voroperation", Tense.DENIED),
        ("pas d'antécédent chirurgical", Tense.DENIED),
        ("ATCD de laminectomie L2-L3-L4", Tense.DONE),
        ("antecedentes: artrodesis L4-L5", Tense.DONE),
        ("sin antecedentes de artrodesis", Tense.DENIED),
        ("sans antécédent d'arthrodèse", Tense.DENIED),
        ("pas d'ATCD de laminectomie", Tense.DENIED),
        ("sin cirugía previa", Tense.DENIED),
        ("never operated", Tense.DENIED),
        ("prior L3-L4 laminectomy", Tense.DONE),
        ("post L4-L5 PLIF", Tense.DONE),
        ("no prior surgery except discectomy 2020", Tense.DONE),
        ("for L4-S1 fusion next month", Tense.PLANNED),
        ("hernie à opérer", Tense.PLANNED),
        ("CT for fusion status", Tense.DONE),
        ("Zustand nach Fraktur L2", Tense.UNSTATED),
        ("s/p fall", Tense.UNSTATED),
        ("low back pain", Tense.UNSTATED),
        ("L4-L5 TLIF", Tense.UNSTATED),
        ("no hardware complication", Tense.UNSTATED),
    ],
)
def test_whether_it_was_done_is_told_from_the_words(text: str, tense: Tense):
    assert read_tense(plain(text)) is tense


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("left L4/5", "left"),
        ("rechts", "right"),
        ("gauche", "left"),
        ("lado derecho", "right"),
        ("bds.", "bilateral"),
        ("left and right", "bilateral"),
        ("re. L4/5", "right"),
        ("re evaluation", None),
        ("lumbar", None),
    ],
)
def test_the_side_is_read(text: str, side: str | None):
    assert read_side(plain(text)) == side


def test_implants_are_named_unless_denied():
    assert names_implants(plain("pedicle screws L4-S1"))
    assert names_implants(plain("tornillos pediculares"))
    assert not names_implants(plain("no screws"))
    assert not names_implants(plain("back pain"))
