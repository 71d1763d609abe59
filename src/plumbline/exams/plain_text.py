"""Free text made plain, so that one pattern reads every spelling: no case, no accents, one kind of dash.

Plain text is only read, never shown: the reader's own words stay as they were written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_ONE_CHARACTER = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—−", "-"),
        **dict.fromkeys("’‘`´", "'"),
        **dict.fromkeys("⁄∕", "/"),
        "→": ">",
        "ß": "s",
        "œ": "o",
        "æ": "a",
        "ø": "o",
        "\t": " ",
        "\r": "\n",
    }
)

CLAUSE_BREAK = re.compile(
    r"[;\n]|\.(?=\s|$)(?<!\bz\.)(?<!\bn\.)(?<!\bst\.)(?<!\bzust\.)(?<!\bv\.)(?<!\ba\.)(?<!\bre\.)(?<!\bli\.)(?<!\bbds\.)(?<!\bca\.)"
    r"(?<!\s\d\.)(?<!\s\d\d\.)(?<!^\d\.)(?<!^\d\d\.)"
    r"|\b(?:but|however|now|aber|jetzt|aktuell|mais|maintenant|pero|ahora|actualmente)\b"
)
"""Where one statement ends and the next begins: punctuation (not the dots of "Z. n."), or a word that turns."""


def plain(text: str) -> str:
    """``text`` in lower case, without accents and ligatures, with one kind of dash, quote and space."""
    if text.isascii():
        return text.lower().translate(_ONE_CHARACTER)
    letters = unicodedata.normalize("NFKD", text).lower()
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).translate(_ONE_CHARACTER)


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
