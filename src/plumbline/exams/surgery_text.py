"""Words of spine surgery in English, French, German and Spanish: procedures, side, and whether it was done.

Tables of patterns on plain text (``plain_text.plain``) and the few rules that weigh them against each
other. Dates are read by ``surgery_dates``, levels by ``level_text``.
"""

from __future__ import annotations

import re
from enum import StrEnum

from plumbline.exams.plain_text import words


class Tense(StrEnum):
    """Whether a text says that an operation was done, is to come, never was, or leaves it open."""

    DONE = "done"
    PLANNED = "planned"
    DENIED = "denied"
    UNSTATED = "unstated"


PROCEDURES = {
    "TLIF": words(r"(?:mi-?s?-?|mis[- ])?tlif", r"transforaminal\w* (?:lumbar )?interbody fusion"),
    "PLIF": words(r"plif", r"posterior lumbar interbody fusion"),
    "ALIF": words(r"alif", r"anterior lumbar interbody fusion"),
    "LLIF": words(r"llif", r"xlif", r"dlif", r"(?:extreme |direct )?lateral (?:lumbar )?interbody fusion"),
    "OLIF": words(r"olif", r"oblique lumbar interbody fusion"),
    "ACDF": words(
        r"acdf",
        r"anterior cervical dis[ck]ectomy(?: and fusion)?",
        r"adf",
        r"acif",
        r"ventrale (?:zervikale )?diskektomie",
    ),
    "DISCECTOMY": words(
        r"(?:micro|mikro|sub)?-?dis[ck]?[ck]ectom(?:y|ie|ia)",
        r"(?:micro|mikro)?-?dis[ck]ektomie",
        r"nu[ck]l?eotomie",
        r"nukleotomie",
        r"sequest(?:r|er)ektomie",
        r"sequesterotomie",
        r"sequestrectomy",
        r"herni[eo]ctomy",
        r"herniectomi[ea]",
        r"bandscheiben-?(?:op|operation)",
        r"bs-op",
        r"cure (?:chirurgicale )?(?:de |d')(?:la )?hernie(?: discale)?",
        r"disc surgery",
        r"(?:operation|operado|operee?) (?:einer |de )(?:la )?(?:bandscheibe\w*|hernia discal|hernie discale)",
    ),
    "LAMINECTOMY": words(r"(?:hemi)?-?lamine[ck]tom(?:y|ie|ia)s?"),
    "LAMINOTOMY": words(r"(?:hemi)?-?laminotom(?:y|ie|ia)"),
    "FORAMINOTOMY": words(r"foraminotom(?:y|ie|ia)"),
    "LAMINOPLASTY": words(r"laminoplast(?:y|ie|ia|ik)"),
    "DECOMPRESSION": words(
        r"(?:micro|mikro)?-?de[ck]ompress(?:ion|ions-?op|ionsoperation|ed)",
        r"descompres(?:ion|iva)",
        r"decompressive surgery",
        r"recalibrage",
        r"spinalkanalerweiterung",
        r"liberation (?:radiculaire|canalaire)",
        r"dekomprimiert",
    ),
    "FUSION": words(
        r"(?:pl|posterolateral|posterior|anterior|spinal|lumbar|cervical|instrumented)?-?fusion(?:s|ed|ado|iert)?",
        r"fused",
        r"arthrodes(?:e|es|is)",
        r"artrodesis",
        r"artrodesado",
        r"spondylodes(?:e|is|en)",
        r"versteifung\w*",
        r"fusionsoperation",
        r"plf",
        r"psf",
        r"psif",
    ),
    "INSTRUMENTATION": words(
        r"instrument(?:ation|ed|iert|ierung|acion|ado|ee?)",
        r"fixateur interne",
        r"osteosynthese",
        r"osteosintesis",
        r"(?:dorsale )?stabilisierung",
        r"stabili[sz]ation",
        r"estabilizacion",
        r"pedicle screw fixation",
        r"verschraubung",
    ),
    "DISC_REPLACEMENT": words(
        r"dis[ck] (?:arthroplasty|replacement|prosthesis)",
        r"(?:cervical|lumbar|total) (?:dis[ck] )?arthroplasty",
        r"[tac]dr",
        r"bandscheibenprothese\w*",
        r"prothese discale",
        r"protesis discal",
        r"artroplastia (?:discal|cervical)",
    ),
    "KYPHOPLASTY": words(r"kypho-?plast(?:y|ie|ik)", r"cyphoplastie", r"cifoplastia", r"bkp"),
    "VERTEBROPLASTY": words(r"vertebro-?plast(?:y|ie|ik|ia)", r"cimentoplastie"),
    "CORPECTOMY": words(r"corp[eo]re?ctom(?:y|ie|ia)", r"korporektomie", r"corporectomie", r"wirbelkorperersatz"),
    "HARDWARE_REMOVAL": words(
        r"(?:removal of|remov(?:al|ed)) (?:the )?(?:hardware|implants?|screws?|instrumentation|metalwork)",
        r"(?:hardware|implant|screw|metalwork) (?:removal|removed)",
        r"roh",
        r"(?:metall?|material|implantat|schrauben|me)-?entfernung",
        r"me (?=[lbh]ws|lwk|bwk)",
        r"ablation (?:de |du )?materiel",
        r"amo",
        r"ablation (?:de |des )vis",
        r"(?:retirada|extraccion|retiro) (?:de |del )?(?:material|tornillos|implantes?|osteosintesis)",
        r"emo",
    ),
    "STIMULATOR": words(r"spinal cord stimulator", r"scs", r"neurostimulat(?:or|eur)", r"neuroestimulador"),
}
"""Canonical procedure words and how they are written."""

_DISC_PART_OF_FUSION = ("TLIF", "PLIF", "ALIF", "LLIF", "OLIF", "ACDF")

IMPLANTS = words(
    r"(?:pedicle )?screws?(?! driver)|rods?|cages?|(?:interbody )?spacers?|hardware|metalwork|implants?|instrumentation",
    r"(?:pedikel)?schrauben(?:lage|lockerung|fehllage|position)?|schraube|stabe?|implantat\w*|osteosynthesematerial|spondylodesematerial",
    r"materiel(?: d'osteosynthese)?|vis pediculaires?|cages?|tiges?|implant\w*",
    r"tornillos?(?: pediculares)?|barras?|material de osteosintesis|implantes?|caja intersomatica|cajas intersomaticas",
)
"""Things that are in a spine only after an operation; whose presence a text may also deny."""

_DONE = words(
    r"s/p",
    r"status[ -]post",
    r"st\.? ?p(?:ost)?\.?",
    r"post[- ]?op\w*",
    r"postop\w*",
    r"post[- ]?surg\w+",
    r"post[- ]?(?:tlif|plif|alif|acdf|fusion|laminectomy|discectomy|operation|decompression|kyphoplasty|arthrodese)",
    r"p\.?o\.?d\.? ?#?\d+",
    r"(?:previous|prior|past|recent|old|remote|earlier|known) (?:lumbar |cervical |spinal |spine |back |neck |l-spine )?"
    r"(?:surgery|operation|fusion|laminectomy|discectomy|microdiscectomy|decompression|tlif|plif|alif|acdf|instrumentation)",
    r"(?:history|hx|h/o) (?:of )?(?:previous |prior |lumbar |cervical |spinal |spine |back |neck |multiple )*"
    r"(?:surger(?:y|ies)|operation|fusion|laminectomy|discectomy|microdiscectomy|decompression|tlif|plif|alif|acdf|instrumentation)",
    r"(?:underwent|had|received|operated|after|following|since) (?:a |an |on |her |his |the |recent |lumbar |cervical |spinal )*"
    r"(?:surgery|operation|fusion|laminectomy|discectomy|microdiscectomy|decompression|tlif|plif|alif|acdf|kyphoplasty|instrumentation"
    r"|[clts]\d)",
    r"failed back(?: surgery)?",
    r"fbss",
    r"psps",
    r"revision(?! planned)",
    r"z\.? ?n\.?",
    r"zustand nach",
    r"zust\.? ?n\.?",
    r"st\.? ?n\.?",
    r"status nach",
    r"nach (?:\w+ )?(?:op|operation|tlif|plif|alif|acdf|spondylodese|dekompression|laminektomie|nukleotomie|fusion|stabilisierung|kyphoplastie"
    r"|mikrodiskektomie|diskektomie|verschraubung|versteifung)",
    r"vor-?op\w*",
    r"voroperi\w+",
    r"(?:mehrfach |bereits )?voroperiert",
    r"operiert(?:e|er)? (?:[lbh]ws|wirbelsaule)",
    r"post-?operati[vf]\w*",
    r"postoperato\w+",
    r"post-?operatoir\w*",
    r"opere\w*",
    r"antecedents? (?:de |d')(?:chirurgie|arthrodese|laminectomie|discectomie|hernie operee)",
    r"apres (?:une )?(?:arthrodese|chirurgie|laminectomie|discectomie|operation|intervention|cyphoplastie|tlif|plif|alif|cure)",
    r"suites? (?:de |d')(?:arthrodese|chirurgie|laminectomie|operation)",
    r"controle (?:d'|de )?(?:arthrodese|post-?op\w*|materiel|osteosynthese)",
    r"j ?\+ ?\d+",
    r"postquirurgic\w+",
    r"post[- ]?cirugia",
    r"operad[oa]s?",
    r"intervenid[oa]",
    r"(?:antecedentes? (?:de )?|tras |despues de |previa )(?:la |una )?(?:cirugia|artrodesis|fusion|laminectomia|discectomia|microdiscectomia"
    r"|operacion|cifoplastia|descompresion)",
    r"cirugia (?:lumbar |cervical |de columna |espinal )?previa",
    r"control (?:de )?(?:artrodesis|postoperatorio|fusion|cirugia)",
    r"failed fusion|non-?union|pseud[oa]rthros[ei]s|pseudoartrosis|pseudarthrose",
    r"fusion (?:check|status|assessment)|(?:check|assess|evaluate|eval|confirm) (?:for )?(?:solid |bony |interbody )?fusion",
    r"adjacent (?:segment|level) (?:disease|degeneration)|anschluss?s?degeneration|syndrome adjacent|segmento adyacente",
)
_PLANNED = words(
    r"pre-? ?op(?:erative\w*|s)?",
    r"preop\w*",
    r"pre-?surgical\w*",
    r"(?:surgery|operation|fusion|tlif|plif|alif|acdf|surgical) (?:is )?(?:planned|planning|scheduled|booked)",
    r"plan(?:ned|ning)?(?: for| is|:)?(?= )",
    r"scheduled for",
    r"(?:is |a |surgical )?candidate for",
    r"awaiting (?:surgery|tlif|fusion|operation)",
    r"(?:for|before|prior to|pending|upcoming) (?:the |a |elective )?(?:surgery|operation|tlif|plif|alif|acdf|fusion|laminectomy|decompression|discectomy)",
    r"pra-?operati\w*",
    r"praop\w*",
    r"geplant\w*",
    r"op-?planung",
    r"vor (?:geplanter )?(?:op|operation|spondylodese|dekompression)",
    r"zur (?:op|operation)(?:splanung)?",
    r"op-?vorbereitung",
    r"pre-?operatoire\w*",
    r"avant (?:une )?(?:arthrodese|chirurgie|operation|intervention|laminectomie)",
    r"prevue?",
    r"programmee?",
    r"preoperatori\w*",
    r"prequirurgic\w+",
    r"programad[oa]",
    r"planificad[oa]",
    r"planificacion(?: quirurgica)?",
    r"pendiente de (?:cirugia|intervencion|artrodesis)",
    r"antes de (?:la )?(?:cirugia|artrodesis|operacion)",
    r"indication (?:operatoire|chirurgicale|d'arthrodese)",
)
_DENIED = words(
    r"no (?:prior|previous|past|history of|hx of|h/o|known|recent) (?:lumbar |cervical |spinal |spine |back |neck |any )*"
    r"(?:surger(?:y|ies)|operations?|fusion|laminectomy|instrumentation|hardware)",
    r"no (?:spine |spinal |back |lumbar )?surger(?:y|ies)(?: history)?",
    r"(?:never|not) (?:been |previously |yet )*operated",
    r"never had (?:\w+ )*(?:surgery|operation)",
    r"without (?:prior|previous|history of) (?:\w+ )?(?:surgery|operation)",
    r"den(?:ies|ied) (?:any )?(?:prior |previous )?(?:\w+ )?(?:surgery|operation)",
    r"non-?operative(?:ly)?",
    r"no hardware",
    r"keine? (?:vor-?op\w*|voroperation\w*|fruhere?n? op\w*|operation\w*|ops?)",
    r"nicht (?:vor)?operiert",
    r"ohne (?:vor-?op\w*|voroperation\w*)",
    r"pas (?:d'|de )(?:antecedents? (?:de )?(?:chirurgi\w+|operatoires?)|chirurgie|intervention)(?: anterieure?| prealable)?",
    r"(?:jamais|non) operee?",
    r"sans (?:antecedents? (?:de )?(?:chirurgi\w+|operatoires?)|chirurgie)",
    r"aucun antecedent (?:de )?chirurgi\w+",
    r"sin (?:cirugias?|antecedentes quirurgicos|operaciones?|intervenciones?)(?: previas?)?",
    r"no (?:operad[oa]|intervenid[oa])(?: previamente)?",
    r"(?:nunca|jamas) (?:ha sido )?operad[oa]",
    r"niega (?:cirugias?|operaciones?)(?: previas?)?",
)
_FUTURE_ONLY_AFTER_DONE = words(
    r"planned revision|revision planned|geplante revision|revision prevue|revision programada"
)

_NOT_DONE_BEFORE = re.compile(r"(?:\bno|\bwithout|\bsin|\bsans|\bohne|\bkeine?|\bpas de|\bpas d')\s+(?:\w+\s)?$")

_SIDES = {
    "bilateral": words(r"bilateral\w*|both sides|beidseit\w*|beidseits|bds\.?|bilaterale?s?|b/l"),
    "left": words(
        r"left|lt|links\w*|li\.?(?= )|linke?[rsn]?|gauche|izquierd[oa]|izq\.?|left-sided|linksseitig\w*|izda?\.?"
    ),
    "right": words(
        r"right|rt|rechts\w*|re\.?(?= (?!op))|rechte?[rsn]?|droite?|derech[oa]|der\.|right-sided|rechtsseitig\w*|dcha?\.?"
    ),
}


def read_procedures(plain_text: str) -> tuple[str, ...]:
    """Canonical procedure words in a text, in the order in which they are written, each once.

    A procedure that the text denies ("no fusion", "without instrumentation") is not among them.
    """
    found = {name: position for name in PROCEDURES if (position := _first_affirmed(name, plain_text)) is not None}
    if any(name in found for name in _DISC_PART_OF_FUSION):
        found.pop("FUSION", None)
    return tuple(sorted(found, key=lambda name: found[name]))


def read_side(plain_text: str) -> str | None:
    """``left``, ``right`` or ``bilateral``; both sides named is bilateral, none is None."""
    named = [side for side, pattern in _SIDES.items() if pattern.search(plain_text)]
    if not named:
        return None
    return named[0] if len(named) == 1 else "bilateral"


def read_tense(plain_text: str) -> Tense:
    """Whether the operation of one statement was done, is planned, or is denied."""
    if _DENIED.search(plain_text):
        return Tense.DENIED
    if _FUTURE_ONLY_AFTER_DONE.search(plain_text):
        return Tense.PLANNED
    done, planned = _DONE.search(plain_text), _PLANNED.search(plain_text)
    if done and planned:
        return Tense.DONE if done.start() < planned.start() else Tense.PLANNED
    if done:
        return Tense.DONE
    return Tense.PLANNED if planned else Tense.UNSTATED


def names_implants(plain_text: str) -> bool:
    """Whether a text speaks of implants as present."""
    return any(not _NOT_DONE_BEFORE.search(plain_text, 0, found.start()) for found in IMPLANTS.finditer(plain_text))


def _first_affirmed(name: str, plain_text: str) -> int | None:
    for found in PROCEDURES[name].finditer(plain_text):
        if not _NOT_DONE_BEFORE.search(plain_text[: found.start()]):
            return found.start()
    return None
