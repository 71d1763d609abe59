"""Words of a field gathered under what they mean, and where a plain text mentions each meaning.

A word list names single words and phrases, ``*`` standing for any letters: ``incontinen*, pass urine``. A
long word with one letter wrong, lacking or doubled is still read. What a combination of meanings amounts
to is not decided here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(r"[a-z]+\d?\d?(?![a-z0-9])|[a-z]+|\d+(?:[.,]\d+)*[-+]?(?:/\d+)?|[?#]")
_FORGIVEN_FROM_LETTERS = 8
"""Shorter words differ by one letter from too many others."""
_WORDS_REMEMBERED = 8192


@dataclass(frozen=True, slots=True)
class Mention:
    """Where a text mentions a meaning: by number of word (``first`` to ``last``) and of character."""

    meaning: str
    first: int
    last: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Entry:
    meaning: str
    words: tuple[re.Pattern[str], ...]


class Vocabulary:
    """Word lists by meaning.

    Parameters
    ----------
    lists
        For each meaning its words and phrases, separated by commas, as plain text.
    numbers
        For each meaning a pattern of the numbers that stand for it, such as a temperature of fever.
    """

    def __init__(self, lists: Mapping[str, str], numbers: Mapping[str, re.Pattern[str]]) -> None:
        self._by_opening: dict[str, list[_Entry]] = defaultdict(list)
        self._stems: dict[str, list[_Entry]] = defaultdict(list)
        self._numbers = numbers
        for meaning, listed in lists.items():
            for written in filter(None, (part.strip() for part in listed.replace("\n", " ").split(","))):
                self._learn(meaning, written.split())
        self._opened_by = lru_cache(maxsize=_WORDS_REMEMBERED)(self._look_up)

    def mentions(self, plain_text: str) -> list[Mention]:
        """All mentions of any meaning, in the order of their first words."""
        tokens = [(found[0], found.start(), found.end()) for found in _TOKEN.finditer(plain_text)]
        found: list[Mention] = []
        for number, (word, start, _) in enumerate(tokens):
            for entry in self._opened_by(word):
                last = number + len(entry.words) - 1
                following = tokens[number + 1 : last + 1]
                if last < len(tokens) and all(
                    pattern.fullmatch(token[0]) for pattern, token in zip(entry.words[1:], following, strict=True)
                ):
                    found.append(Mention(entry.meaning, number, last, start, tokens[last][2]))
        return found

    def _learn(self, meaning: str, written: list[str]) -> None:
        entry = _Entry(meaning, tuple(_pattern(word) for word in written))
        self._by_opening["*" if written[0].startswith("*") else written[0][:1]].append(entry)
        stem = written[0].removesuffix("*")
        if stem.isalpha() and len(stem) >= _FORGIVEN_FROM_LETTERS:
            for shortened in _with_one_letter_less(stem):
                self._stems[shortened].append(entry)

    def _look_up(self, word: str) -> tuple[_Entry, ...]:
        if word[0].isdigit():
            return tuple(_Entry(name, (p,)) for name, p in self._numbers.items() if p.fullmatch(word))
        candidates = (*self._by_opening[word[0]], *self._by_opening["*"])
        exact = tuple(entry for entry in candidates if entry.words[0].fullmatch(word))
        return exact or self._forgiven(word)

    def _forgiven(self, word: str) -> tuple[_Entry, ...]:
        """Entries whose stem the word has but for one letter."""
        if len(word) < _FORGIVEN_FROM_LETTERS:
            return ()
        near: dict[_Entry, None] = {}
        for length in range(_FORGIVEN_FROM_LETTERS - 1, len(word) + 1):
            beginning = word[:length]
            for shortened in (beginning, *_with_one_letter_less(beginning)):
                near.update(dict.fromkeys(self._stems.get(shortened, ())))
        return tuple(entry for entry in near if entry.words[0].pattern[0] == word[0])


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(re.escape(word).replace(r"\*", "[a-z]*"))


def _with_one_letter_less(word: str) -> set[str]:
    return {word[:place] + word[place + 1 :] for place in range(len(word))}
