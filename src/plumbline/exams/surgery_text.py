"""Words of spine surgery in English, French, German and Spanish: procedures, side, and whether it was done.

Tables of patterns on plain text (``plain_text.plain``) and the few rules that weigh them against each
other. Dates are read by ``surgery_dates``, levels by ``level_text``.
"""

from __future__ import annotations

import re
from enum import StrEnum

from plumbline.exams.plain_text import any_of, words


class Tense(StrEnum):
    """Whether a text says that an operation was done, is to come, never was, or leaves it open."""

    DONE = "done"
    PLANNED = "planned"
    DENIED = "denied"
    UNSTATED = "unstated"


PROCEDURES = {
    "TLIF": words(
        r"(?:mi-?s?-?|mis[- ])?tlif|transforaminal\w* (?:lumbar )?interbody fusion",
    ),
    "PLIF": words(
        r"plif|posterior lumbar interbody fusion",
    ),
    "ALIF": words(
        r"alif|anterior lumbar interbody fusion",
    ),
    "LLIF": words(
        r"llif|xlif|dlif|(?:extreme |direct )?lateral (?:lumbar )?interbody fusion",
    ),
    "OLIF": words(
        r"olif|oblique lumbar interbody fusion",
    ),
    "ACDF": words(
        r"acdf|anterior cervical dis[ck]ectomy(?: and fusion)?|adf|acif|ventrale (?:zervikale )?diskektomie",
    ),
    "DISCECTOMY": words(
        r"(?:micro|mikro|sub)?-?dis[ck]?[ck]ectom(?:y|ie|ia)|(?:micro|mikro)?-?dis[ck]ektomie|nu[ck]l?eotomie",
        r"nukleotomie|sequest(?:r|er)ektomie|sequesterotomie|sequestrectomy|herni[eo]ctomy|herniectomi[ea]",
        r"bandscheiben-?(?:op|operation)|bs-op|cure (?:chirurgicale )?(?:de |d')(?:la )?hernie(?: discale)?",
        r"disc surgery|(?:micro|mikro)-?dis[ck]s?|dis[ck]ect",
        r"(?:operation|operado|operee?) (?:einer |de )(?:la )?(?:bandscheibe\w*|hernia discal|hernie discale)",
    ),
    "LAMINECTOMY": words(
        r"(?:hemi)?-?lamine[ck]tom(?:y|ie|ia)s?|lami|lamis",
    ),
    "LAMINOTOMY": words(
        r"(?:hemi)?-?laminotom(?:y|ie|ia)",
    ),
    "FORAMINOTOMY": words(
        r"foraminotom(?:y|ie|ia)",
    ),
    "LAMINOPLASTY": words(
        r"laminoplast(?:y|ie|ia|ik)",
    ),
    "DECOMPRESSION": words(
        r"(?:micro|mikro)?-?de[ck]ompress(?:ion|ions-?op|ionsoperation|ed)|descompres(?:ion|iva)",
        r"decompressive surgery|recalibrage|spinalkanalerweiterung|liberation (?:radiculaire|canalaire)",
        r"dekomprimiert|decomp",
    ),
    "FUSION": words(
        r"(?:pl|posterolateral|posterior|anterior|spinal|lumbar|cervical|instrumented)?-?fusion(?:s|ed|ado|iert)?",
        r"fused|arthrodes(?:e|es|is)|artrodesis|artrodesado|spondylodes(?:e|is|en)|versteifung\w*",
        r"fusionsoperation|plf|psf|psif|\w+spondylodese\w*|interbody fusion",
    ),
    "INSTRUMENTATION": words(
        r"instrument(?:ation|ed|iert|ierung|acion|ado|ada|ee?|al fixation)|fixateur interne|osteosynthese"
        r"|osteosintesis",
        r"(?:dorsale )?stabilisierung|stabili[sz]ation|estabilizacion|pedicle screw fixation|verschraubung",
    ),
    "DISC_REPLACEMENT": words(
        r"dis[ck] (?:arthroplasty|replacement|prosthesis)|(?:cervical|lumbar|total) (?:dis[ck] )?arthroplasty",
        r"[tac]dr|bandscheibenprothese\w*|prothese discale|protesis discal|artroplastia (?:discal|cervical)",
    ),
    "KYPHOPLASTY": words(
        r"kypho-?plast(?:y|ie|ik)|cyphoplastie|cifoplastia|bkp",
    ),
    "VERTEBROPLASTY": words(
        r"vertebro-?plast(?:y|ie|ik|ia)|cimentoplastie",
    ),
    "CORPECTOMY": words(
        r"corp(?:or)?ectom(?:y|ie|ia)|korporektomie|corporectomie|wirbelkorperersatz",
    ),
    "HARDWARE_REMOVAL": words(
        r"(?:removal of|remov(?:al|ed)) (?:the )?(?:hardware|implants?|screws?|instrumentation|metalwork)",
        r"(?:hardware|implant|screw|metalwork) (?:removal|removed)|roh",
        r"(?:metall?|material|implantat|schrauben|me)-?entfernung|me (?=[lbh]ws|lwk|bwk)",
        r"ablation (?:de |du )?materiel|amo|ablation (?:de |des )vis",
        r"(?:retirada|extraccion|retiro) (?:de |del )?(?:material|tornillos|implantes?|osteosintesis)|emo",
    ),
    "STIMULATOR": words(
        r"spinal cord stimulator|scs|neurostimulat(?:or|eur)|neuroestimulador",
    ),
}
"""Canonical procedure words and how they are written."""
_ANY_PROCEDURE = any_of(PROCEDURES.values())

_FUSIONS_BY_NAME = ("TLIF", "PLIF", "ALIF", "LLIF", "OLIF", "ACDF")

IMPLANTS = words(
    r"(?:pedicle )?screws?(?! driver)|rods?|cages?|(?:interbody )?spacers?|hardware|metalwork|implants?"
    r"|interspinous (?:device|spacer)s?",
    r"vis (?=[clts]\d)|(?:position|ablation) des vis|(?:pedikel)?schrauben(?:lage|lockerung|fehllage|position)?"
    r"|schraube|stabe?|implantat\w*",
    r"osteosynthesematerial|spondylodesematerial|materiel(?: d'osteosynthese)?|vis pediculaires?|tiges?",
    r"implant\w*|tornillos?(?: pediculares)?|barras?|material de osteosintesis|implantes?|caja intersomatica",
    r"cajas intersomaticas",
)
"""Things that are in a spine only after an operation; whose presence a text may also deny."""

_OPERATION = (
    r"surgery|operation|fusion|laminectomy|discectomy|microdiscectomy|decompression|tlif|plif|alif|acdf|kyphoplasty"
    r"|vertebroplasty|instrumentation|arthroplasty|replacement|foraminotomy|corpectomy|arthrodesis"
)
_DONE = words(
    r"control (?:anual )?de (?:artroplast\w+|osteosintesis)|debricolage",
    r"(?:depuis|apres|desde|tras|seit|nach|since|after) (?:la |der |the |l'|su |sa )?(?:chirurgie|cirugia"
    r"|operation|op|surgery)",
    r"s/p|status[ -]post|st\.? ?p(?:ost)?\.?|post[- ]?op\w*|postop\w*|post[- ]?surg\w+",
    r"post[- ]?(?:tlif|plif|alif|acdf|fusion|laminectomy|discectomy|operation|decompression|kyphoplasty|arthrodese)",
    r"p\.?o\.?d\.? ?#?\d+",
    rf"(?:previous|prior|past|recent|old|remote|earlier) (?:[a-z0-9/-]+ ){{0,3}}(?:{_OPERATION})",
    r"(?:previous|prior|past|recent|old|remote|earlier|known) (?:lumbar |cervical |spinal |spine |back |neck "
    r"|l-spine )?(?:surgery|operation|fusion|laminectomy|discectomy|microdiscectomy|decompression|tlif|plif|alif"
    r"|acdf|instrumentation)",
    r"(?:history|hx|h/o) (?:of )?(?:previous |prior |lumbar |cervical |spinal |spine |back |neck "
    r"|multiple )*(?:surger(?:y|ies)|operation|fusion|laminectomy|discectomy|microdiscectomy|decompression|tlif"
    r"|plif|alif|acdf|instrumentation)",
    rf"(?:after|following|since|post) (?:[a-z0-9/-]+ ){{0,3}}(?:{_OPERATION})|post (?=[clts] ?\d|lumbar|cervical|spin)",
    rf"(?:weeks?|months?|years?|days?) out from (?:[a-z0-9/-]+ ){{0,3}}(?:{_OPERATION})|operated|post[- ]?lami",
    r"(?:underwent|had|received|operated|after|following|since) (?:a |an |on |her |his |the |recent |lumbar "
    r"|cervical |spinal )*(?:surgery|operation|fusion|laminectomy|discectomy|microdiscectomy|decompression|tlif"
    r"|plif|alif|acdf|kyphoplasty|instrumentation|[clts]\d)",
    r"(?:verlaufs)?kontrolle (?:nach |der |einer )?(?:osteosynthese|spondylodese|tlif|plif|dekompression"
    r"|stabilisierung)",
    r"portador[a]? de|porteu(?:r|se) d[e']|trager(?:in)? einer|reprise chirurgicale|au (?:decours|reveil) d(?:'|e l)\S+"
    r"|a j ?\d+",
    r"failed back(?: surgery)?|fbss|psps|revision(?! planned)|z\.? ?n\.?|zustand nach|zust\.? ?n\.?|st\.? ?n\.?",
    r"status nach",
    r"nach (?:\w+ )?(?:op|operation|tlif|plif|alif|acdf|spondylodese|dekompression|laminektomie|nukleotomie"
    r"|fusion|stabilisierung|kyphoplastie|mikrodiskektomie|diskektomie|verschraubung|versteifung)",
    r"vor-?op\w*|voroperi\w+|(?:mehrfach |bereits )?voroperiert|operiert(?:e|er)? (?:[lbh]ws|wirbelsaule)",
    r"post-?operati[vf]\w*|postoperato\w+|post-?operatoir\w*|opere(?:es?|s)?",
    r"antecedents? (?:de |d')(?:chirurgie|arthrodese|laminectomie|discectomie|hernie operee)",
    r"apres (?:une )?(?:arthrodese|chirurgie|laminectomie|discectomie|operation|intervention|cyphoplastie|tlif"
    r"|plif|alif|cure)",
    r"suites? (?:de |d')(?:arthrodese|chirurgie|laminectomie|operation)",
    r"controle (?:d'|de )?(?:arthrodese|post-?op\w*|materiel|osteosynthese)|j ?\+ ?\d+|postquirurgic\w+",
    r"post[- ]?cirugia|operad[oa]s?|intervenid[oa]|pop \d+ dias?|(?:cirugia|artrodesis|laminectomia|discectomia"
    r"|fusion)[^,;.]{0,20} previas?",
    r"(?:antecedentes? (?:de )?|tras |despues de |previa )(?:la |una )?(?:cirugia|artrodesis|fusion|laminectomia"
    r"|discectomia|microdiscectomia|operacion|cifoplastia|descompresion)",
    r"cirugia (?:lumbar |cervical |de columna |espinal )?previa",
    r"control (?:de )?(?:artrodesis|postoperatorio|fusion|cirugia)|failed fusion|non-?union|pseud[oa]rthros[ei]s",
    r"pseudoartrosis|pseudarthrose|fusion (?:check|status|assessment)",
    r"(?:check|assess|evaluate|eval|confirm) (?:for )?(?:solid |bony |interbody )?fusion",
    r"adjacent (?:segment|level) (?:disease|degeneration)|anschluss?s?degeneration|syndrome adjacent",
    r"segmento adyacente",
)
_PLANNED = words(
    r"(?:zur|fur) (?:\w*ektomie|\w*otomie|dekompression|spondylodese|fusion|tlif|plif|op)|programmation d\S+"
    r"|previst[oa]",
    r"(?:surgery|surgical|fusion|kyphoplasty|vertebroplasty) candidate",
    r"a operer|zu operieren",
    r"next (?:week|month|year)|nachste[nr]? (?:woche|monat)|(?:mois|semaine) prochaine?|proxim[oa] (?:mes|semana)"
    r"|op-?termin",
    r"operationsplanung|pendiente de (?:cirugia|intervencion|artrodesis|\w*ectomia|descompresion|operacion)",
    r"pre-? ?op(?:erative\w*|s)?|preop\w*|pre-?surgical\w*",
    r"(?:surgery|operation|fusion|tlif|plif|alif|acdf|surgical) (?:is )?(?:planned|planning|scheduled|booked)",
    r"planned|planning|plan for|plan:|scheduled for|(?:is |a |surgical )?candidate for",
    r"awaiting (?:surgery|tlif|fusion|operation)",
    r"(?:for|before|prior to|pending|upcoming) (?:the |a |elective )?(?:surgery|operation|tlif|plif|alif|acdf"
    r"|fusion|laminectomy|decompression|discectomy)(?! (?:status|assess\w*|check|follow\w*|eval\w*|heal\w*|compl\w*"
    r"|control|hardware|fail\w*|consolidation|mass|site|progress\w*))",
    r"pra-?operati\w*|praop\w*|geplant\w*|op-?planung",
    r"vor (?:geplanter )?(?:op|operation|spondylodese|dekompression)|zur (?:op|operation)(?:splanung)?",
    r"op-?vorbereitung|pre-?operatoire\w*",
    r"avant (?:une )?(?:arthrodese|chirurgie|operation|intervention|laminectomie)|prevue?|programmee?",
    r"preoperatori\w*|prequirurgic\w+|programad[oa]|planificad[oa]|planificacion(?: quirurgica)?",
    r"pendiente de (?:cirugia|intervencion|artrodesis)|antes de (?:la )?(?:cirugia|artrodesis|operacion)",
    r"indication (?:operatoire|chirurgicale|d'arthrodese)",
)
_DENIED = words(
    r"no (?:prior|previous|past|history of|hx of|h/o|known|recent) (?:lumbar |cervical |spinal |spine |back "
    r"|neck |any )*(?:surger(?:y|ies)|operations?|fusion|laminectomy|instrumentation|hardware)",
    r"no (?:prior |previous )?operations?|keine? (?:bisherige |fruhere )?(?:op|operation\w*)"
    r"|sin antecedentes (?:de )?(?:cirugia|quirurgicos)",
    r"(?:has |have )?had no (?:spine |back |lumbar )?(?:surgery|operation)|no ha sido (?:operad[oa]|intervenid[oa])",
    r"no (?:spine |spinal |back |lumbar )?surger(?:y|ies)(?: history)?",
    r"(?:never|not) (?:been |previously |yet )*operated|never had (?:\w+ )*(?:surgery|operation)",
    r"without (?:prior|previous|history of) (?:\w+ )?(?:surgery|operation)",
    r"den(?:ies|ied) (?:any )?(?:prior |previous )?(?:\w+ )?(?:surgery|operation)|non-?operative(?:ly)?",
    r"no hardware(?! [a-z])|keine? (?:vor-?op\w*|voroperation\w*|fruhere?n? op\w*|operation\w*|ops?)",
    r"nicht (?:vor)?operiert(?:e[nrs]?)?|ohne (?:vor-?op\w*|voroperation\w*)",
    r"pas (?:d'|de )(?:antecedents? (?:de )?(?:chirurgi\w+|operatoires?)|chirurgie|intervention)(?: anterieure?"
    r"| prealable)?",
    r"(?:jamais|non|pas) (?:ete )?opere(?:es?|s)?|sans (?:antecedents? (?:de )?(?:chirurgi\w+|operatoires?)|chirurgie)",
    r"aucun antecedent (?:de )?chirurgi\w+",
    r"sin (?:cirugias?|antecedentes quirurgicos|operaciones?|intervenciones?)(?: previas?)?",
    r"no (?:operad[oa]|intervenid[oa])(?: previamente)?|(?:nunca|jamas) (?:ha sido )?operad[oa]",
    r"niega (?:cirugias?|operaciones?)(?: previas?)?",
)
_NOT_AN_OPERATION = re.compile(
    r"\s*(?:alter |old |a )?(?:fractur\w*|fraktur\w*|fx|fall|sturz\w*|trauma\w*|mva|mvc|unfall|accident|stroke"
    r"|infar\w+|injur\w+|kontusion)"
)
"""What may follow "status post" without an operation."""
_OPERATION_NOUNS = words(
    r"surger(?:y|ies)|operation\w*|op|chirurgie|intervention|cirugia|operacion|intervencion|arthroplast\w+"
    r"|artroplast\w+",
)
_FUTURE_ONLY_AFTER_DONE = words(
    r"planned revision|revision planned|geplante revision|revision prevue|revision programada",
)

_EXCEPT = words(r"except|other than|apart from|besides|ausser|bis auf|sauf|hormis|excepto|salvo")
_NOT_DONE_BEFORE = re.compile(r"(?:\bno|\bwithout|\bsin|\bsans|\bohne|\bkeine?|\bpas de|\bpas d')\s+(?:\w+\s)?$")

_SIDES = {
    "bilateral": words(
        r"bilateral\w*|both sides|beidseit\w*|beidseits|bds\.?|bilaterale?s?|b/l",
    ),
    "left": words(
        r"left|lt|links\w*|li\.(?= )|linke?[rsn]?|gauche|izquierd[oa]|izq\.?|left-sided|linksseitig\w*|izda?\.?",
    ),
    "right": words(
        r"right|rt|rechts\w*|re\.(?= )|rechte?[rsn]?|droite?|derech[oa]|der\.|right-sided|rechtsseitig\w*",
        r"dcha?\.?",
    ),
}


def read_procedures(plain_text: str) -> tuple[str, ...]:
    """Canonical procedure words in a text, in the order in which they are written, each once.

    A procedure that the text denies ("no fusion", "without instrumentation") is not among them.
    """
    if not _ANY_PROCEDURE.search(plain_text):
        return ()
    found = {name: position for name in PROCEDURES if (position := _first_affirmed(name, plain_text)) is not None}
    if any(name in found for name in _FUSIONS_BY_NAME):
        found.pop("FUSION", None)
    if "ACDF" in found:
        found.pop("DISCECTOMY", None)
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
        return Tense.DONE if _EXCEPT.search(plain_text) else Tense.DENIED
    if _FUTURE_ONLY_AFTER_DONE.search(plain_text):
        return Tense.PLANNED
    done, planned = _first_done(plain_text), _PLANNED.search(plain_text)
    if done and planned:
        return Tense.DONE if done.start() < planned.start() else Tense.PLANNED
    if done:
        return Tense.DONE
    return Tense.PLANNED if planned else Tense.UNSTATED


def _first_done(plain_text: str) -> re.Match[str] | None:
    """The first word of an operation done; "status post fracture" is not one."""
    return next((one for one in _DONE.finditer(plain_text) if not _NOT_AN_OPERATION.match(plain_text, one.end())), None)


def denies_operation(plain_text: str) -> bool:
    """Whether a text denies an operation anywhere."""
    return _DENIED.search(plain_text) is not None


def names_procedure(plain_text: str) -> bool:
    """Whether a text has the word of any procedure, denied or not."""
    return _ANY_PROCEDURE.search(plain_text) is not None


def names_operation(plain_text: str) -> bool:
    """Whether a text speaks of an operation without saying which."""
    return _OPERATION_NOUNS.search(plain_text) is not None


def names_implants(plain_text: str) -> bool:
    """Whether a text speaks of implants as present."""
    return any(not _NOT_DONE_BEFORE.search(plain_text, 0, found.start()) for found in IMPLANTS.finditer(plain_text))


def _first_affirmed(name: str, plain_text: str) -> int | None:
    for found in PROCEDURES[name].finditer(plain_text):
        if not _NOT_DONE_BEFORE.search(plain_text[: found.start()]):
            return found.start()
    return None
