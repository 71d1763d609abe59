"""Free text made plain, so that one pattern reads every spelling: no case, no accents, one kind of dash.

Positions are kept: character i of the plain text is character i of the composed text.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_ONE_CHARACTER = {
    **dict.fromkeys("‐‑‒–—−﹣－", "-"),
    **dict.fromkeys("’‘`´", "'"),
    **dict.fromkeys("⁄∕", "/"),
    "→": ">",
    "ß": "s",
    "œ": "o",
    "æ": "a",
    "ø": "o",
    "\u00a0": " ",
    "\u2009": " ",
    "\u202f": " ",
    "\t": " ",
    "\r": "\n",
}

CLAUSE_BREAK = re.compile(
    r"[;\n]|\.(?=\s|$)(?<!\bz\.)(?<!\bn\.)(?<!\bst\.)(?<!\bzust\.)(?<!\bv\.)(?<!\ba\.)(?<!\s\d\.)(?<!\s\d\d\.)(?<!^\d\.)(?<!^\d\d\.)"
    r"|\b(?:but|however|now|aber|jetzt|aktuell|mais|maintenant|pero|ahora|actualmente)\b"
)
"""Where one statement ends and the next begins: punctuation (not the dots of "Z. n."), or a word that turns."""


def plain(text: str) -> str:
    """``text`` in composed form, lower case, without accents, same length as the composed form."""
    return "".join(_plain_character(character) for character in unicodedata.normalize("NFC", text))


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


@cache
def _plain_character(character: str) -> str:
    known = _ONE_CHARACTER.get(character)
    if known is not None:
        return known
    lowered = unicodedata.normalize("NFKD", character)[:1].lower()
    return lowered if len(lowered) == 1 else character
