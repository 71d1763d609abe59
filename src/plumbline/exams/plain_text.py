"""Free text made plain, so that one pattern reads every spelling: no case, no accents, one kind of dash.

Plain text is only read, never shown: the reader's own words stay as they were written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

_REMEMBERED_TEXTS = 4096
"""By each reader. The texts of a patient come again with each of the patient's exams, and hospitals use few words."""
_forgetting: list[Callable[[], None]] = []
Reader = TypeVar("Reader", bound=Callable[..., Any])


def remembered(read: Reader) -> Reader:
    """A reader that reads a text only once, as long as it is among the last so many."""
    once = lru_cache(maxsize=_REMEMBERED_TEXTS)(read)
    _forgetting.append(once.cache_clear)
    return once  # type: ignore[return-value]


def forget_texts() -> None:
    """Have every text read anew, as in a process that has just begun; for measurements."""
    for forget in _forgetting:
        forget()


_ONE_CHARACTER = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—−", "-"),
        **dict.fromkeys("’‘`´", "'"),
        **dict.fromkeys("⁄∕", "/"),
        "→": ">",
        "ß": "ss",
        "œ": "o",
        "æ": "a",
        "ø": "o",
        "\t": " ",
        "\r": "\n",
    }
)

_ABBREVIATIONS = (
    "z n st zust v a f u o b re li bds ca bek izq der izda dcha postop wdh vd sd mo wo mon j approx"
    " jan feb mar apr jun jul aug sep sept oct okt nov dec dez ene abr ago dic janv fevr juil int m schm"
    " dekompr decompr"
)
CLAUSE_BREAK = re.compile(
    r"[;\n]|\.(?=\s|$)"
    + "".join(rf"(?<!\b{short}\.)" for short in _ABBREVIATIONS.split())
    + r"(?<!\s\d\.)(?<!\s\d\d\.)(?<!^\d\.)(?<!^\d\d\.)(?<!\d\.\d\.)(?<!\d\.\d\d\.)"
    r"(?!(?<=\bop\.)\s(?:\d|jan|feb|fev|mar|apr|abr|avr|ma[iy]|jun|jui|jul|aug|ago|sep|o[ck]t|nov|de[cz]|dic|ene))"
    r"|\b(?:but|however|now|aber|jetzt|aktuell|mais|maintenant|pero|ahora|actualmente)\b"
)
"""Where one statement ends and the next begins: punctuation (not the dots of "Z. n."), or a word that turns."""


_GERMAN_STEMS = (
    "schwäch lähm rücken entzünd geröt rötung überw flüssig stör gefühl körper höh stärk plötz früh nächst märz fünf"
    " zwölf läsion präop gesäß fällig fuß fähig eröff stäb wöch möglich verkürz größ lösung spät täg müd säul überg"
    " rückn rückb rückw rückl seitwärt vorwärt schräg"
)
"""Beginnings in which an umlaut or a sharp s is often written in two letters, or lost on the way."""
_SIGNS_OF_UMLAUTS = ("ae", "oe", "ue", "ss", "?", "\ufffd")
_MANGLED_UTF8 = re.compile("[\u00c2\u00c3][\u0080-\u00bf\u0152-\u0192\u02c6-\u2122]")
"""A letter of UTF-8 that was read as two of Windows-1252, as "Ã¤" for "ä"."""


@remembered
def plain(text: str) -> str:
    """``text`` in lower case, without accents and ligatures, with one kind of dash, quote and space.

    Umlauts written in two letters ("Haematom"), lost ("Fu?heber") or misread ("LÃ¤hmung") are read as meant.
    """
    if text.isascii():
        return _with_umlauts(text.lower()).translate(_ONE_CHARACTER)
    letters = unicodedata.normalize("NFKD", _MANGLED_UTF8.sub(_as_utf8, text)).lower()
    return _with_umlauts("".join(each for each in letters if not unicodedata.combining(each))).translate(_ONE_CHARACTER)


def _as_utf8(mangled: re.Match[str]) -> str:
    try:
        return mangled[0].encode("cp1252").decode("utf-8")
    except UnicodeError:
        return mangled[0]


def _spellings() -> dict[str, str]:
    """From "schwaech" and "schw?ch" to "schwach"."""
    plain_of = str.maketrans({"ä": "a", "ö": "o", "ü": "u", "ß": "ss"})
    in_two = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
    lost = [str.maketrans(dict.fromkeys("äöüß", mark)) for mark in "?\ufffd"]
    written = {
        stem.translate(spelling): stem.translate(plain_of)
        for stem in _GERMAN_STEMS.split()
        for spelling in (in_two, *lost)
    }
    return {spelling: meant for spelling, meant in written.items() if spelling != meant}


_MEANT = _spellings()
_MISSPELT = re.compile("|".join(re.escape(each) + "(?=[a-z])" for each in sorted(_MEANT, key=len, reverse=True)))


def _with_umlauts(letters: str) -> str:
    """Lower-case text with German umlauts as plain letters, however they were written."""
    if not any(sign in letters for sign in _SIGNS_OF_UMLAUTS):
        return letters
    return _MISSPELT.sub(lambda found: _MEANT[found[0]], letters)


def clauses(plain_text: str) -> tuple[str, ...]:
    """The statements of a plain text, in order, none empty; the word that turns opens the next statement."""
    parts: list[str] = []
    start = 0
    for found in CLAUSE_BREAK.finditer(plain_text):
        parts.append(plain_text[start : found.start()])
        start = found.start() if found[0].isalpha() else found.end()
    parts.append(plain_text[start:])
    return tuple(part.strip() for part in parts if part.strip())


def words(*alternatives: str) -> re.Pattern[str]:
    """A pattern that finds any of the alternatives as whole words; each may itself be a pattern."""
    return re.compile(r"(?<![a-z0-9])(?:" + "|".join(alternatives) + r")(?![a-z0-9])")


def any_of(patterns: Iterable[re.Pattern[str]]) -> re.Pattern[str]:
    """One pattern that finds what any of the patterns finds: a single pass tells that a text has none of them."""
    return re.compile("|".join(f"(?:{pattern.pattern})" for pattern in patterns))
