"""Datasets of DIMSE messages from and to the DICOM JSON Model, in which the worklist thinks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydicom.dataset import Dataset

from plumbline.errors import InvalidInput

_GROUP_LENGTHS = "0000"
_SPECIFIC_CHARACTER_SET = "00080005"
_UTF8 = {"vr": "CS", "Value": ["ISO_IR 192"]}


def to_json(dataset: Dataset) -> dict[str, Any]:
    """Write a received dataset in the DICOM JSON Model, whose text is Unicode whatever character set it came in.

    Raises
    ------
    InvalidInput
        When a value cannot be read as one of its VR.
    """
    try:
        dataset.decode()
        written = dataset.to_json_dict()
    except Exception as error:  # pydicom raises what it likes about values that it cannot read
        raise InvalidInput("the dataset has a value that cannot be read", where=type(error).__name__) from error
    written = {tag: element for tag, element in written.items() if not tag.endswith(_GROUP_LENGTHS)}
    if _SPECIFIC_CHARACTER_SET in written:
        written[_SPECIFIC_CHARACTER_SET] = _UTF8
    return written


def from_json(written: Mapping[str, Any]) -> Dataset:
    """Read a dataset from the DICOM JSON Model, to be sent in UTF-8."""
    dataset = Dataset.from_json({tag: dict(written[tag]) for tag in sorted(written)})
    dataset.SpecificCharacterSet = "ISO_IR 192"
    return dataset
