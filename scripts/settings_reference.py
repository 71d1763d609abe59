"""Write docs/settings.md from the settings' models: every key with its type, default and reason.

``python scripts/settings_reference.py`` writes the document; ``tests/unit/house`` tells where it is not current.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from plumbline.settings import Settings

DOCUMENT = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD = """<!-- Written by scripts/settings_reference.py from src/plumbline/settings.py; edit that. -->
# Settings

One YAML file for all processes; `PLUMBLINE_SETTINGS` names it. Every key can also be set as a variable,
`PLUMBLINE_SECTION__KEY` (`PLUMBLINE_LISTENER__PORT=104`; lists as JSON), which counts before the file. Unknown keys are
refused with the nearest right name. `plumbline check-config` shows what counts, where each value comes from, and
everything that is wrong, without starting anything.

Secrets are in files of their own, and settings name the files. A file of secrets must not be readable for everybody.
"""
_NAMES = {str: "text", int: "integer", float: "number", bool: "yes or no", Path: "path", type(None): "null"}


def document() -> str:
    """The whole document."""
    return HEAD + "\n".join(_lines()) + "\n"


def undescribed() -> list[str]:
    """Keys of which nothing says what they are for."""
    return [
        f"{model.__name__}.{name}" for model in _all_models() for name, field in _fields(model) if not field.description
    ]


def _lines() -> Iterator[str]:
    yield from _table("At the top", Settings, "")
    for name, field in _fields(Settings):
        for model in _models_in(field.annotation):
            yield from _section(name if _is_section(field) else f"{name}[]", model)


def _section(key: str, model: type[BaseModel]) -> Iterator[str]:
    """A model's table, and below it those of the models in it."""
    kind = _kind(model)
    yield from _table(f"`{key}`" + (f", kind `{kind}`" if kind else ""), model, _first_paragraph(model))
    for name, field in _fields(model):
        for inner in _models_in(field.annotation):
            yield from _section(f"{key}.{name}" if _is_section(field) else f"{key}.{name}[]", inner)


def _table(title: str, model: type[BaseModel], intro: str) -> Iterator[str]:
    yield from ("", f"## {title}", "", *([intro, ""] if intro else []))
    yield from ("| key | is | default | what, and why so |", "|---|---|---|---|")
    for name, field in _fields(model):
        yield f"| `{name}` | {_type_of(field)} | {_default(field)} | {_cell(field.description or '')} |"


def _fields(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    return list(model.model_fields.items())


def _all_models(model: type[BaseModel] = Settings) -> Iterator[type[BaseModel]]:
    yield model
    for _, field in _fields(model):
        for inner in _models_in(field.annotation):
            yield from _all_models(inner)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for each in get_args(annotation) for model in _models_in(each)]


def _is_section(field: FieldInfo) -> bool:
    return get_origin(field.annotation) not in (tuple, list)


def _kind(model: type[BaseModel]) -> str | None:
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation)[0] if kind is not None else None


def _first_paragraph(model: type[BaseModel]) -> str:
    return _cell(cleandoc(model.__doc__ or "").split("\n\n")[0])


def _type_of(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {_number(getattr(each, name))}"
        for each in field.metadata
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"))
        if getattr(each, name, None) is not None
    ]
    return " ".join([_words(field.annotation), ", ".join(bounds)]).strip()


def _words(annotation: Any) -> str:
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(inside[0])
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in inside)
    if origin in (Union, types.UnionType):
        models = _models_in(annotation)
        return "section" if models and len(models) < len(inside) else " or ".join(dict.fromkeys(map(_words, inside)))
    if origin is tuple:
        return f"list of {_words(inside[0])}"
    if origin is dict:
        return f"table of {_words(inside[1])}"
    return _NAMES.get(annotation, "section")


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "needed"
    if isinstance(field.default, BaseModel):
        return "below"
    plain = field.default
    if isinstance(plain, tuple):
        plain = [
            each.model_dump(mode="json", exclude_defaults=True) if isinstance(each, BaseModel) else each
            for each in plain
        ]
    return f"`{plain}`" if isinstance(plain, Path) else f"`{_number(plain)}`"


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    """One line in Markdown of one paragraph in a docstring."""
    return re.sub(r"``([^`]+)``", r"`\1`", " ".join(text.split())).replace("|", "\\|")


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
