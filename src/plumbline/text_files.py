"""Small files that a site writes by hand: secrets and settings. What is wrong with one is told in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, ScalarNode

from plumbline.errors import Misconfigured


def read_text_file(path: Path, *, what: str, where: str) -> str:
    """Text of a file.

    Parameters
    ----------
    what
        What the file is, for messages: "the file with the password".
    where
        Key of the setting that names it, or its path.

    Raises
    ------
    Misconfigured
        Where it cannot be read, or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{what} cannot be read ({error.strerror})", where=where) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Misconfigured(f"{what} is not UTF-8 in line {line}", where=where, remedy="Save it as UTF-8") from None


def read_secret(path: Path, *, what: str, where: str) -> str:
    """The secret that a file holds, without the blanks and line ends around it; see ``read_text_file``."""
    return read_text_file(path, what=what, where=where).strip()


def read_mapping(path: Path, *, what: str) -> dict[str, Any]:
    """Top of a YAML file whose keys are names, each written once; empty for an empty file.

    Raises
    ------
    Misconfigured
        Where it cannot be read, is not YAML, has a key twice, or is something else than a mapping.
    """
    text = read_text_file(path, what=what, where=str(path))
    try:
        content = yaml.load(text, Loader=_KeysOnce)
    except yaml.YAMLError as error:
        raise Misconfigured(f"{what} is not YAML: {_in_words(error)}", where=str(path)) from error
    except RecursionError as error:
        raise Misconfigured(f"{what} refers to itself", where=str(path)) from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise Misconfigured(f"{what} must hold sections such as 'listener:'", where=str(path))
    return content


class _KeysOnce(yaml.SafeLoader):
    """YAML 1.2.2, 3.2.1.1: keys of a mapping are unique. PyYAML silently takes the last one."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        first: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, ScalarNode):
                name, line = (key.tag, key.value), key.start_mark.line + 1
                if name in first:
                    told = f"'{key.value}' is written twice, first in line {first[name]}"
                    raise ConstructorError(None, None, told, key.start_mark)
                first[name] = line
        return super().construct_mapping(node, deep)


def _in_words(error: yaml.YAMLError) -> str:
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem is None:
        return " ".join(str(error).split())
    return f"{problem}, line {mark.line + 1}" if mark else problem
