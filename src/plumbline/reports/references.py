"""References to instances, grouped by study and series as several modules of the Standard want them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydicom.dataset import Dataset

InstancesBySeries = Mapping[str, list[Dataset]]


def by_study(instances: Iterable[Dataset]) -> dict[str, dict[str, list[Dataset]]]:
    """Study Instance UID to Series Instance UID to instances, in order of first use."""
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for instance in instances:
        series = studies.setdefault(str(instance.StudyInstanceUID), {})
        series.setdefault(str(instance.SeriesInstanceUID), []).append(instance)
    return studies


def series_references(series: InstancesBySeries, instances_keyword: str) -> list[Dataset]:
    """Items of a Referenced Series Sequence (0008,1115).

    Parameters
    ----------
    series
        Series Instance UID to its instances.
    instances_keyword
        ``ReferencedSOPSequence`` in documents, ``ReferencedInstanceSequence`` in images.
    """
    items = []
    for series_uid, instances in series.items():
        item = Dataset()
        item.SeriesInstanceUID = series_uid
        setattr(item, instances_keyword, [sop_reference(instance) for instance in instances])
        items.append(item)
    return items


def sop_reference(instance: Dataset) -> Dataset:
    """SOP Instance Reference macro (PS3.3 table 10-11)."""
    item = Dataset()
    item.ReferencedSOPClassUID = instance.SOPClassUID
    item.ReferencedSOPInstanceUID = instance.SOPInstanceUID
    return item
