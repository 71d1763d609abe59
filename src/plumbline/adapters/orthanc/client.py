"""The one place where Orthanc's REST API is called; pyorthanc's generated client is used for nothing else.

Works with Orthanc 1.10.1 and later. Every call either answers or raises one of ``plumbline.errors``;
what may be repeated without harm is repeated a few times first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import stamina
from pyorthanc import Orthanc

from plumbline.errors import InvalidInput, Misconfigured, OutOfCapacity, Unavailable
from plumbline.settings import OrthancSettings
from plumbline.text_files import read_secret

ATTEMPTS = 3
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 2.0
REMEDY = "Check orthanc.url and that Orthanc runs"


class OrthancClient:
    """Requests on one Orthanc.

    Raises, everywhere
    ------------------
    Unavailable
        It does not answer, or answers that it cannot for now (5xx).
    InvalidInput
        It does not accept what was asked (4xx), or does not have it (404).
    Misconfigured
        It does not let us in (401, 403).
    """

    def __init__(self, settings: OrthancSettings) -> None:
        self._api = Orthanc(
            settings.url.rstrip("/"),
            settings.username,
            _password(settings),
            return_raw_response=True,
            timeout=settings.timeout_s,
        )
        self._api.headers["Accept-Encoding"] = "identity"  # compressing half a megabyte of pixels takes Orthanc 0.2 s
        self._url = settings.url.rstrip("/")

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def system(self) -> Any:
        """Name and version of the server; asked once, without patience."""
        return _answer(lambda: _raw(self._api.get_system())).json()

    def lookup(self, uid: str) -> list[dict[str, Any]]:
        """Resources that have a DICOM UID or ID."""
        return _patiently(lambda: self._api.post(f"{self._url}/tools/lookup", content=uid)).json()

    def series_of(self, study: str) -> list[dict[str, Any]]:
        """Series of a study, with their main tags and the identifiers of their instances."""
        return _patiently(lambda: _raw(self._api.get_studies_id_series(study))).json()

    def study(self, study: str) -> dict[str, Any]:
        """A study's main tags."""
        return _patiently(lambda: _raw(self._api.get_studies_id(study))).json()

    def instances_of(self, study: str) -> list[dict[str, Any]]:
        """Instances of a study, with their main tags."""
        return _patiently(lambda: _raw(self._api.get_studies_id_instances(study))).json()

    def find(self, level: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """Resources that match, each with its main tags; a backslash parts the values of a list."""
        asked = {"Level": level, "Query": dict(query), "Expand": True}
        return _patiently(lambda: _raw(self._api.post_tools_find(json=asked))).json()

    def file(self, instance: str) -> bytes:
        """The DICOM file of an instance."""
        return _patiently(lambda: _raw(self._api.get_instances_id_file(instance))).content

    def tags_of_series(self, series: str) -> dict[str, dict[str, Any]]:
        """Values of all instances of a series by tag (``0028,0010``), without pixel data; by instance."""
        return _patiently(lambda: self._api.get(f"{self._url}/series/{series}/instances-tags?short")).json()

    def transfer_syntaxes_of_series(self, series: str) -> dict[str, str]:
        """Transfer Syntax UIDs that the instances of a series are stored in, by instance, where Orthanc noted them."""
        asked = {"Resources": [series], "Level": "Instance", "Metadata": True}
        listed = _patiently(lambda: self._api.post(f"{self._url}/tools/bulk-content", json=asked)).json()
        noted = {each["ID"]: (each.get("Metadata") or {}).get("TransferSyntax") for each in listed}
        return {instance: syntax for instance, syntax in noted.items() if syntax}

    def raw_frame(self, instance: str, index: int) -> bytes:
        """Pixel data of one frame as stored, compressed or not; counted from 0."""
        return _patiently(lambda: self._api.get(f"{self._url}/instances/{instance}/frames/{index}/raw")).content

    def transfer_syntax(self, instance: str) -> str:
        """Transfer Syntax UID that an instance is stored in."""
        return _patiently(lambda: self._api.get(f"{self._url}/instances/{instance}/metadata/TransferSyntax")).text

    def store(self, part10: bytes) -> dict[str, Any]:
        """Store a DICOM file. Orthanc keeps the first of the same instance, so this may be repeated."""
        return _patiently(lambda: _raw(self._api.post_instances(content=part10))).json()

    def delete_instance(self, instance: str) -> None:
        """Delete one instance."""
        _patiently(lambda: _raw(self._api.delete_instances_id(instance)))

    def instance_tags(self, instance: str) -> dict[str, Any]:
        """Values of an instance by the names of their attributes, without pixel data."""
        return _patiently(lambda: self._api.get(f"{self._url}/instances/{instance}/simplified-tags")).json()

    def set_metadata(self, study: str, name: str, value: str) -> None:
        """Set a user metadata of a study."""
        _patiently(lambda: self._api.put(f"{self._url}/studies/{study}/metadata/{name}", content=value.encode()))

    def delete_metadata(self, study: str, name: str) -> None:
        """Remove a user metadata of a study; one that is not there is left so."""
        if self.has_metadata(study, name):
            _patiently(lambda: self._api.delete(f"{self._url}/studies/{study}/metadata/{name}"))

    def has_metadata(self, study: str, *names: str) -> bool:
        """Whether a study has a user metadata of one of these names."""
        listed = _patiently(lambda: _raw(self._api.get(f"{self._url}/studies/{study}/metadata"))).json()
        return not set(names).isdisjoint(listed)

    def newest_change(self) -> int:
        """Number of the newest entry of the log of changes; 0 where it is empty."""
        return int(_patiently(lambda: self._api.get(f"{self._url}/changes?last")).json()["Last"])

    def changes(self, since: int, limit: int) -> dict[str, Any]:
        """A page of the log of changes."""
        return _patiently(lambda: _raw(self._api.get_changes(params={"since": since, "limit": limit}))).json()

    def qido(self, level: str, query: Mapping[str, str], include: tuple[str, ...]) -> list[dict[str, Any]]:
        """QIDO-RS search at ``studies`` or ``series`` level; DICOM JSON.

        The plugin of Orthanc 1.10 does not undo percent-encoding, so values may only have characters that
        need none: letters, digits and ``.-_~?*``.
        """
        pairs = [*query.items(), *(("includefield", tag) for tag in include)]
        url = f"{self._url}/dicom-web/{level}?" + "&".join(f"{name}={value}" for name, value in pairs)
        response = _patiently(lambda: self._api.get(url, headers={"Accept": "application/dicom+json"}))
        return response.json() if response.status_code != httpx.codes.NO_CONTENT else []


def _password(settings: OrthancSettings) -> str | None:
    if settings.password_file is None:
        return None
    return read_secret(settings.password_file, what="the file with Orthanc's password", where="orthanc.password_file")


def _raw(response: object) -> httpx.Response:
    """The generated methods are annotated with what they return in another mode."""
    assert isinstance(response, httpx.Response)
    return response


def _patiently(call: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer of a request that may be repeated."""
    for attempt in stamina.retry_context(
        on=Unavailable, attempts=ATTEMPTS, wait_initial=FIRST_WAIT_S, wait_max=LONGEST_WAIT_S
    ):
        with attempt:
            return _answer(call)
    raise AssertionError("stamina either returns or raises")


def _answer(call: Callable[[], httpx.Response]) -> httpx.Response:
    """The one table from what HTTP says to what the caller should do."""
    try:
        response = call()
    except httpx.InvalidURL as error:
        raise Misconfigured(f"not an address ({error})", where="orthanc.url") from error
    except httpx.HTTPError as error:
        raise Unavailable("the archive does not answer", remedy=REMEDY) from error
    code = response.status_code
    if code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise Misconfigured("the archive does not let us in", where="orthanc.username", remedy="Check its credentials")
    if code == httpx.codes.INSUFFICIENT_STORAGE:
        raise OutOfCapacity("the archive is full")
    if code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"the archive failed (HTTP {code})")
    if code >= httpx.codes.BAD_REQUEST:
        raise InvalidInput(f"the archive does not accept this or does not have it (HTTP {code})")
    return response
