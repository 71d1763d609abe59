"""Words of spine surgery in English, French, German and Spanish: procedures, side, and whether it was done.

Tables of patterns on plain text (``plain_text.plain``) and the few rules that weigh them against each
other. Dates are read by ``surgery_dates``, levels by ``level_text``.
"""

from __future__ import annotations

import re
from enum import StrEnum

from plumbline.exams.plain_text import any_of, remembered, words


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
        r"(?:micro|mikro|sub)?-?dis[ck]{0,2}e[ck]?t?om(?:y|ie|ia)|(?:micro|mikro)?-?dis[ck]ektomie|(?:post)?nu[ck]l?eotom\w+",
        r"(?:herni[ae]|hd)(?: discale?)? (?:[lcts]\d\S* )?(?:ya |deja )?oper(?:ee?s?|ad[oa]s?)",
        r"oper(?:ees?|ad[oas]+|e)(?: [^\s,;]+){0,3} (?:d'une |de (?:una )?)?herni[ae](?= [lcts]\d)",
        r"nukleotomie|sequest(?:r|er)ektomie|sequesterotomie|sequestrectomy|herni[eo]ctomy|herniectomi[ea]",
        r"bandscheiben-?(?:op|operation)|(?:bs|bsv|npp|nph)-op|cure (?:chirurgicale )?(?:(?:de "
        r"|d')(?:la )?)?(?:hernie(?: discale)?|hd)",
        r"disc surgery|(?:micro|mikro)-?dis[ck]s?|dis[ck]ect",
        r"(?:operation|operado|operee?) (?:einer |de )(?:la )?(?:bandscheibe\w*|hernia discal|hernie discale)",
        r"oper(?:ad[oa]|ee?s?)(?: [a-z0-9/.-]+){1,6} (?:de |d')(?:la |una |une )?(?:hernia discal|hernie discale)",
    ),
    "LAMINECTOMY": words(
        r"(?:hemi|post)?-?lamin?[eo]?[ck]tom(?:y|ie|ia)s?|lam|lami|lamis",
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
        r"dekomprimiert|decomp|de[ck]ompr",
    ),
    "FUSION": words(
        r"(?:pl|posterolateral|posterior|anterior|spinal|lumbar|cervical|instrumented)?-?fusion(?:s|ed|ado|iert)?",
        r"fused|arthrodes(?:e|es|is|ees?)|artrodesis|artrodesado|spondylodes(?:e|is|en)|versteifung\w*",
        r"spond[iy]lodes\w*|fixation et arthrodese|fusionsoperation|plf|psf|psif|\w+spondylodese\w*|interbody fusion",
    ),
    "INSTRUMENTATION": words(
        r"instrument(?:ation|ed|iert|ierung|acion|ado|ada|ee?|al fixation)|fixateurs?(?: interne)?|osteosynthese"
        r"|osteosintesis",
        r"(?:(?:trans)?pedic\w+ |posterior |internal )?fixation|fijacion(?: transpedicular)?"
        r"|(?:dorsale )?stabilisierung|stabili[sz]ation|estabilizacion|pedicle screw fixation|verschraubung|vissage\w*",
    ),
    "DISC_REPLACEMENT": words(
        r"dis[ck] (?:arthroplasty|replacement|prosthesis)|(?:cervical|lumbar|total) (?:dis[ck] )?arthroplasty",
        r"[tac]dr|ptd|bandscheibenprothese\w*|prothese (?:discale|(?=c\d))|protesis (?:discal|de disco)"
        r"|artroplastia (?:discal|cervical)",
    ),
    "KYPHOPLASTY": words(
        r"kypho|kypho-?plast(?:y|ie|ik)s?|kyphoplasties|cyphoplasties?|cifoplastias?|bkp",
    ),
    "VERTEBROPLASTY": words(
        r"vertebro-?plast(?:y|ie|ik|ia)s?|vertebroplast(?:ies|iken)|cimentoplasties?",
    ),
    "CORPECTOMY": words(
        r"corp(?:or)?ectom(?:y|ie|ia)|korporektomie|corporectomie|wirbelkorperersatz",
    ),
    "HARDWARE_REMOVAL": words(
        r"(?:removal of|remov(?:al|ed)) (?:the )?(?:hardware|implants?|screws?|instrumentation|metalwork)",
        r"(?:hardware|implant|screw|metalwork) (?:removal|removed)|roh",
        r"(?:metall?|material|implantat|schrauben|me)-?entfernung|me(?= (?:[lbt]h?\d|[lbh]ws|[lb]wk|geplant"
        r"|von|der|vom))",
        r"ablation (?:de |du )?materiel|amos?|ablation (?:de |des )vis",
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
    r"(?:woke|waking|awak\w+|awoke|despert\w+|\w*wach\w*|reveil)(?: \w+){0,4} (?:surgery|operation"
    r"|an(?:a)?esth\w+|narkose|cirugia|anestesia)",
    r"control (?:anual )?de (?:artroplast\w+|osteosintesis)|debricolage",
    r"(?:depuis|apres|desde|tras|seit|nach|since|after) (?:la |el |der |dem |the |l'|su |sa )?(?:chirurgie|cirugia"
    r"|operation|op|surgery|intervention|intervencion|operacion|procedimiento|eingriff)",
    r"had (?:[^\s,;.]+ ){0,3}'?(?:op|surgery)'?|op(?:eration)? vor|revised|postq(?:co|x)\.?|post-?qx",
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
    r"(?:check|assess|evaluate|eval|confirm) (?:for )?(?:solid |bony |interbody )?fusion|arthrodesis status",
    r"adjacent (?:segment|level) (?:disease|degeneration)|anschluss?s?degeneration|syndrome adjacent",
    r"segmento adyacente",
)
_PLANNED = words(
    r"vorgesehen|vorgemerkt",
    r"(?:listed|booked|consent(?:ed)?) for|waiting list|warteliste|lista de espera|liste d'attente"
    r"|envisag\w+|inscrit\w*",
    r"(?:zur|fur) (?:\w*ektomie|\w*otomie|dekompression|spondylodese|fusion|tlif|plif|op)|programmation d\S+"
    r"|previst[oa]",
    r"(?:surgery|surgical|fusion|kyphoplasty|vertebroplasty) candidate",
    r"a operer|zu operieren",
    r"next (?:week|month|year)|nachste[nr]? (?:woche|monat)|(?:mois|semaine) prochaine?|proxim[oa] (?:mes|semana)"
    r"|op-?termin",
    r"operationsplanung|pendiente de (?:cirugia|intervencion|artrodesis|\w*ectomia|descompresion|operacion)",
    r"(?<!than )pre-? ?op(?:erative\w*|s)?|preop\w*|pre-?surgical\w*",
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
    r"(?:surger(?:y|ies)|operations?|vor-?ops?|ops?|chirurgie|cirugias?)(?: \w+)? ?[:=] ?(?:none|no|nil"
    r"|nein|keine?|non|aucune?|ninguna|neg)",
    r"no (?:prior|previous|past|history of|hx of|h/o|known|recent) (?:lumbar |cervical |spinal |spine |back "
    r"|neck |any )*(?:surger(?:y|ies)|operations?|fusion|laminectomy|instrumentation|hardware)",
    r"no (?:prior |previous |prev\.? |past )+(?:\w+ )?ops?|no iq(?: previas?)?|sin iq|niega (?:iq|cx)",
    r"pas d'(?:atcds?|antecedents?) chir\w*|jamais (?:de |d')(?:chirurgie|intervention|operation)",
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
    r"(?:aucun|pas d'|sans|sin|ningun) ?(?:atcds?|antecedente?s?) (?:de |d')?(?:chirurgi\w+|operat\w+|cirugia"
    r"|quirurgicos?|ar[th]+rodes[ei]s?|laminectom\w+|discectom\w+|fusion|instrumentation|instrumentacion)",
    r"sin (?:cirugias?|antecedentes quirurgicos|operaciones?|intervenciones?)(?: previas?)?",
    r"no (?:operad[oa]|intervenid[oa])(?: previamente)?|(?:nunca|jamas) (?:ha sido )?operad[oa]",
    r"niega (?:cirugias?|operaciones?)(?: previas?)?",
)
_LEADS_TO_DONE = re.compile(
    r"(?<![a-z0-9])(?:s/p|post|after|during|following|since|theatre|hx|history|h/o|prior|previous|prev"
    r"|recent|check|review|f/u|follow-?up|seit|nach|n\.|p\.?o\.?|pop|z\.? ?n\.?"
    r"|st\.? ?n\.?|verlaufs?(?:kontrolle)?|kontrolle|apres|suite|depuis|suivi|ctrl|controle?|tras|desde"
    r"|despues|previ[ao]|(?<!pas d')(?<!sans )(?<!sin )(?:atcds?|antecedente?s?):?"
    r"|(?:dias?|semanas?|mes|meses|anos?|jours|semaines|mois|ans) d[e'])"
    r"(?: (?!planned|geplant|prevu)(?:[^\s,;.]|\.(?=\S))+){0,4}[ -]$"
)
_LEADS_TO_PLANNED = re.compile(
    r"(?<![a-z0-9])(?:pendiente de|avant|antes de|before|awaiting|vor (?:der|einer|geplanter))(?: [^\s,;.]+){0,2} $"
)
_WORDS_BEFORE = 60
"""Characters before a procedure in which the word that says whether it was done is looked for."""
_NOT_AN_OPERATION = re.compile(
    r"\s*(?:alter |old |a )?(?:\S*(?:karzinom|carcinoma|cancer|-ca(?![a-z])|tumor|metasta|lymphom"
    r"|infiltration|inje[ck]tion|punktion|bestrahlung"
    r"|radiat|chemo)|prt|fractur\w*|fraktur\w*|fx|fall|sturz\w*|trauma\w*|mva|mvc|unfall|accident|stroke"
    r"|infar\w+|injur\w+|kontusion)"
)
"""What may follow "status post" without an operation."""
_OPERATION_NOUNS = words(
    r"(?:deformity|scoliosis|kyphosis) correction|(?:skoliose|kyphose)-?(?:op|aufrichtung|korrektur)|aufrichtungs\w+",
    r"correction (?:de |d'une )?(?:scoliose|cyphose)|correccion (?:de )?(?:escoliosis|cifosis)|do(?=:? ?\d)",
    r"surger(?:y|ies)|operation\w*|op|qx|cx|iq|chirurgie|intervention|cirugia|operacion|intervencion|arthroplast\w+"
    r"|artroplast\w+",
    r"dos(?=: ?\d| \d{1,4}[-/.])|date operatoire|op-?datum",
)
_PUT_IN = words(
    r"placed|inserted|implanted|placement|insertion|implantation|eingebracht|implantiert|\w*einbringung",
    r"posee?s?|mises? en place|colocad[oa]s?|colocacion|implantad[oa]s?",
)
_FUTURE_ONLY_AFTER_DONE = words(
    r"reprise(?: chirurgicale)?(?: [^\s,;.]+){0,3} (?:programmee|prevue|planifiee|envisagee)",
    r"planned revision|revision planned|geplante revision|revision prevue|revision programada",
)

_EXCEPT = words(r"except|other than|apart from|besides|ausser|bis auf|sauf|hormis|excepto|salvo")
_NOT_DONE_BEFORE = re.compile(r"(?:\bno|\bwithout|\bsin|\bsans|\bohne|\bkeine?|\bpas de|\bpas d')\s+(?:\w+\s)?$")

_CALLED_OFF = re.compile(
    r"(?: [^\s,;.]+){0,3} (?:cancel+ed|called off|abgesagt|annulee?s?|cancelad[oa]s?|suspendid[oa]s?)(?![a-z])"
)
"""After a procedure: that it did not come to it."""
_CARRIED_OUT = re.compile(
    r"[^,;.]{0,30}? (?:done|performed|carried out|erfolgt|durchgefuhrt|faite?s?|realisee?s?|realizad[oa]s?"
    r"|hech[oa]s?)(?![a-z])"
)
_LONG_PAST = words(
    r"as an? (?:child|teenager|kid|infant|adolescent)|als (?:kind|jugendliche[rn]?)|in der kindheit"
    r"|dans l'(?:enfance|adolescence)"
    r"|en (?:la )?(?:infancia|adolescencia)|de nin[oa]"
)
"""When in a life; of a procedure or a correction, that it was done."""

_BODY = (
    r"(?:leg|foot|arm|hand|sciatica|radic\w*|lower|upper|hip|buttock|thigh|calf|quads?|quadriceps|[ls]\d|c\d|sided"
    r"|dorsiflex\w*)"
)
_HURTS_FR = (
    r"(?:\w*sciat\w+|\w*cruralg\w+|ncb|radiculalg\w+|pied|jambe|bras|main|membre|hernie|hd|discectomie|[lc]\d|s1)"
)
_HURTS_DE = (
    r"(?:\w*isch?ialg\w*|\w*parese|\w*schwache|\w*schmerz\w*|bsv|nerv\w*|beines?|fuss|arm|hand|longus|[lshb]wk? ?\d"
    r"|[lc]\d[/-][lsc]?\d|[45]/s1|wurzel|prolaps|vorfall|seite)"
)
_LONE_LETTERS = {
    side: (
        rf"{english}(?= {_BODY}(?![a-z]))|[a-z]?[1-9] {english}(?= *(?:$|[.,;]))",
        rf"{_HURTS_FR}(?: [ls]\d| l\d-?[ls]?\d)? {french}(?!')",
        rf"{_HURTS_DE} {german}(?= *(?:$|[.,;]| neu| seit| \d| mit))",
    )
    for side, english, french, german in (("left", "l", "g", "li"), ("right", "r", "d", "re"))
}
"""A side written with one or two letters, which only its place tells from another word: "L sciatica", "pied D"."""
_SIDES = {
    "bilateral": words(
        r"bilat|bilateral\w*|both sides|beidseit\w*|bds\.?|b/l",
    ),
    "left": words(
        r"left|lt|links\w*|li\.(?=[ ,])|(?<=[a-z]{4} )li\.?(?= *(?:$|[.,;(]))|li(?= (?:bein|arm|fuss|hand"
        r"|seite)(?![a-z]))|linke?[rsn]?|gauche|izquierd[oa]|izq\.?|left-sided|linksseitig\w*"
        r"|izda?\.?|m[is]g",
        *_LONE_LETTERS["left"],
    ),
    "right": words(
        r"right|rt|rechts\w*|re\.(?=[ ,])|(?<=[a-z]{4} )re\.?(?= *(?:$|[.,;(]))|re(?= (?:bein|arm|fuss|hand"
        r"|seite)(?![a-z]))|rechte?[rsn]?|droite?|derech[oa]|der\.|right-sided|rechtsseitig\w*",
        r"dch[ao]?\.?|dte|m[is]d",
        *_LONE_LETTERS["right"],
    ),
}


@remembered
def read_procedures(plain_text: str) -> tuple[str, ...]:
    """Canonical procedure words in a text, in the order in which they are written, each once.

    A procedure that the text denies ("no fusion", "without instrumentation") is not among them.
    """
    first = _ANY_PROCEDURE.search(plain_text)
    if first is None:
        return ()
    found = {
        name: position
        for name in PROCEDURES
        if (position := _first_affirmed(name, plain_text, first.start())) is not None
    }
    if any(name in found for name in _FUSIONS_BY_NAME):
        found.pop("FUSION", None)
    if "ACDF" in found:
        found.pop("DISCECTOMY", None)
    return tuple(sorted(found, key=lambda name: found[name]))


@remembered
def read_side(plain_text: str) -> str | None:
    """``left``, ``right`` or ``bilateral``; both sides named is bilateral, none is None."""
    named = [side for side, pattern in _SIDES.items() if pattern.search(plain_text)]
    if not named:
        return None
    return named[0] if len(named) == 1 else "bilateral"


@remembered
def read_tense(plain_text: str) -> Tense:
    """Whether the operation of one statement was done, is planned, or is denied."""
    if _DENIED.search(plain_text):
        return Tense.DONE if _EXCEPT.search(plain_text) else Tense.DENIED
    if _FUTURE_ONLY_AFTER_DONE.search(plain_text):
        return Tense.PLANNED
    done, planned = _first_done(plain_text), _PLANNED.search(plain_text)
    if done and planned:
        return Tense.DONE if done.start() < planned.start() else Tense.PLANNED
    if done or planned:
        return Tense.DONE if done else Tense.PLANNED
    return _tense_by_lead(plain_text)


def _tense_by_lead(plain_text: str) -> Tense:
    """Tense that the words about any procedure give: "control at one month of ...", "... as a child"."""
    if _LONG_PAST.search(plain_text) and (names_procedure(plain_text) or names_operation(plain_text)):
        return Tense.DONE
    if not names_procedure(plain_text):
        return Tense.UNSTATED
    for found in _ANY_PROCEDURE.finditer(plain_text):
        before = plain_text[max(0, found.start() - _WORDS_BEFORE) : found.start()]
        if _LEADS_TO_PLANNED.search(before):
            return Tense.PLANNED
        if _LEADS_TO_DONE.search(before) or _CARRIED_OUT.match(plain_text, found.end()):
            return Tense.DONE
    return Tense.UNSTATED


def _first_done(plain_text: str) -> re.Match[str] | None:
    """The first word of an operation done; "status post fracture" is not one."""
    return next((one for one in _DONE.finditer(plain_text) if not _NOT_AN_OPERATION.match(plain_text, one.end())), None)


def denies_operation(plain_text: str) -> bool:
    """Whether a text denies an operation anywhere."""
    return _DENIED.search(plain_text) is not None


@remembered
def names_procedure(plain_text: str) -> bool:
    """Whether a text has the word of any procedure, denied or not."""
    return _ANY_PROCEDURE.search(plain_text) is not None


@remembered
def names_operation(plain_text: str) -> bool:
    """Whether a text speaks of an operation without saying which, or of implants as put in."""
    if _OPERATION_NOUNS.search(plain_text) is not None:
        return True
    return _PUT_IN.search(plain_text) is not None and names_implants(plain_text)


@remembered
def names_implants(plain_text: str) -> bool:
    """Whether a text speaks of implants as present."""
    return any(
        not _NOT_DONE_BEFORE.search(plain_text, max(0, found.start() - _WORDS_BEFORE), found.start())
        for found in IMPLANTS.finditer(plain_text)
    )


def _first_affirmed(name: str, plain_text: str, begin: int) -> int | None:
    for found in PROCEDURES[name].finditer(plain_text, begin):
        if _CALLED_OFF.match(plain_text, found.end()):
            continue
        if not _NOT_DONE_BEFORE.search(plain_text[max(0, found.start() - _WORDS_BEFORE) : found.start()]):
            return found.start()
    return None
