"""HL7 v2 data types as plain values: TS and DT, CE and CWE, CX and HD, PID."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from plumbline.adapters.hl7.message import Segment
from plumbline.adapters.hl7.refusals import ErrorCode, Refused
from plumbline.exams.coded_text import words_of_code
from plumbline.exams.study import PatientIdentity

PATIENT_IDENTIFIER_TYPES = frozenset({"", "MR", "PI", "PT", "PE"})
"""CX-5 (table 0203) of identifiers that name a patient; visit and account numbers, passports and insurers do not."""

_OTHER_IDENTIFIER_TYPES = frozenset(
    [
        "AC",
        "ACSN",
        "AN",
        "ANC",
        "AND",
        "ANT",
        "BA",
        "BC",
        "BR",
        "BRN",
        "CC",
        "CZ",
        "DL",
        "DN",
        "DR",
        "DS",
        "EI",
        "EN",
        "FI",
        "GI",
        "GL",
        "GN",
        "HC",
        "JHN",
        "LN",
        "LR",
        "MA",
        "MB",
        "MC",
        "MCD",
        "MCN",
        "MCR",
        "MI",
        "NE",
        "NH",
        "NI",
        "NII",
        "NIIP",
        "NP",
        "NPI",
        "PC",
        "PN",
        "PPN",
        "PRC",
        "PRN",
        "RI",
        "RR",
        "RRI",
        "SL",
        "SN",
        "SR",
        "SS",
        "TAX",
        "U",
        "UPIN",
        "VN",
        "VS",
        "WC",
        "WCN",
        "XX",
    ]
)
"""CX-5 of accounts, visits, papers, insurers and persons other than the patient. What is neither of these nor above is
a site's own word for its record number (``MRN``, ``EPI``), and counts where there is nothing better."""

_TIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.\d+)?([+-]\d{4})?")
_WRITTEN_OUT = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?)?(?:\.\d+)?([+-]\d{2}:?\d{2})?")
"""As HL7 writes a moment, and as ISO 8601 does, which some senders take for the same."""
_SEXES = {"FEMALE": "F", "MALE": "M"}


@dataclass(frozen=True)
class SiteIdentifiers:
    """What assigning authorities are called in DICOM, and which of the fields hold an accession number.

    Parameters
    ----------
    issuers
        From an HL7 assigning authority (namespace or universal ID) to Issuer of Patient ID (0010,0021).
    default_issuer
        Issuer of identifiers that name no authority.
    accession_from
        Fields that may hold the accession number, the first that is filled counts.
    """

    issuers: Mapping[str, str] = field(default_factory=dict)
    default_issuer: str | None = None
    accession_from: tuple[str, ...] = ("IPC-1", "OBR-18", "ORC-3")

    def issuer(self, segment: Segment, components: Sequence[str]) -> str | None:
        """Issuer of a CX, from its assigning authority (CX-4, an HD)."""
        namespace, universal = segment.part(components, 4, 1), segment.part(components, 4, 2)
        mapped = self.issuers.get(namespace) or self.issuers.get(universal)
        return mapped or namespace or universal or self.default_issuer


def moment(segment: Segment, number: int, *, component: int = 1) -> datetime | None:
    """TS as a moment; a missing zone is read as UTC, a missing month or day as the first. None where empty.

    Raises
    ------
    Refused
        When it is not a date.
    """
    text = segment.value(number, component)
    if not text:
        return None
    matched = _TIME.fullmatch(text) or _WRITTEN_OUT.fullmatch(text)
    try:
        if matched is None:
            raise ValueError
        year, *rest = (int(part) if part else None for part in matched.groups()[:6])
        month, day, hour, minute, second = rest
        zone = datetime.strptime(matched[7], "%z").tzinfo if matched[7] else UTC
        return datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=zone)
    except ValueError:
        where = f"{segment.name}^1^{number}"
        raise Refused(
            ErrorCode.DATA_TYPE, f"{segment.name}-{number} is not a date; send it as YYYYMMDD.", where
        ) from None


def day(segment: Segment, number: int, *, component: int = 1) -> date | None:
    """The day of a TS or DT that names one, as written there; None where it is empty or only a month or year."""
    when = moment(segment, number, component=component)
    return when.date() if when and len(segment.value(number, component)) >= len("YYYYMMDD") else None


def day_if_readable(segment: Segment, number: int, *, component: int = 1) -> date | None:
    """The same, None also where something else than a date is written: for what a message can do without."""
    try:
        return day(segment, number, component=component)
    except Refused:
        return None


def words(segment: Segment, number: int) -> list[str]:
    """Texts of a CE, CWE or plain text field, one for each repetition: its words, else its code."""
    return [text for components in segment.repetitions(number) if (text := _words(segment, components))]


def _words(segment: Segment, components: Sequence[str]) -> str:
    told = [segment.whole(components, at) for at in (9, 2, 5)]
    code = segment.part(components, 1)
    return next(
        (text for text in told if text),
        words_of_code(code, segment.part(components, 3)) or segment.whole(components, 1),
    )


def identifiers(segment: Segment, number: int, site: SiteIdentifiers) -> tuple[tuple[str, str | None], ...]:
    """(patient ID, issuer) pairs of a CX field, in order; identifiers of other things are left out."""
    typed = [
        (segment.part(components, 5).upper(), (segment.part(components, 1), site.issuer(segment, components)))
        for components in segment.repetitions(number)
    ]
    named = [pair for kind, pair in typed if kind in PATIENT_IDENTIFIER_TYPES and pair[0]]
    own_words = [pair for kind, pair in typed if kind not in _OTHER_IDENTIFIER_TYPES and pair[0]]
    return tuple(dict.fromkeys(named or own_words))


def patient(pid: Segment | None, site: SiteIdentifiers) -> PatientIdentity:
    """The patient of PID: identifiers with issuers, birth date and sex.

    Raises
    ------
    Refused
        When there is no PID, or no patient identifier in it.
    """
    if pid is None:
        raise Refused(ErrorCode.SEGMENT_SEQUENCE, "The message has no PID segment.", "PID^1")
    pairs = identifiers(pid, 3, site) or identifiers(pid, 2, site)
    if not pairs:
        raise Refused(ErrorCode.REQUIRED_FIELD, "PID-3 holds no patient identifier of type MR, PI or PT.", "PID^1^3")
    (patient_id, issuer), *others = pairs
    sex = pid.value(8).upper()
    return PatientIdentity(
        patient_id=patient_id,
        issuer=issuer,
        birth_date=day(pid, 7),
        sex=_SEXES.get(sex, sex) or None,
        other_ids=tuple(others),
    )
