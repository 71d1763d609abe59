"""What subscribers are told: the event reports of PS3.4 CC.2.4, and which change causes which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from plumbline.worklist import tags
from plumbline.worklist.dataset import Dataset, element, has_value, items

_CONTACT_URI = "0074100A"
_CONTACT_NAME = "0074100C"
_REQUESTING_AE = "00741236"
_STATION_NAMES = "00404025"
_SCHEDULED_PERFORMERS = "00404034"
_ASSIGNMENT = (_STATION_NAMES, _SCHEDULED_PERFORMERS)


class EventType(IntEnum):
    """Event Type ID (PS3.4 table CC.2.4-1)."""

    STATE_REPORT = 1
    CANCEL_REQUESTED = 2
    PROGRESS_REPORT = 3
    PROVIDER_STATUS = 4
    ASSIGNED = 5


@dataclass(frozen=True, slots=True)
class EventReport:
    """One event of one workitem, with the attributes that its type carries."""

    workitem_uid: str
    event_type: EventType
    information: Dataset


def state_report(workitem_uid: str, dataset: Dataset) -> EventReport:
    """Event that tells the state and the readiness of a workitem, and why it was cancelled where it was."""
    information = {tags.STATE: dataset[tags.STATE], tags.READINESS: dataset[tags.READINESS]}
    for progress in items(dataset, tags.PROGRESS_INFORMATION):
        for tag in (tags.REASON_FOR_CANCELLATION, tags.DISCONTINUATION_REASON):
            if has_value(progress, tag):
                information[tag] = progress[tag]
    return EventReport(workitem_uid, EventType.STATE_REPORT, information)


def cancel_requested(workitem_uid: str, request: Dataset, requesting_ae: str) -> EventReport:
    """Event that tells the performer who wants the workitem cancelled, and why."""
    given = (tags.REASON_FOR_CANCELLATION, tags.DISCONTINUATION_REASON, _CONTACT_URI, _CONTACT_NAME)
    information: dict[str, Any] = {tag: request[tag] for tag in given if has_value(request, tag)}
    information[_REQUESTING_AE] = element("AE", requesting_ae)
    return EventReport(workitem_uid, EventType.CANCEL_REQUESTED, information)


def reports_of_creation(workitem_uid: str, dataset: Dataset) -> Iterator[EventReport]:
    """Events of a new workitem."""
    yield state_report(workitem_uid, dataset)
    if any(has_value(dataset, tag) for tag in _ASSIGNMENT):
        yield _assigned(workitem_uid, dataset)


def reports_of_change(workitem_uid: str, before: Dataset, after: Dataset) -> Iterator[EventReport]:
    """Events of a changed workitem, in the order in which they have to be told."""
    if any(before.get(tag) != after.get(tag) for tag in (tags.STATE, tags.READINESS)):
        yield state_report(workitem_uid, after)
    if before.get(tags.PROGRESS_INFORMATION) != after.get(tags.PROGRESS_INFORMATION):
        information = {tags.PROGRESS_INFORMATION: after[tags.PROGRESS_INFORMATION]}
        yield EventReport(workitem_uid, EventType.PROGRESS_REPORT, information)
    if any(before.get(tag) != after.get(tag) for tag in _ASSIGNMENT):
        yield _assigned(workitem_uid, after)


def _assigned(workitem_uid: str, dataset: Dataset) -> EventReport:
    information = {tag: dataset[tag] for tag in _ASSIGNMENT if tag in dataset}
    return EventReport(workitem_uid, EventType.ASSIGNED, information)
