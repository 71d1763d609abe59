"""Red flags in the words of an order: situations that cannot wait (clinical.md), in four languages, negation heeded.

A flag that is only suspected counts ("?cauda equina"); one that is denied does not ("no fever"). Where
the words are unclear the flag is raised: a false alarm costs a look, a missed one may cost function.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise, product
from operator import attrgetter
from typing import NamedTuple

from plumbline.exams.facts import RedFlag
from plumbline.exams.plain_text import CLAUSE_BREAK, words
from plumbline.exams.red_flag_words import COMPOUNDS, FADES_WHEN_LONG_KNOWN, NUMBERS, SIGNS, WORDS, Sign
from plumbline.exams.vocabulary import Mention, Vocabulary

_VOCABULARY = Vocabulary(WORDS, NUMBERS)
_SIGNS_BY_OPENING = {
    opening: [(flag, sign) for flag, signs in SIGNS.items() for sign in signs if sign.meanings[0] == opening]
    for opening in {sign.meanings[0] for signs in SIGNS.values() for sign in signs}
}
"""Only signs whose first meaning a statement mentions need to be looked for in it."""
_NEGATORS = words(
    r"no|not|nil|without|w/o|den(?:ies|ied|ying)|negative for|neg for|absence of|free of|never|nor|non|kein\w*|ohne"
    r"|nicht|verneint|ni|pas|sans|aucune?|absence de|sin|niega|ausencia de|nunca",
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
    r"\s*(?:syndrom\w*\s|symptom\w*\s|signs?\s|function\s|control\s|tone\s|sensation\s|de\s\w+\s)?"
    r"(?:[:=]?\s*(?:no|nein|non|none|nil|neg|negative|negativ|negatif|negativo)(?![a-z])"
    r"|(?:was |is |were |wurde |wird |has been |have been |ist |sont |est |esta )?"
    r"(?:den(?:ies|ied)|absent|normal\w*|intact|preserved|unremarkable|unauffallig|intakt|erhalten|excluded|ruled out"
    r"|resolved|verneint|ausgeschlossen|negiert|exclue?|ausente|descartad[oa]|conservad[oa]s?|conserve\w*))"
)
_UNCERTAIN_OPENERS = words(
    r"rule out|r/o|exclude|to exclude|\?|suspected|suspicion|query|ausschluss|v\.? ?a\.?|eliminer|descartar",
    r"eliminate",
)
_NOT_A_FLAG = words(
    r"afebrile|fieberfrei|apyretique|apyrexie|afebril|(?:disc|disk) (?:infection|herniation) free",
    r"anti-?infect\w+|infection control|infection prevention|non-?malignant|benign tumou?r|retention cyst",
    r"discharge (?:planned|summary|home|today|tomorrow|letter|plan)|lumbar puncture",
)
_LONGEST_PHRASE = 8
"""Words of the longest phrase, and some."""
_BESIDE = 3
"""Words between a sign and the word that says it is long known."""


class _Found(NamedTuple):
    """Where a statement shows a sign: by number of word and of character."""

    first: int
    last: int
    start: int
    end: int


def read_red_flags(plain_text: str) -> tuple[RedFlag, ...]:
    """Red flags that a text raises, in the order of ``RedFlag``, each once."""
    said = _NOT_A_FLAG.sub(lambda found: " " * len(found[0]), plain_text)
    raised = {flag for statement in CLAUSE_BREAK.split(said) for flag in _raised_by(statement)}
    return tuple(flag for flag in RedFlag if flag in raised)


def _raised_by(statement: str) -> Iterator[RedFlag]:
    told = _Statement(statement)
    if not told.mentions:
        return
    for opening in list(told.mentions):
        for flag, sign in _SIGNS_BY_OPENING.get(opening, ()):
            if any(not told.denies(found) and not told.fades(flag, found) for found in told.shows(sign)):
                yield flag


class _Statement:
    """One statement and what it mentions; a phrase counts in place of the words in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.mentions: dict[str, list[Mention]] = {}
        for mention in _without_parts(_VOCABULARY.mentions(text)):
            self.mentions.setdefault(mention.meaning, []).append(mention)
        for name, signs in COMPOUNDS.items():
            shown = {one for sign in signs for one in self.shows(sign)}
            if shown:
                self.mentions[name] = [Mention(name, *one) for one in sorted(shown)]

    def shows(self, sign: Sign) -> Iterator[_Found]:
        """Each place where the statement shows the sign."""
        if any(meaning not in self.mentions for meaning in sign.meanings) or sign.unless in self.mentions:
            return
        opening, *others = sign.meanings
        for anchor in self.mentions[opening]:
            near = [self._near(anchor, meaning, sign.within + _LONGEST_PHRASE) for meaning in others]
            for parts in product((anchor,), *near):
                if self._are_together(sign, parts):
                    yield _Found(
                        min(part.first for part in parts),
                        max(part.last for part in parts),
                        min(part.start for part in parts),
                        max(part.end for part in parts),
                    )

    def _near(self, anchor: Mention, meaning: str, reach: int) -> list[Mention]:
        mentions = self.mentions[meaning]
        first = bisect_left(mentions, anchor.first - reach, key=attrgetter("first"))
        last = bisect_right(mentions, anchor.last + reach, key=attrgetter("first"))
        return mentions[first:last]

    def _are_together(self, sign: Sign, parts: tuple[Mention, ...]) -> bool:
        ordered = sorted(parts, key=lambda part: part.first)
        if sign.in_order and ordered != list(parts):
            return False
        between = 0
        for earlier, later in pairwise(ordered):
            if later.first <= earlier.last:
                return False
            between += later.first - earlier.last - 1
            gap = self._text[earlier.end : later.start]
            if ("," in gap and not sign.over_commas) or _NEGATORS.search(gap):
                return False
        return between <= sign.within

    def denies(self, found: _Found) -> bool:
        """Whether the words before or after say that it is not so."""
        before = self._text[max(0, found.start - _DENIAL_REACH) : found.start]
        after = self._text[found.end : found.end + _DENIAL_REACH]
        if _DENIED_AFTER.match(after):
            return True
        negators = list(_NEGATORS.finditer(before))
        if not negators:
            return False
        between = before[negators[-1].end() :]
        if _AFFIRMING.search(between) or _UNCERTAIN_OPENERS.search(between):
            return False
        return "," not in between or _LISTING.search(between + after[:40].split(",")[-1]) is not None

    def fades(self, flag: RedFlag, found: _Found) -> bool:
        """Whether the words beside it say that it is long known, and none says that it is new."""
        if flag not in FADES_WHEN_LONG_KNOWN or any(not self._is_denied(each) for each in self.mentions.get("new", ())):
            return False
        return any(self._is_beside(found, known) for known in self.mentions.get("long known", ()))

    def _is_denied(self, mention: Mention) -> bool:
        return self.denies(_Found(mention.first, mention.last, mention.start, mention.end))

    def _is_beside(self, found: _Found, mention: Mention) -> bool:
        if mention.last < found.first:
            return found.first - mention.last <= _BESIDE and "," not in self._text[mention.end : found.start]
        return mention.first - found.last <= _BESIDE


def _without_parts(mentions: Iterable[Mention]) -> Iterator[Mention]:
    """The mentions that are not inside a longer one."""
    phrases: dict[int, list[Mention]] = defaultdict(list)
    mentions = list(mentions)
    for mention in mentions:
        if mention.last > mention.first:
            for word in range(mention.first, mention.last + 1):
                phrases[word].append(mention)
    for mention in mentions:
        if not any(_is_part_of(mention, phrase) for phrase in phrases[mention.first]):
            yield mention


def _is_part_of(mention: Mention, phrase: Mention) -> bool:
    is_within = phrase.first <= mention.first and mention.last <= phrase.last
    return is_within and (mention.last - mention.first) < (phrase.last - phrase.first)
