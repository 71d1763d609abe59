"""Words for codes that come without their meaning, so that an order of codes alone is read like one of words.

Only codes that say something of a spine operation, its level or a red flag; any other code stays as it is.
"""

from __future__ import annotations

from plumbline.anatomy.levels import code_names

_CPT = frozenset({"C4", "CPT", "CPT4", "CPT-4", "HTTP://WWW.AMA-ASSN.ORG/GO/CPT"})
_SNOMED = frozenset({"SCT", "SNOMED", "SNOMEDCT", "SNOMED-CT", "SNM", "HTTP://SNOMED.INFO/SCT"})
_ICD10 = frozenset({"I10", "I10C", "ICD10", "ICD-10", "ICD-10-CM", "ICD10CM", "I10G", "ICD-10-GM"})
_ICD10_ADDRESSES = ("HTTP://HL7.ORG/FHIR/SID/ICD-10", "HTTP://FHIR.DE/CODESYSTEM/BFARM/ICD-10-GM")

_OF_CPT = {
    **dict.fromkeys(("22551", "22552", "22554"), "ACDF"),
    "22558": "ALIF",
    "22630": "PLIF",
    **dict.fromkeys(("22533", "22586"), "lumbar interbody fusion"),
    **dict.fromkeys(("22600", "22610", "22612", "22633", "22634"), "posterior spinal fusion"),
    **dict.fromkeys(("22840", "22842", "22843", "22844", "22845", "22846"), "spinal instrumentation"),
    **dict.fromkeys(("22850", "22852", "22855"), "hardware removal"),
    **dict.fromkeys(("22856", "22857", "22858"), "disc replacement"),
    **dict.fromkeys(("22510", "22511"), "vertebroplasty"),
    **dict.fromkeys(("22513", "22514"), "kyphoplasty"),
    **dict.fromkeys(("63020", "63030", "63040", "63042", "63075"), "discectomy"),
    **dict.fromkeys(("63001", "63003", "63005", "63015", "63017", "63045", "63046", "63047"), "laminectomy"),
    **dict.fromkeys(("63650", "63655", "63685"), "spinal cord stimulator"),
}
_OF_ICD10 = {
    "Z98.1": "arthrodesis status",
    "M96.0": "pseudarthrosis after fusion",
    "M96.1": "postlaminectomy syndrome",
    "G83.4": "cauda equina syndrome",
    "R33": "retention of urine",
    "R32": "urinary incontinence",
    "M21.37": "foot drop",
    "M46.2": "osteomyelitis of vertebra",
    "M46.3": "infection of intervertebral disc",
    "M46.4": "discitis",
    "G06.1": "intraspinal abscess",
    "T81.4": "infection following a procedure",
    "T84.6": "infection of internal fixation",
    "T84.7": "infection of implant",
    "C79.5": "metastasis of bone",
    "C90.0": "myeloma",
    "G96.0": "CSF leak",
    "G97.0": "CSF leak from puncture",
    "G97.1": "post-dural puncture headache",
}
"""By the beginning of the code: what follows is a place or a stage."""

_ICD_CATEGORY = 3
"""Letters and digits before the dot, which some senders leave out."""


def words_of_code(code: str, scheme: str) -> str | None:
    """What a code says, in words that the reader of spine text knows; None for any other code."""
    value, scheme = code.strip().upper(), scheme.strip().upper()
    if scheme in _CPT:
        return _OF_CPT.get(value)
    if scheme in _SNOMED:
        return code_names().get(value)
    if scheme in _ICD10 or scheme.startswith(_ICD10_ADDRESSES):
        undotted = value.replace(".", "")
        dotted = f"{undotted[:_ICD_CATEGORY]}.{undotted[_ICD_CATEGORY:]}"
        return next((text for beginning, text in _OF_ICD10.items() if dotted.startswith(beginning)), None)
    return None
