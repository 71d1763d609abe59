"""Which part of the body, and which view of it, a description names; English, French, German and Spanish."""

from __future__ import annotations

import re
from functools import cache

from plumbline.anatomy.levels import usual_spine
from plumbline.exams.level_text import read_levels
from plumbline.exams.plain_text import plain, remembered, words

_SPINE_BY_REGION = {
    "C": words(
        r"c-?_? ?-?(?:spine|wirbelsaule)|cspine|hws|halswirbel\w*|hwk\w*|cervical (?:spine|vertebra\w*)|cwk",
        r"(?:rachis|columna|raquis|colonne|rachide|coluna) cervic\w+|ctspine|spine,? cervical|spine cerv\w*",
        r"[cz]er?vi[ck]o-?(?:thora[ck]\w*|dorsal\w*)",
        r"acdf|neck spine|cervical column|vertebras? cervicales?",
    ),
    "T": words(
        r"[td]-?_? ?-?(?:spine)|[td]spine|bws|brustwirbel\w*|bwk\w*|(?:thoracic|dorsal) (?:spine|vertebra\w*)",
        r"(?:rachis|columna|raquis|colonne|rachide|coluna) (?:dors\w+|thorac\w+|torac\w+)|spine,? thoracic",
        r"thoracolumb\w+|dorso-?lomb\w+|dorso-?lumb\w+|t/?l[- ]?spine|tls?spine|thorakolumb\w+|t-l spine|ctspine",
        r"toraco-?lumbar|[cz]er?vi[ck]o-?(?:thora[ck]\w*|dorsal\w*)",
    ),
    "L": words(
        r"l-?_? ?-?(?:spine|wirbelsaule)|lspine|l[-/ ]?s-? ?spine|lws|lendenwirbel\w*|lwk\w*",
        r"(?:spine )?lumb(?:ar|ale?|o\w+)(?: spine| vertebra\w*)?|lumbosacr\w+|l[ou]mbo[- ]?sacr\w+|l-?spn?|ls[- ]?ws",
        r"(?:rachis|colonne|rachide|coluna) lomb\w+|lombai?res?|lombar|(?:columna|raquis) lumb\w+|spine,? lumb\w*",
        r"thoracolumb\w+|dorso-?lomb\w+|dorso-?lumb\w+|t/?l[- ]?spine|tlspine|thorakolumb\w+|t-l spine|toraco-?lumbar",
        r"lumb|lomb|[tpa]lif|[xlo]lif|(?:columna|rachis|wirbelsaule|spine|col) (?:l|ls|l/s)|l ?- ?s (?:ap|lat)",
        r"l-?s-?ubergang|spine l",
    ),
}
_LISTED_REGIONS = re.compile(
    r"(?<![a-z0-9])([ctl](?:(?:[/&+,]| [/&+] |, ?|[ -])[ctl])+)[- /]?(?:spines?|spn)(?![a-z0-9])"
)
"""Several regions before one word: "T/L spine", "C, T & L-spine"."""
_WHOLE_SPINE = words(
    r"(?:whole|full|entire|total|complete|long)[- ]?(?:leng(?:th|ht) )?spine",
    r"spine (?:whole|full|entire|total|complete|survey)|(?:ganze|gesamte) wirbelsaule|wirbelsaulen-?ganz\w*",
    r"ganzwirbelsaule\w*|ws-?(?: )?(?:ganz\w*|gesamt\w*|komplett)|(?:ganz|gesamt)-?ws|gws",
    r"wirbelsaule (?:ganz|gesamt|komplett)|espinograma",
    r"(?:rachis|colonne) (?:entiere?|complete?|total\w*|en entier)|(?:columna|raquis) (?:completa?|total|entera)",
    r"telerr?a(?:chis|diografia (?:de )?(?:la )?columna)|telecolumna",
    r"scoliosis(?: series| survey)?|skoliose\w*|scoliose|escoliosis|wholespine|tlsspine|ctlspine",
    r"[ctl]-?[ctl]-?l-? ?spine",
)
_SLOT_SCANNER = words(r"eos")
"""A scanner for whole spines, and for legs: the description then says so."""
_SPINE = words(
    r"spine|spinal|wirbels(?:aule|aulen\w*)|rachis|colonne vertebrale|columna(?: vertebral)?|raquis|vertebra\w*",
    r"spondylodes\w+|arthrodese|sspine|lsspine|medullaire|moelle(?: epiniere)?|wervelkolom|rachide",
)
_OTHER_BODY = words(
    r"chest|thorax|torax|lungs?|lunge|poumons?|pulmon\w*|abdomen|abd|abdo\w*|pelvis|becken|bassin|head|brain",
    r"skull|schadel|crane|craneo|cerebr\w+|kopf|neck|cardiac|heart|coronar\w+|herz|knee|knie|genou|rodilla|hip",
    r"hufte|hanche|cadera|shoulder|schulter|epaule|hombro|wrist|hand|foot|fuss|ankle|elbow|femur|leg|arm",
    r"liver|leber|kidney|niere|renal|kub|urogra\w+|colonogra\w+|angio\w*|cta|aorta|sinus|orbit\w*|breast",
    r"mammo\w*|prostate|prostata|pelvic|extremit\w+|tap|cap|body|ganzkorper|polytrauma|whole ?body|wholebody",
    r"tronc|cuerpo|(?:lower )?limbs?|membres?(?: inferieurs?)?|miembros?|beine?|beinachse\w*|pangonogram\w*",
)
_TRAUMA = words(
    r"(?:poly)?-?trauma\w*|pan-?scan|whole[- ]?body|ganzkorper\w*|polytraumatise|bodyscanner|politrauma\w*|mva",
    r"mvc|cuerpo entero|corps entier",
)
_REGION_OF_CPT = {
    **dict.fromkeys(("72125", "72126", "72127", "72141", "72142", "72156", "72040", "72050", "72052"), ("C",)),
    **dict.fromkeys(("72128", "72129", "72130", "72146", "72147", "72157", "72070", "72072", "72074"), ("T",)),
    **dict.fromkeys(("72131", "72132", "72133", "72148", "72149", "72158", "72100", "72110", "72114", "72120"), ("L",)),
    **dict.fromkeys(("72080",), ("T", "L")),
    **dict.fromkeys(("72081", "72082", "72083", "72084"), ("C", "T", "L")),
    "72020": (),
}
"""CPT procedure codes of spine imaging (scheme C4 or CPT)."""
_CPT_SCHEMES = frozenset({"C4", "CPT", "CPT4", "CPT-4"})
_COVERED = {"C": ("C1", "T1"), "T": ("T1", "L1"), "L": ("L1", "S1"), "S": ("S1", "S1")}

_PROJECTIONS = {
    "oblique": words(
        r"obl\w*|schrag\w*|3/4|trois[- ]quarts?|oblicu\w*|[rl][ap]o|[rl]ao|halbschrag",
    ),
    "lateral": words(
        r"[lr]? ?lat(?:eral\w*)?|[lr]lat|profile?|de profil|seitl\w*|seitenaufnahme|perfil|l\.?l\.?|rl|xtl|sagittal\w*",
        r"latero-?lateral\w*|(?:rachis|lomb\w*|dors\w*|cerv\w*) p",
    ),
    "ap": words(
        r"a\.?p\.?|p\.?a\.?|face|front(?:al\w*)?|antero-?posterior\w*|a-p|anteroposterior|coronal|de face",
        r"(?:rachis|lomb\w*|dors\w*|cerv\w*) f(?! ?[/+&])",
    ),
}
_BENDING = words(
    r"(?:side |lateral )?bending(?: lateral)?|seit(?:en|warts)?(?:neig|beug)\w*|latero-?flexion",
    r"inclinaison lateral\w*|inclinacion lateral\w*",
)
"""To the side, in a frontal projection: "lateral bending" is no lateral one."""
_POSITIONS = {
    "bending": _BENDING,
    "flexion": words(
        r"(?:hyper|hiper|ventral|ante)?-?flex(?:ion|ao)?|flessione|inklination|vor(?:warts)?(?:neig|beug)\w*",
        r"beuge?(?:ung|aufnahme)?|inclinaison anterieure",
    ),
    "extension": words(
        r"(?:hyper|hiper|dorsal)?-?ext(?:ension)?|estensione|reklination|retroflexion|ruck(?:warts)?(?:neig|beug)\w*",
        r"streckung|streckaufnahme|inclinaison posterieure",
    ),
    "standing": words(
        r"stand(?:ing)?|erect|upright|weight[- ]?bearing|wb|(?:im )?steh(?:en\w*|end\w*|d)?|debout|en charge|de pie",
        r"bipedestacion|en carga|ortostat\w+",
    ),
    "prone": words(
        r"prone|bauchlage|decubitus ventral|procubitus|decubito prono",
    ),
    "supine": words(
        r"supine|lying|recumbent|(?:im )?lieg(?:en\w*|end\w*|d)?|couche|decubito(?: supino)?|decubitus|x-?table",
        r"cross[- ]?table|ruckenlage",
    ),
    "sitting": words(
        r"sitting|seated|(?:im )?sitzen\w*|assis\w*|sentado",
    ),
    "neutral": words(
        r"neutral\w*|neutre|neutro",
    ),
}
_LATERAL_WITHIN_DEG = 15.0
_FRONTAL_WITHIN_DEG = 15.0
"""Degrees that a positioner may be off and still make a lateral or a frontal view."""
_LATERAL_VIEWS = frozenset({"LL", "RL", "LLD", "RLD", "LAT", "LATERAL", "L", "R"})
_FRONTAL_VIEWS = frozenset({"AP", "PA"})
_OBLIQUE_VIEWS = frozenset({"LAO", "RAO", "LPO", "RPO", "LLO", "RLO", "OBL"})


@remembered
def spine_regions(text: str) -> tuple[str, ...] | None:
    """Region letters (``C``, ``T``, ``L``) of the spine that a description or body part names.

    An empty tuple is the spine without a region; None is no mention of the spine.
    """
    said = plain(text).replace("_", " ")
    if _WHOLE_SPINE.search(said) or (_SLOT_SCANNER.search(said) and not _OTHER_BODY.search(said)):
        return ("C", "T", "L")
    regions = {region for region, pattern in _SPINE_BY_REGION.items() if pattern.search(said)}
    regions |= {letter.upper() for listed in _LISTED_REGIONS.findall(said) for letter in listed if letter in "ctl"}
    named = read_levels(said)
    for level in named.levels:
        regions |= {level.above.region, level.below.region}
    regions |= {"L"} if "S" in regions else set()
    ordered = tuple(letter for letter in "CTL" if letter in regions)
    if ordered:
        return ordered
    return () if _SPINE.search(said) else None


def regions_of_code(value: str, scheme: str) -> tuple[str, ...] | None:
    """Spine regions of a procedure code; None where the code is not known to be of the spine."""
    return _REGION_OF_CPT.get(value.strip()) if scheme.strip().upper() in _CPT_SCHEMES else None


@remembered
def names_other_body_part(text: str) -> bool:
    """Whether a description names a part of the body that is not the spine."""
    return _OTHER_BODY.search(plain(text).replace("_", " ")) is not None


@remembered
def names_trauma_survey(text: str) -> bool:
    """Whether a description is of a trauma or whole-body survey, in which the spine is one part of many."""
    return _TRAUMA.search(plain(text)) is not None


@cache
def vertebrae_in(regions: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the vertebrae that an exam of these regions usually shows, cranial to caudal."""
    spine = [vertebra.name for vertebra in usual_spine()]
    shown: set[str] = set()
    for region in regions:
        first, last = _COVERED[region]
        shown.update(spine[spine.index(first) : spine.index(last) + 1])
    return tuple(name for name in spine if name in shown)


def projection_of(
    view_position: str | None,
    patient_orientation: tuple[str, ...],
    description: str,
    *,
    angles_deg: tuple[float, float] | None = None,
) -> str | None:
    """``lateral``, ``ap`` or ``oblique`` of a radiograph.

    View Position first, then the positioner's angles where it was turned, then Patient Orientation, then words;
    words that name two views at once ("ap/lat") tell nothing of either image.
    """
    view = (view_position or "").strip().upper()
    for projection, views in (("lateral", _LATERAL_VIEWS), ("ap", _FRONTAL_VIEWS), ("oblique", _OBLIQUE_VIEWS)):
        if view in views:
            return projection
    if (worded := _projection_in_words(view)) or (worded := _turned(angles_deg)):
        return worded
    row = patient_orientation[0].strip().upper() if patient_orientation else ""
    if row in ("A", "P"):
        return "lateral"
    if row in ("L", "R"):
        return "ap"
    if re.fullmatch(r"[LR][AP]|[AP][LR]", row):
        return "oblique"
    return _projection_in_words(description)


@remembered
def _projection_in_words(text: str) -> str | None:
    said = _BENDING.sub(" ", plain(text).replace("_", " "))
    named = [projection for projection, pattern in _PROJECTIONS.items() if pattern.search(said)]
    return None if {"lateral", "ap"} <= set(named) else next(iter(named), None)


def _turned(angles_deg: tuple[float, float] | None) -> str | None:
    """Projection from Positioner Primary Angle; a positioner that was not turned says nothing: the patient may be."""
    if angles_deg is None:
        return None
    turn = abs(angles_deg[0])
    if abs(turn - 90.0) <= _LATERAL_WITHIN_DEG:
        return "lateral"
    return "oblique" if _FRONTAL_WITHIN_DEG < turn < 90.0 - _LATERAL_WITHIN_DEG else None


@remembered
def position_of(description: str) -> str | None:
    """``standing``, ``supine``, ``prone``, ``flexion``, ``extension``, ``bending``, ``sitting`` or ``neutral``.

    None where it is not said, or where flexion and extension are both named.
    """
    said = plain(description).replace("_", " ")
    named = [position for position, pattern in _POSITIONS.items() if pattern.search(said)]
    return None if {"flexion", "extension"} <= set(named) else next(iter(named), None)
