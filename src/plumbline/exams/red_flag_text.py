"""Red flags in the words of an order: situations that cannot wait (clinical.md), in four languages, negation heeded.

A flag that is only suspected counts ("?cauda equina"); one that is denied does not ("no fever"). Where
the words are unclear the flag is raised: a false alarm costs a look, a missed one may cost function.
"""

from __future__ import annotations

import re

from plumbline.exams.facts import RedFlag
from plumbline.exams.plain_text import CLAUSE_BREAK, any_of, words

_TERMS = {
    RedFlag.CAUDA_EQUINA: words(
        r"cauda(?: equina)?(?:-?syndrom\w*)?|kauda\w*|(?:r/o |query |suspected |possible |acute |\?)ces|ces(?=\?)"
        r"|conus[- ]?(?:syndrom\w*|compression)|queue de cheval|cola de caballo",
        r"cauda equina|saddle (?:an(?:a)?esthesia|numbness|paresthesia|hyp(?:o|a)esthesia)|reithosen\w*",
        r"an(?:a)?esthesie en selle|hypoesthesie (?:en selle|perineale)|anestesia en silla(?: de montar)?",
        r"perineal (?:numbness|an(?:a)?esthesia)|perianal numbness",
        r"(?:acute |new )?(?:urinary|urine|bladder) (?:retention|incontinence|dysfunction)",
        r"(?:bowel|fecal|faecal|stool) incontinence",
        r"(?:bladder|bowel)(?:/| and | or |& ?)(?:bowel|bladder)|sphincter \w+",
        r"harn(?:verhalt\w*|inkontinenz|retention)|blasen-?(?:storung\w*|lahmung)|blasen-?mastdarm-?\w+",
        r"stuhlinkontinenz|mastdarm\w*|retention (?:aigue )?d'urines?|retention urinaire",
        r"(?:incontinence|troubles?) (?:urinaire|anale?|fecale|sphincterien\w*)s?|troubles sphincteriens",
        r"retencion (?:aguda )?(?:urinaria|de orina)|incontinencia(?: urinaria| fecal)?|esfinter\w*",
        r"(?:urinary )?retention(?! cyst)|incontinence|incontinent",
        r"(?:unable to|cannot|can't|can not|could not|impossibilite d[e']) ?(?:pass urine|void|urinate|uriner)"
        r"|urinary hesitancy|numb(?:ness)? (?:of |in )?(?:the )?perine\w+|perine(?:um|al) numb\w*",
        r"(?:loss of|lost) (?:bladder|bowel|sphincter) control|wasserlassen nicht|miktions\w+|perianal\w*"
        r"|reithosen\w*|inkontinen\w+",
        r"troubles (?:urinaires|mictionnels|sphincteriens)|relajacion de esfinteres",
        r"kann (?:kein wasser|nicht wasser) lassen|ne (?:peut|parvient) (?:pas|plus)(?: a)? uriner|no puede orinar",
    ),
    RedFlag.NEW_DEFICIT: words(
        r"new (?:\w+ ){0,2}(?:deficits?|weakness|paresis|palsy|numbness|foot ?drop|paraparesis)",
        r"(?:progressive|acute|sudden|worsening) (?:\w+ ){0,2}(?:deficits?|weakness|paresis|paraparesis"
        r"|foot ?drop|myelopathy)",
        r"foot ?drop|drop foot|(?:motor|neurologic(?:al)?|neuro) deficits?|para(?:plegia|paresis)|paraparese",
        r"paraplegie|tetraparese|neue?s? (?:\w+ ){0,2}(?:defizit\w*|parese|lahmung\w*|schwache)",
        r"(?:progrediente|akute) (?:\w+ )?(?:parese|lahmung\w*|schwache)|fuss?heber(?:parese|schwache)?",
        r"fusheber(?:parese|schwache)?|(?:neurologisches? |motorisches? )defizit\w*|querschnitt\w*|parese\w*",
        r"deficit (?:moteur|neurologique)\w*|paraparesie|paralysie|steppage|pied tombant|releveurs?",
        r"paresies?|deficit (?:motor|neurologico|nuevo)\w*|pie (?:caido|equino)|paresia|paraparesia|paralisis",
        r"(?:zunehmende|neu aufgetretene|plotzliche) (?:\w+ )?(?:parese|lahmung\w*|schwache)",
        r"(?:unable to|cannot|can't) (?:\w+ )?(?:dorsiflex|lift|move|walk|stand)",
        r"\w*(?:bein|fus|hand|arm)\w*(?:lahmung|schwache)|faiblesse d\S+|faiblesse (?:de |des )?\w+|deficits?"
        r"|loss of (?:strength|power)|kraftverlust|perte de force|perdida (?:progresiva )?de fuerza"
        r"|\w*heberschwache",
        r"debilidad (?:nueva|progresiva|aguda|reciente)|leg weakness|motor weakness",
        r"weakness (?:of|in) (?:\w+ ){0,2}(?:leg|legs|foot|arm|hand)|aggravation neurologique",
    ),
    RedFlag.BLEEDING: words(
        r"h(?:a)?emorrhag\w+|bleed(?:ing)?|(?:epidural |postoperative |expanding |wound )?h(?:a)?ematoma",
        r"blood loss|bloody|(?:hgb|hb|h(?:a)?emoglobin) (?:is )?(?:falling|fell|dropp\w+|drop|low)|(?:drop in"
        r"|falling|low) (?:hb|h(?:a)?emoglobin)|hb drop|hb-?abfall|blutung|nachblutung",
        r"hamatom|epiduralhamatom|saignement|hemorragie|hematome|sangrado|hemorragia|hematoma|anemi[ae] aigue",
    ),
    RedFlag.INFECTION: words(
        r"fever\w*|febrile|pyrexia|chills|rigors|sepsis|septic|infect(?:ion|ed|ious)|spondylodis[ck]itis",
        r"dis[ck]itis|osteomyelitis|abscess\w*|(?:wound |purulent )?(?:discharge|drainage)(?! planned)|pus",
        r"wound (?:dehiscence|breakdown|infection)",
        r"(?:elevated|raised|rising|high) (?:crp|esr|wbc|white cell\w*|inflammatory markers|markers)",
        r"(?:crp|esr|wbc) (?:elevated|raised|rising|up|high|\d{2,3})|fieber\w*|schuttelfrost|infekt\w*|sekretion",
        r"wundheilungsstorung\w*|eiter\w*|abszess\w*|spondylodiszitis",
        r"(?:crp|entzundungswerte|entzundungszeichen)[- ]?(?:anstieg|erhoht|erhohung|steigend)|fistel|fievre",
        r"frissons|infection|infecti\w+|ecoulement|spondylodiscite|abces|syndrome inflammatoire",
        r"cicatrice inflammatoire|fiebre|febril|escalofrios|infeccion|supuracion|secrecion|exudado",
        r"espondilodiscitis|absceso|pcr (?:elevada|alta|\d{2,3})|dehiscencia",
    ),
    RedFlag.RADICULAR_PAIN_ON_WAKING: words(
        r"(?:new |acute |severe )?(?:radicular|leg|arm) pain (?:on|upon|after|immediately after) (?:waking"
        r"|awakening|wake-?up|emergence|recovery)",
        r"(?:woke|awoke) (?:up )?(?:with|from)(?: \w+){0,5} (?:leg|radicular|arm) pain",
        r"radicular pain immediately post-?op\w*",
        r"(?:radikular\w*|bein)-?schmerz\w* (?:nach|beim) (?:dem )?(?:auf|er)wachen",
        r"(?:douleur|cruralgie|sciatique|sciatalgie|radiculalgie)s?(?: \w+){0,3} au reveil",
        r"dolor (?:radicular|ciatico)(?: \w+){0,3} al despertar",
    ),
    RedFlag.POSTURAL_HEADACHE: words(
        r"cephalees? (?:en position debout|debout)|headaches? (?:worse )?(?:when |on |in )?(?:upright|standing)",
        r"(?:postpunktionel\w+ )?kopfschmerz\w* im stehen|post-?dural puncture headache|pdph"
        r"|postpunktionel\w+ kopfschmerz\w*",
        r"(?:postural|orthostatic|positional|low[- ]pressure) headaches?",
        r"headaches? (?:worse )?(?:on |when )?(?:standing|upright|sitting up)|csf (?:leak|fistula)",
        r"dural (?:leak|tear)|(?:orthostatische?r?|lageabhangige?r?|posturale?r?) kopfschmerz\w*",
        r"liquor(?:leck|fistel|verlust\w*|kissen)|cephalees? (?:posturale|orthostatique)s?|fuite (?:de )?lcr",
        r"breche durale|cefalea (?:postural|ortostatica)|fuga de (?:lcr|liquido)|fistula de lcr",
    ),
    RedFlag.CANCER: words(
        r"melanom\w*|sarcom\w*|sarkom\w*|leuk\w+|night sweats|weight loss|gewichtsverlust|ca (?:de|du) \w+"
        r"|lung ca|tumoral\w*",
        r"cancer|carcinom\w+|metasta\w+|malignan\w+|tumou?rs?|neoplas\w+|myeloma|lymphoma|mets",
        r"(?:breast|prostate|lung|renal) ca|krebs\w*|karzinom\w*|malignom\w*|neoplasi[ea]|plasmozytom",
        r"\w+karzinom|\w+-ca|filiae|raumforderung|maligne?|tumeur|neoplasie|myelome|lymphome|metastase\w*",
        r"tumor\w*|mieloma|linfoma|neoplasico",
    ),
    RedFlag.NEW_PAIN_AFTER_PROCEDURE: words(
        r"(?:new|progressive|worsening|increasing|severe|acute) (?:\w+ ){0,2}(?:pain|lbp) (?:after|following"
        r"|since|post) (?:\w+ ){0,3}(?:injection|puncture|surgery|operation|procedure|epidural|fusion|tlif|plif"
        r"|alif|acdf|discectomy|laminectomy|decompression|kyphoplasty)",
        r"(?:neue|progrediente|zunehmende|starke) (?:\w+ ){0,2}schmerzen (?:nach|seit) (?:\w+ ){0,2}(?:op"
        r"|operation|infiltration|punktion|spondylodese)",
        r"(?:nouvelles? |aggravation des? )(?:douleurs?|lombalgies?) (?:apres|depuis) (?:\w+ ){0,2}(?:chirurgie"
        r"|infiltration|operation|intervention|arthrodese)",
        r"dolor (?:nuevo|progresivo|creciente|intenso) (?:tras|despues de|desde) (?:\w+ ){0,2}(?:cirugia"
        r"|infiltracion|operacion|puncion|artrodesis)",
    ),
}

_ANY_TERM = any_of(_TERMS.values())

_NEGATORS = words(
    r"no|not|without|w/o|den(?:ies|ied|ying)|negative for|absence of|free of|never|nor|non|kein\w*|ohne|nicht",
    r"verneint|ni|pas|sans|aucune?|absence de|sin|niega|ausencia de|nunca",
)
_AFFIRMING = words(
    r"new|with|has|had|having|presents?|presenting|complains|also|positive|increasing|progressive|mit|neue?[rs]?",
    r"hat|zeigt|avec|nouveau|nouvelle|presente|con|nuevo|nueva|refiere",
)
_LISTING = words(r"or|nor|oder|ou|ni|noch|o")
"""Joins the last of several denied things; "and" may join an affirmed one, so it does not."""
_DENIAL_REACH = 160
"""Characters over which a denial can hold: a long list of symptoms."""
_DENIED_AFTER = re.compile(
    r"\s*(?:[:=]?\s*(?:no|nein|non|none|neg|negative|negativ|negatif|negativo)(?![a-z])"
    r"|\s(?:was |is |were |wurde |wird |has been |)(?:den(?:ied|ies)|absent|normal|intact|preserved|unremarkable"
    r"|unauffallig|intakt|excluded|ruled out|resolved|verneint"
    r"|ausgeschlossen|negiert|exclue?|ausente|descartad[oa]))"
)
_HISTORY_ONLY = words(
    r"a?febrile|unremarkable",
)
_UNCERTAIN_OPENERS = words(
    r"rule out|r/o|exclude|to exclude|\?|suspected|suspicion|query|ausschluss|v\.? ?a\.?|eliminer|descartar",
    r"eliminate",
)
_NOT_A_FLAG = words(
    r"afebrile|fieberfrei|apyretique|apyrexie|afebril|(?:disc|disk) (?:infection|herniation) free",
    r"anti-?infect\w+|infection control|infection prevention|non-?malignant|benign tumou?r",
)


def read_red_flags(plain_text: str) -> tuple[RedFlag, ...]:
    """Red flags that a text raises, in the order of ``RedFlag``, each once."""
    if not _ANY_TERM.search(plain_text):
        return ()
    statements = _split(_NOT_A_FLAG.sub(lambda found: " " * len(found[0]), plain_text))
    return tuple(flag for flag in RedFlag if any(_is_raised(flag, statement) for statement in statements))


def _split(plain_text: str) -> list[str]:
    return [part for part in CLAUSE_BREAK.split(plain_text) if part.strip()]


def _is_raised(flag: RedFlag, statement: str) -> bool:
    return any(not _is_denied(statement, found) for found in _TERMS[flag].finditer(statement))


def _is_denied(statement: str, found: re.Match[str]) -> bool:
    before = statement[max(0, found.start() - _DENIAL_REACH) : found.start()]
    after = statement[found.end() : found.end() + _DENIAL_REACH]
    if _DENIED_AFTER.match(after):
        return True
    negators = list(_NEGATORS.finditer(before))
    if not negators:
        return False
    between = before[negators[-1].end() :]
    if _AFFIRMING.search(between) or _UNCERTAIN_OPENERS.search(between):
        return False
    return "," not in between or _LISTING.search(between + after[:40].split(",")[-1]) is not None
