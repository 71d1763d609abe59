"""The Native DICOM Model (PS3.19 A.1) from and to the DICOM JSON Model: the same dataset in XML. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from plumbline.worklist.attributes import TAG_OF_KEYWORD, VR_OF_TAG
from plumbline.worklist.dataset import Dataset, values
from plumbline.worklist.refusals import Refusal, WorkitemInvalid

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"

_ROOT = f"{{{NAMESPACE}}}NativeDicomModel"
_NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_NUMERIC_VRS = frozenset({"FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"})
_KEYWORD_OF_TAG = {tag: keyword for keyword, tag in TAG_OF_KEYWORD.items()}
_DEEPEST = 16


def to_xml(dataset: Dataset) -> bytes:
    """Write a dataset as a Native DICOM Model document."""
    root = ElementTree.Element("NativeDicomModel", {"xmlns": NAMESPACE, "xml:space": "preserve"})
    _write(root, dataset)
    document = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document.replace(b"\r", b"&#13;")  # a parser turns a plain carriage return into a line feed


def _write(parent: ElementTree.Element, dataset: Dataset) -> None:
    for tag in sorted(dataset):
        described = {"tag": tag, "vr": dataset[tag]["vr"]}
        if tag in _KEYWORD_OF_TAG:
            described["keyword"] = _KEYWORD_OF_TAG[tag]
        attribute = ElementTree.SubElement(parent, "DicomAttribute", described)
        for number, value in enumerate(values(dataset, tag), start=1):
            _write_value(attribute, dataset[tag]["vr"], value, str(number))
        if "InlineBinary" in dataset[tag]:
            ElementTree.SubElement(attribute, "InlineBinary").text = dataset[tag]["InlineBinary"]
        if "BulkDataURI" in dataset[tag]:
            ElementTree.SubElement(attribute, "BulkData", {"uri": dataset[tag]["BulkDataURI"]})


def _write_value(attribute: ElementTree.Element, vr: str, value: Any, number: str) -> None:
    if vr == "SQ":
        _write(ElementTree.SubElement(attribute, "Item", {"number": number}), value)
    elif vr == "PN":
        name = ElementTree.SubElement(attribute, "PersonName", {"number": number})
        for group in _NAME_GROUPS:
            if isinstance(value, Mapping) and value.get(group):
                _write_name(ElementTree.SubElement(name, group), value[group])
    elif value is not None:
        ElementTree.SubElement(attribute, "Value", {"number": number}).text = str(value)


def _write_name(group: ElementTree.Element, name: str) -> None:
    for part, words in zip(_NAME_PARTS, name.split("^"), strict=False):
        if words:
            ElementTree.SubElement(group, part).text = words


def from_xml(document: bytes) -> dict[str, Any]:
    """Read a Native DICOM Model document.

    Raises
    ------
    WorkitemInvalid
        INVALID_VALUE, when it is not one, or declares a document type (nobody needs entities here).
    """
    if b"<!DOCTYPE" in document or b"<!ENTITY" in document:
        raise _invalid("a document type is not accepted")
    try:
        root = ElementTree.fromstring(document)
    except (ElementTree.ParseError, ValueError) as error:
        raise _invalid("the body is not XML") from error
    if root.tag != _ROOT:
        raise _invalid("the body is not a Native DICOM Model")
    return _read(root, depth=0)


def _read(parent: ElementTree.Element, *, depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise _invalid("sequences are nested too deeply")
    dataset: dict[str, Any] = {}
    for attribute in parent:
        if _local(attribute) != "DicomAttribute":
            raise _invalid("this is not a DicomAttribute")
        tag = attribute.get("tag", "").upper()
        vr = attribute.get("vr") or VR_OF_TAG.get(tag, "")
        dataset[tag] = {"vr": vr, **_read_content(attribute, vr, depth)}
    return dataset


def _read_content(attribute: ElementTree.Element, vr: str, depth: int) -> dict[str, Any]:
    found = list(_read_values(attribute, vr, depth))
    for child in attribute:
        if _local(child) == "InlineBinary":
            return {"InlineBinary": child.text or ""}
        if _local(child) == "BulkData":
            return {"BulkDataURI": child.get("uri", "")}
    return {"Value": found} if found else {}


def _read_values(attribute: ElementTree.Element, vr: str, depth: int) -> Iterator[Any]:
    for child in attribute:
        match _local(child):
            case "Item":
                yield _read(child, depth=depth + 1)
            case "PersonName":
                yield {_local(group): _read_name(group) for group in child}
            case "Value":
                yield _number(child.text or "") if vr in _NUMERIC_VRS else child.text or ""


def _read_name(group: ElementTree.Element) -> str:
    parts = {_local(part): part.text or "" for part in group}
    return "^".join(parts.get(name, "") for name in _NAME_PARTS).rstrip("^")


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError as error:
        raise _invalid("this is not a number") from error


def _local(element: ElementTree.Element) -> str:
    """Name without the namespace, which has to be the model's."""
    namespace, _, name = element.tag.rpartition("}")
    if namespace.lstrip("{") != NAMESPACE:
        raise _invalid("this is not an element of the Native DICOM Model")
    return name


def _invalid(sentence: str) -> WorkitemInvalid:
    return WorkitemInvalid(Refusal.INVALID_VALUE, detail=sentence)
