"""Find links in the Markdown documents that lead nowhere: a missing file, heading or line.

Only links inside the repository are followed; nothing is fetched.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SKIPPED_FOLDERS = {".venv", ".git", "build", "node_modules"}

_FENCED_CODE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
_INLINE_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
_LINE_ANCHOR = re.compile(r"L(\d+)(?:-L(\d+))?")


@dataclass(frozen=True)
class BrokenLink:
    """A link in a document whose target does not exist."""

    document: Path
    target: str
    reason: str

    def __str__(self) -> str:
        return f"{self.document}: {self.target}: {self.reason}"


def broken_links(root: Path) -> list[BrokenLink]:
    """Return every link of the documents under `root` that leads nowhere, in the order of reading."""
    documents = (path for path in sorted(root.rglob("*.md")) if not SKIPPED_FOLDERS & set(path.relative_to(root).parts))
    return [link for document in documents for link in _broken_in(document, root)]


def _broken_in(document: Path, root: Path) -> list[BrokenLink]:
    text = _INLINE_CODE.sub(_without_target, _FENCED_CODE.sub("", document.read_text(encoding="utf-8")))
    checked = ((target, _fault(document, target)) for target in _LINK.findall(text))
    return [BrokenLink(document.relative_to(root), target, fault) for target, fault in checked if fault]


def _without_target(code: re.Match[str]) -> str:
    """Keep inline code as a link's text, but never let it open a link of its own."""
    return "code" if "](" in code.group() else code.group().replace("]", "")


def _fault(document: Path, target: str) -> str | None:
    if re.match(r"[a-z]+:", target):
        return None
    path, _, anchor = target.partition("#")
    file = (document.parent / path).resolve() if path else document
    if not file.exists():
        return "no such file"
    return _anchor_fault(file, anchor) if anchor else None


def _anchor_fault(file: Path, anchor: str) -> str | None:
    if file.suffix == ".md":
        return None if anchor in heading_anchors(file.read_text(encoding="utf-8")) else "no such heading"
    if lines := _LINE_ANCHOR.fullmatch(anchor):
        last = int(lines[2] or lines[1])
        return None if last <= len(file.read_text(encoding="utf-8").splitlines()) else "the file has fewer lines"
    return "only a line (L12) can be named in this file"


def heading_anchors(text: str) -> set[str]:
    """Return the anchors that a Markdown viewer gives to the headings of a document."""
    titles = _HEADING.findall(_FENCED_CODE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def main() -> int:
    """Print the broken links of this repository and return whether there are any."""
    found = broken_links(ROOT)
    for link in found:
        print(link)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
