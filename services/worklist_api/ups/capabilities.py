"""What the Worklist Service can do, told to machines: Retrieve Capabilities (PS3.18 8.9 and annex H).

The description is a WADL document, made from the routes that answer, with the names that annex H gives the
transactions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute

from services.worklist_api.ups import channel, endpoints, subscriptions
from services.worklist_api.ups.media import DICOM_JSON, DICOM_XML, MULTIPART, REFUSED

router = APIRouter(tags=["UPS-RS"], responses={status: REFUSED[status] for status in (400, 406)})

WADL = "application/vnd.sun.wadl+xml"
NAMESPACE = "http://wadl.dev.java.net/2009/02"
BASE = "/dicom-web"

TRANSACTION_OF = {
    "search_workitems": "SearchForUPS",
    "create_workitem": "CreateUPS",
    "retrieve_workitem": "RetrieveUPS",
    "update_workitem": "UpdateUPS",
    "change_state": "ChangeUPSState",
    "request_cancellation": "RequestUPSCancellation",
    "subscribe": "CreateSubscription",
    "unsubscribe": "DeleteSubscription",
    "suspend": "SuspendGlobalSubscription",
    "open_channel": "OpenEventChannel",
}
"""Names of PS3.18 table H-1 by the names of our routes."""

_WITH_DATASETS = frozenset({"SearchForUPS", "RetrieveUPS"})
_WITH_DATASET_IN = frozenset({"CreateUPS", "UpdateUPS", "ChangeUPSState", "RequestUPSCancellation"})
_QUERY: dict[str, Sequence[str]] = {
    "SearchForUPS": ("{attributeID}", "includefield", "fuzzymatching", "limit", "offset"),
    "CreateUPS": ("workitem",),
    "UpdateUPS": ("transaction-uid",),
    "CreateSubscription": ("deletionlock", "filter"),
}


@router.options(BASE, summary="Describe the service", response_class=Response, responses={200: {"content": {WADL: {}}}})
@router.options(f"{BASE}/", include_in_schema=False)
@router.options(f"{BASE}/workitems", include_in_schema=False)
def retrieve_capabilities(request: Request) -> Response:
    """Return resources, methods, parameters and media types as a WADL document."""
    address = str(request.base_url).rstrip("/") + BASE
    routes = [route for area in (endpoints, subscriptions, channel) for route in area.router.routes]
    return Response(description(routes, address), media_type=WADL)


def description(routes: Iterable[BaseRoute], address: str) -> bytes:
    """WADL document of the routes of the service at an address."""
    root = ElementTree.Element("application", {"xmlns": NAMESPACE})
    resources = ElementTree.SubElement(root, "resources", {"base": address})
    known: dict[str, ElementTree.Element] = {"": resources}
    for route in _routes_of_service(routes):
        parent = known[""]
        path = ""
        for step in route.path.removeprefix(f"{BASE}/").split("/"):
            path = f"{path}/{step}"
            if path not in known:
                known[path] = ElementTree.SubElement(parent, "resource", {"path": step})
            parent = known[path]
        _describe(parent, route)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _routes_of_service(routes: Iterable[BaseRoute]) -> list[APIRoute | WebSocketRoute]:
    """Routes of transactions; other spellings of an address are left out."""
    return [
        route
        for route in routes
        if isinstance(route, APIRoute | WebSocketRoute)
        and route.name in TRANSACTION_OF
        and route.path.startswith(BASE)
        and getattr(route, "include_in_schema", True)
    ]


def _describe(resource: ElementTree.Element, route: APIRoute | WebSocketRoute) -> None:
    name = TRANSACTION_OF[route.name]
    methods = sorted(route.methods or ()) if isinstance(route, APIRoute) else ["GET"]
    method = ElementTree.SubElement(resource, "method", {"name": methods[0], "id": name})
    _describe_request(ElementTree.SubElement(method, "request"), name)
    for status in _statuses(route):
        response = ElementTree.SubElement(method, "response", {"status": str(status)})
        if name in _WITH_DATASETS and status in (200, 206):
            _represent(response, DICOM_JSON, MULTIPART)


def _describe_request(request: ElementTree.Element, name: str) -> None:
    for parameter in _QUERY.get(name, ()):
        ElementTree.SubElement(request, "param", {"name": parameter, "style": "query"})
    if name in _WITH_DATASETS:
        accept = {"name": "Accept", "style": "header", "default": DICOM_JSON}
        parameter = ElementTree.SubElement(request, "param", accept)
        for media_type in (DICOM_JSON, MULTIPART):
            ElementTree.SubElement(parameter, "option", {"value": media_type})
    if name in _WITH_DATASET_IN:
        _represent(request, DICOM_JSON, DICOM_XML)


def _represent(parent: ElementTree.Element, *media_types: str) -> None:
    for media_type in media_types:
        ElementTree.SubElement(parent, "representation", {"mediaType": media_type})


def _statuses(route: APIRoute | WebSocketRoute) -> list[int]:
    if isinstance(route, WebSocketRoute):
        return [101]
    return sorted({route.status_code or 200, *(int(status) for status in route.responses)})
