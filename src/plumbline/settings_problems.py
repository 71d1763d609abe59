"""What is wrong with settings, key by key, in words for the person who wrote them.

Knows pydantic's errors and models; must not know what any setting means.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_UNKNOWN = "extra_forbidden"
_UNKNOWN_KIND = "union_tag_invalid"
_VALUE_ERROR = "Value error, "
_CONTAINERS = (tuple, list)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, what, and what to do about it."""

    key: str
    what: str
    remedy: str | None = None

    def __str__(self) -> str:
        if self.remedy is None:
            return f"{self.key}: {self.what}."
        return f"{self.key}: {self.what}. {self.remedy}{'' if self.remedy.endswith('?') else '.'}"


def problems_in(error: ValidationError, model: type[BaseModel]) -> tuple[Problem, ...]:
    """Every error of a validation as a problem; unknown keys with the nearest right name.

    Values are not repeated: one in the wrong place may be a secret.
    """
    return tuple(_problem(each, model) for each in error.errors(include_url=False))


def nearest(name: str, known: Sequence[str], *, prefix: str = "") -> str:
    """A remedy that offers the right name, or all of them where none is near."""
    near = get_close_matches(name, known, 1)
    return f"Did you mean {prefix}{near[0]}?" if near else f"Known are {', '.join(known)}"


def _problem(error: ErrorDetails, model: type[BaseModel]) -> Problem:
    loc = error["loc"]
    if error["type"] == _UNKNOWN:
        parts, inside = _follow(model, loc[:-1])
        known = [name for each in inside for name in each.model_fields]
        prefix = "".join(f"{part}." for part in parts)
        return Problem(f"{prefix}{loc[-1]}", "there is no such setting", nearest(str(loc[-1]), known, prefix=prefix))
    key = ".".join(_follow(model, loc)[0])
    if error["type"] == "missing":
        return Problem(key, "it is needed and missing")
    if error["type"] == _UNKNOWN_KIND:
        return Problem(f"{key}.kind", "there is no such kind", f"Known are {error.get('ctx', {}).get('expected_tags')}")
    return Problem(key, error["msg"].removeprefix(_VALUE_ERROR).replace("Input should", "it should"))


def _follow(model: type[BaseModel], loc: Sequence[int | str]) -> tuple[list[str], list[type[BaseModel]]]:
    """Key that a location names, without the tags of unions in it, and the models that are there."""
    parts: list[str] = []
    here: Any = model
    for part in loc:
        models = list(_models(here))
        tagged = [each for each in models if len(models) > 1 and part in _tags(each)]
        if tagged:
            here = tagged[0]
            continue
        parts.append(str(part))
        fields = [each.model_fields[part].annotation for each in models if part in each.model_fields]
        here = fields[0] if fields else _item(here)
    return parts, list(_models(here))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Models that a value of this type may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is Annotated:
        yield from _models(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for each in get_args(annotation):
            yield from _models(each)


def _item(annotation: Any) -> Any:
    """Type of what a container holds."""
    arguments = get_args(annotation)
    return arguments[0 if get_origin(annotation) in _CONTAINERS else -1] if arguments else None


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    """Values of ``kind`` that tell this model from the others of its union."""
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation) if kind is not None and get_origin(kind.annotation) is Literal else ()
