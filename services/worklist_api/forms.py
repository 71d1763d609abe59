"""What the pages' own forms send: ``application/x-www-form-urlencoded``, small, read without a further library."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from plumbline.errors import InvalidInput
from services.worklist_api.problems import TooLarge, UnsupportedMedia

FORM = "application/x-www-form-urlencoded"
LARGEST_BYTES = 64 * 1024

Model = TypeVar("Model", bound=BaseModel)


def form_of(model: type[Model]) -> Callable[[Request], Awaitable[Model]]:
    """Dependency that reads a form into a model; of a field that is sent twice the last counts.

    Raises, when a request comes
    ----------------------------
    UnsupportedMedia, TooLarge, InvalidInput
        When the body is something else, too large, or not text.
    RequestValidationError
        When a field has no such value.
    """

    async def read(request: Request) -> Model:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            raise UnsupportedMedia(f"a form is sent as {FORM}")
        try:
            return model.model_validate(dict(parse_qsl((await _body(request)).decode(), keep_blank_values=True)))
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from error
        except UnicodeDecodeError as error:
            raise InvalidInput("the form is not UTF-8") from error

    return read


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BYTES:
            raise TooLarge(f"a form has at most {LARGEST_BYTES} bytes")
    return bytes(body)
