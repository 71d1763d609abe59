"""What a search returns of a workitem, written once when the workitem changes and not once for every reader."""

from __future__ import annotations

import json
from typing import Any

from plumbline.worklist.attributes import RETURNED_BY_SEARCH
from plumbline.worklist.dataset import Dataset


def selected(dataset: Dataset, wanted: frozenset[str] | None) -> dict[str, Any]:
    """Attributes of a dataset that were asked for, all where None, in order of their tags (PS3.18 F.2.2)."""
    return {tag: dataset[tag] for tag in sorted(dataset) if wanted is None or tag in wanted}


def rendered(dataset: Dataset) -> bytes:
    """DICOM JSON, UTF-8, of the attributes that every search result carries."""
    return as_json(selected(dataset, RETURNED_BY_SEARCH))


def as_json(content: Any) -> bytes:
    """Write JSON as short as it can be, UTF-8."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
