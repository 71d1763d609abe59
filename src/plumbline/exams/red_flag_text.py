"""Red flags in the words of an order: situations that cannot wait (clinical.md), in four languages, negation heeded.

A flag that is only suspected counts ("?cauda equina"); one that is denied does not ("no fever"). Where
the words are unclear the flag is raised: a false alarm costs a look, a missed one may cost function.
"""

from __future__ import annotations

import re

from plumbline.exams.facts import RedFlag
from plumbline.exams.plain_text import CLAUSE_BREAK, words
from plumbline.exams.red_flag_terms import ANY_TERM, TERMS

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
    r"|\s(?:function |control |tone |sensation )?(?:was |is |were |wurde |wird |has been |)"
    r"(?:den(?:ied|ies)|absent|normal|intact|preserved|unremarkable"
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
    if not ANY_TERM.search(plain_text):
        return ()
    statements = _split(_NOT_A_FLAG.sub(lambda found: " " * len(found[0]), plain_text))
    return tuple(flag for flag in RedFlag if any(_is_raised(flag, statement) for statement in statements))


def _split(plain_text: str) -> list[str]:
    return [part for part in CLAUSE_BREAK.split(plain_text) if part.strip()]


def _is_raised(flag: RedFlag, statement: str) -> bool:
    return any(not _is_denied(statement, found) for found in TERMS[flag].finditer(statement))


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
