"""Dates of surgery in free text: exact, to a month or a year, relative to the exam, or in doubt.

A date that belongs to something else (a comparison, a fall, a birth) is not a date of surgery. A
numeric date that can be read in two ways is not guessed: both readings are given as an interval, and
the doubt is said.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from plumbline.exams.plain_text import words

_OLDEST_YEAR = 1950
_CENTURY_PIVOT = 70
"""Two-digit years up to this one are of 2000, later ones of 1900."""
_RELATIVE_SLACK = {"hour": 1, "day": 0, "week": 3, "month": 15, "half month": 8, "half year": 60, "year": 183}
"""Days to either side that "3 months ago" leaves open: half of its unit."""
_DAYS = {
    "hour": 1 / 24,
    "day": 1.0,
    "week": 7.0,
    "month": 30.44,
    "half month": 15.2,
    "half year": 182.6,
    "year": 365.25,
}

_WHOLE_YEAR_DAYS = 364
"""From the first to the last day of a year."""

_ISO = re.compile(r"(?<![0-9-])(?P<year>(?:19|20)\d\d)-(?P<month>\d\d)-(?P<day>\d\d)(?!\d)")
_COMPACT = re.compile(r"(?<![0-9])(?P<year>(?:19|20)\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])(?!\d)")
_DOTTED = re.compile(r"(?<![0-9.])(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>(?:19|20)\d\d|\d\d)(?![\d.])")
_NUMERIC = re.compile(
    r"(?<![0-9/-])(?P<first>\d{1,2})(?P<mark>[/-])(?P<second>\d{1,2})(?P=mark)(?P<year>(?:19|20)\d\d|\d\d)(?![\d/])"
)
_MONTH_NAMES = {
    **dict.fromkeys(("jan", "ene"), 1),
    **dict.fromkeys(("feb", "fev"), 2),
    **dict.fromkeys(("mar", "mrz"), 3),
    **dict.fromkeys(("apr", "avr", "abr"), 4),
    **dict.fromkeys(("may", "mai"), 5),
    **dict.fromkeys(("jun", "juin"), 6),
    **dict.fromkeys(("jul", "juil"), 7),
    **dict.fromkeys(("aug", "aou", "ago"), 8),
    "sep": 9,
    **dict.fromkeys(("oct", "okt"), 10),
    "nov": 11,
    **dict.fromkeys(("dec", "dez", "dic"), 12),
}
"""By their first three letters, or four where three do not tell them apart."""
_MONTH = (
    r"jan(?:uary|uar|vier|v)?|enero|ene|feb(?:ruary|ruar|rero)?|fev(?:rier)?|mar(?:ch|s|zo)?|marz|mrz|apr(?:il)?"
    r"|avr(?:il)?|abr(?:il)?"
    r"|may(?:o)?|mai|june?|juni(?:o)?|juin|july?|juli(?:o)?|juil(?:let)?|aug(?:ust)?|aout|ago(?:sto)?"
    r"|sept?(?:ember|embre|iembre)?"
    r"|o[ck]t(?:ober|obre|ubre)?|nov(?:ember|embre|iembre)?|de[cz](?:ember|embre)?|dic(?:iembre)?"
)
_MONTH_IN_OTHERS = (
    r"januar|februar|marz|mrz|juni|juli|okt(?:ober)?|dezember|dez|janvier|janv|fevrier|fevr?|avril|avr|mai|juin"
    r"|juillet|juil|aout|septembre|octobre|novembre|decembre|enero|ene|febrero|marzo|abril|mayo|junio|julio|agosto"
    r"|septiembre|octubre|noviembre|diciembre|dic"
)
"""Months as English does not write them: where the day stands before them, so that two digits after are the year."""
_NAMED_DAY = re.compile(
    rf"(?<![a-z0-9/-])(?P<day>\d{{1,2}})(?:st|nd|rd|th"
    rf"|er)?\.?\s*-?(?:de )?(?P<month>{_MONTH})\.?,?\s*-?(?:del? )?(?P<year>(?:19|20)\d\d|'?\d\d)(?![\d:/])"
    rf"|(?<![a-z0-9])(?P<month2>{_MONTH})\.? (?P<day2>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year2>(?:19|20)\d\d)(?!\d)"
)
_NAMED_MONTH = re.compile(
    rf"(?<![a-z0-9])(?P<month>{_MONTH})\.?,?[ /-](?:del? )?(?P<year>(?:19|20)\d\d|'\d\d)(?!\d)"
    rf"|(?<![a-z0-9])(?<!\s\d )(?<!\s\d\d )(?<!\s\d\. )(?<!\s\d\d\. )(?P<month4>{_MONTH_IN_OTHERS})"
    r"\.? (?P<year4>1[3-9]|2\d)(?![\d:/.])"
    r"|(?<![0-9/.,-])(?P<number5>0[1-9]|1[0-2])\.(?P<year5>1[3-9]|2\d)(?![\d./]|,\d)"
    r"|(?<![0-9a-z/.,-])(?P<number6>[1-9])/(?P<year6>1[3-9]|2\d)(?![\d/])"
    r"|(?<![0-9/.-])(?P<number>0?[1-9]|1[0-2])[/.](?P<year2>(?:19|20)\d\d)(?!\d)"
    r"|(?<![0-9/.-])(?P<number3>0[1-9]|1[0-2])/(?P<year3>1[3-9]|2\d)(?![\d/])"
)
_YEAR = re.compile(r"(?<![0-9/.\-a-z])(?P<year>(?:19|20)\d\d|'\d\d)(?![0-9/-]|\.\d)")
_LATEST_DAY = (
    re.compile(
        rf"(?<![a-z0-9./-])(?P<day>\d{{1,2}})(?:st|nd|rd|th|er)?\.? (?:de )?(?P<month>{_MONTH})(?![a-z])"
        r"(?!\.?,? ?(?:del? )?'?\d)"
    ),
    re.compile(r"(?<![a-z0-9])(?:am|vom|op) (?P<day>\d{1,2})\.(?P<number>\d{1,2})\.(?!\s?\d)"),
    re.compile(r"(?<![a-z0-9])(?:el|le|du|del) (?P<day>\d{1,2})[/.-](?P<number>\d{1,2})(?![\d/.-])"),
)
"""A day without its year: "on 26 May", "am 14.5.", "el 10/5"; the last of that name is meant."""
_LATEST_MONTH = re.compile(
    r"(?:(?<![a-z0-9])(?:in|im|en|since|seit|depuis|desde|last|letzten) |[,(] ?)"
    rf"(?P<month>{_MONTH})(?![a-z])(?!\.?,?[ /-]?(?:del? )?'?\d)(?=\.?\s*(?:$|[,;)(]|[a-z]))"
)
"""A month without its year: "done in Feb", "seit der OP im Maerz"."""
_LAST_SEASON = tuple(
    words(
        rf"last (?:{english})|(?:letzte[nrs]?|vergangene[nrs]?) (?:{german})|l'?(?:e |')?(?:{french}) dernier"
        rf"|(?:{spanish}) pasad[oa]"
    )
    for english, german, french, spanish in (
        ("winter", "winter", "hiver", "invierno"),
        ("spring", "fruhling|fruhjahr", "printemps", "primavera"),
        ("summer", "sommer", "ete", "verano"),
        ("autumn|fall", "herbst", "automne", "otono"),
    )
)
"""Last winter, spring, summer, autumn; they begin in December, March, June and September."""
_COUNT_WORDS = {
    **dict.fromkeys(("one", "a", "an", "ein", "einem", "einer", "einen", "un", "une", "una"), 1),
    **dict.fromkeys(("two", "zwei", "deux", "dos"), 2),
    **dict.fromkeys(("three", "drei", "trois", "tres"), 3),
    **dict.fromkeys(("four", "vier", "quatre", "cuatro"), 4),
    **dict.fromkeys(("five", "funf", "cinq", "cinco"), 5),
    **dict.fromkeys(("six", "sechs", "seis"), 6),
    "seven": 7,
    **dict.fromkeys(("eight", "acht", "huit", "ocho"), 8),
    "nine": 9,
    **dict.fromkeys(("ten", "zehn", "dix", "diez"), 10),
    **dict.fromkeys(("twelve", "zwolf", "douze", "doce"), 12),
}
_COUNT = rf"\d{{1,3}}|(?:{'|'.join(sorted(_COUNT_WORDS, key=len, reverse=True))})(?=[ -])"
_UNIT = (
    r"halfyears?|halfmonths?|days?|d|tage?n?|jours?|dias?|weeks?|wks?|w|wochen?|wo|semaines?|sem|semanas?|months?|mths?|mos?|m|monate?n?|mon|mois"
    r"|mes(?:es)?"
    r"|years?|yrs?|y|jahre?n?|ans?|annees?|anos?|hours?|hrs?|h|heures?|horas?"
)
_UNIT_OF = {
    "d": "day",
    "t": "day",
    "j": "day",
    "w": "week",
    "s": "week",
    "m": "month",
    "y": "year",
    "a": "year",
    "h": "hour",
}
_AMOUNT = rf"(?P<count>{_COUNT})[ -]?(?P<unit>{_UNIT})"
_POSTOP_WORD = (
    r"(?:s/p|status post|post[- ]?op\w*|postop\w*|post[- ]?operat\w*|post[- ]?surg\w*|post|after|following"
    r"|from surgery|nach|n\.|postq(?:co|x)\.?|post-?qx|apres|tras|despues|po|pop|p\.o\.?)"
)
_ACCIDENT = (
    r"(?:an? |the |einem |une |una |un )?(?:fall|mva|mvc|accident|injury|trauma|sturz|unfall|chute|caida|injection"
    r"|infiltration|infiltracion|onset)"
)
_RELATIVE = (
    re.compile(
        rf"(?<![a-z0-9]){_AMOUNT} (?:ago|earlier|prior(?! to)|back|zuvor|her|auparavant|atras|antes|out from"
        r"|on(?= *(?:$|[,;.)])))(?![a-z])"
    ),
    re.compile(rf"(?<![a-z0-9]){_AMOUNT} de (?=[tpao]lif|acdf|\w*(?:tom|plast|arthrod|artrod|fusion|cirug))"),
    re.compile(rf"(?<![a-z0-9])(?:vor|v\.?|il y a|hace|depuis|seit|a los|a las|a|at)\s+{_AMOUNT}(?![a-z])"),
)
_RELATIVE_TO_SURGERY = (
    re.compile(rf"(?<![a-z0-9]){_AMOUNT}\.? ?-?{_POSTOP_WORD}(?![a-z])(?! {_ACCIDENT})"),
    re.compile(
        rf"(?<![a-z0-9])(?:post[- ]?op\w*|postoperat\w*|postq\w+|post-?qx|s/p|pop)\.? ?,?:? (?:de )?{_AMOUNT}(?![a-z])"
    ),
    re.compile(
        r"(?<![a-z0-9])(?:post|s/p)[- ]?\w*(?:lif|acdf|tomy|tomie|tomia|fusion|pression|plasty|esis|ese),? "
        rf"{_AMOUNT}(?![a-z])"
    ),
    re.compile(
        rf"(?<![a-z0-9])(?:intervenid[oa]s?|operad[oa]s?|operiert|operee?s?"
        rf"|operated)(?: [^\s,;]+){{0,5}}? {_AMOUNT}\s*$"
    ),
    re.compile(rf"(?<![a-z])(?:suivi|recul|controle) (?:de |a )?{_AMOUNT}(?![a-z])"),
)
_ONE_UNIT_AGO = re.compile(
    r"(?<![a-z0-9])(?:(?:last|past|(?:letzte|vorige|vergangene)[nrs]?) (?P<unit>week|month|year|woche|monat|jahr)"
    r"|l(?:[ae] |')(?P<unit2>semaine|mois|an|annee) (?:derni|passe)\w+"
    r"|l?[ae]l? (?P<unit3>semana|mes|ano) pasad[oa]|al (?P<unit4>mes|ano) de)(?![a-z])"
)
"""Last week, letzte Woche, la semaine dernière, al mes de."""
_WEEKDAYS = (
    r"monday|montag|lundi|lunes",
    r"tuesday|dienstag|mardi|martes",
    r"wednesday|mittwoch|mercredi|miercoles",
    r"thursday|donnerstag|jeudi|jueves",
    r"friday|freitag|vendredi|viernes",
    r"saturday|samstag|samedi|sabado",
    r"sunday|sonntag|dimanche|domingo",
)
_LAST_WEEKDAY = tuple(
    words(rf"(?:last|(?:letzte|vorige|vergangene)[nrs]?|pasado) (?:{names})|(?:{names}) (?:dernier|passe|pasado)")
    for names in _WEEKDAYS
)
"""Last Friday, vendredi dernier; in the order of ``date.weekday``."""
_SPELLED_OUT = tuple(
    (words(written), meant)
    for written, meant in (
        (r"(?:half a|(?:ein(?:em|en|es)? )?halbe[nsm]?|1/2|une? demi[- ]|medio) ?-?(?:year|jahre?s?|annee|ano)",
         "1 halfyear"),
        (r"(?:(?:an? )?year and a half|(?:one|1) and a half years|(?:anderthalb|eineinhalb|1 1/2) jahren?"
         r"|1[.,]5 (?:years?|jahren?|ans?|anos?)|(?:un )?an et demi|(?:un )?ano y medio)", "3 halfyears"),
        (r"(?:zweieinhalb|2 1/2) jahren?|2[.,]5 (?:years?|jahren?|ans?|anos?)|two and a half years"
         r"|(?:deux|2) ans et demi|(?:dos|2) anos y medio", "5 halfyears"),
        (r"(?:an? |one )?month and a half|(?:anderthalb|eineinhalb|1 1/2) monaten?|(?:un )?mois et demi"
            r"|(?:un )?mes y medio",
         "3 halfmonths"),
        (r"vor (?:ca\.? |etwa )?(?P<n>\d{1,2}) ?j\.?(?![a-z0-9])", r"vor \g<n> jahre"),
        (r"(?:an? |one )?fortnight", "2 weeks"),
        (r"(?:the )?week before last|(?:der )?vorletzte[nr]? woche|(?:la )?semaine avant-derniere", "2 weeks ago"),
        (r"(?:une )?quinzaine de jours|quinze jours|(?:una )?quincena|quince dias", "15 days"),
        (r"(?:une )?dizaine de jours", "10 days"),
        (r"(?:une )?huitaine de jours|huit jours|ocho dias|acht tagen", "8 days"),
        (r"(?:a )?couple(?: of)?(?= (?:day|week|wk|month|year))|(?:un )?par de(?= (?:dia|semana|mes|ano))", "2"),
        (r"(?<=vor )(?:ein )?paar(?= (?:wochen|tagen|monaten))", "3"),
        (r"(?P<n>\d{1,2}) ?j\.?(?= (?:nach|post)(?![a-z]))", r"\g<n> jahre"),
    )
)  # fmt: skip
"""Amounts of time in words of their own, and in the words that amounts are read in."""
_HEDGE = re.compile(
    r"(?<![a-z])(?:ca\.?|circa|etwa|ungefahr|knapp|rund|gut|fast|about|approx\.?|approximately|around|roughly|nearly|almost"
    r"|over|more than|just over|environ|a peu pres|pres de|presque|plus de|un[oa]s|aproximadamente|casi|mas de"
    rf"|alrededor de|mehr als|uber) (?=(?:{_COUNT})[ -]?(?:{_UNIT})(?![a-z]))"
)
_FOLLOW_UP = re.compile(
    rf"(?<![a-z0-9]){_AMOUNT}[ -]?(?:follow[- ]?ups?|f/?u|check(?:[- ]?up)?|ck|chk|review|kontrolle|verlaufskontrolle)"
    r" (?=(?:of|after|following|post|nach|der|einer|apres|de|tras)(?![a-z]))"
)
"""A follow-up of an operation is counted from it; one of which nothing is said may be counted from a visit."""
_NUMBERED_UNIT = (
    re.compile(
        r"(?<![a-z])(?P<unit>week|woche|semaine|semana|month|monat|mois|mes) ?#? ?(?P<count>\d{1,2})"
        rf"(?= (?:after|following|{_POSTOP_WORD})(?![a-z]))"
    ),
    re.compile(
        r"(?<![a-z])(?:post-?op\w*|postoperat\w*|pop|po) ?,?:? "
        r"(?P<unit>week|wk|woche|semaine|semana|month|monat|mois|mes)"
        r" ?#? ?(?P<count>\d{1,2})(?![\d/.])"
    ),
    re.compile(
        r"(?<![a-z0-9])(?P<count>\d{1,2})(?:\.|st|nd|rd|th|eme|e|er|a|o)? (?:postop\w* )?"
        r"(?P<unit>week|woche|semaine|semana|month|monat|mois|mes)(?= (?:post|after|nach|apres|tras))"
    ),
    re.compile(
        r"(?<![a-z0-9])(?P<count>\d{1,2})(?:\.|st|nd|rd|th|eme|e|er|a|o) post-?op\w* "
        r"(?P<unit>week|woche|semaine|semana|month|monat|mois|mes)(?![a-z])"
    ),
    re.compile(r"(?<![a-z0-9-])(?P<unit>m|s(?!1(?!\d))) ?\+? ?(?P<count>\d{1,2}) (?=post-?op)"),
    re.compile(r"(?<![a-z0-9-])(?:a )?(?P<unit>m) ?\+? ?(?P<count>\d{1,2}) (?=d(?:'|e |u ))"),
)
"""The sixth week after an operation: "post-op week 6", "6ème semaine post-op", "M3 d'une arthrodèse"."""
_LATELY = re.compile(
    r"(?:lami|tomy|tomie|tomia|lif|acdf|ese|esis|fusion|sion|plasty|plastie|plastia|interne|(?<![a-z])op|surgery"
    r"|operation)(?![a-z])[^,;.]{0,20}?"
    r"(?<!since )(?<!seit )(?<!depuis )(?<!desde )(?<![a-z])(?P<word>day before yesterday|avant-hier"
    r"|vorgestern|anteayer|today|this morning|this am|yesterday"
    r"|heute|gestern|aujourd'hui"
    r"|ce jour|ce matin|hier|hoy|esta manana|ayer)"
    r"(?![a-z])"
)
_DAYS_LATELY = {
    **dict.fromkeys(
        ("today", "this morning", "this am", "heute", "aujourd'hui", "ce jour", "ce matin", "hoy", "esta manana"), 0
    ),
    **dict.fromkeys(("yesterday", "gestern", "hier", "ayer"), 1),
    **dict.fromkeys(("day before yesterday", "vorgestern", "avant-hier", "anteayer"), 2),
}
_BRITISH = re.compile(
    r"(?<![0-9/])(?P<count>\d{1,2})/(?P<of>7|52|12)(?![0-9/])\s*"
    rf"(?:(?P<since>(?:post|s/p|after|following|po|from|since)(?![a-z])(?! {_ACCIDENT}))|ago|out)"
)
_BRITISH_UNIT = {"7": "day", "52": "week", "12": "month"}
_DAY_COUNT = re.compile(
    r"(?<![a-z0-9])(?:p\.?o\.?d\.? ?#?|pop ?#?|day ?#?|postop(?:erative)? day ?#?|j ?\+? ?|tag "
    r"|postop(?:erativer)? tag "
    r"|d ?\+ ?)(?P<count>\d{1,3})(?![\d/.])"
)
_NTH_DAY = re.compile(
    r"(?<![0-9])(?P<count>\d{1,3})(?:\.|er|o|do|to)? (?:(?:postop\w*|post-op\w*|p\.? ?o\.?) tag|dia (?:pop"
    r"|postop\w*|po)\b)|(?<![0-9])(?P<count2>\d{1,3})\. tag (?:nach|postop)"
)

_WORDS_BEFORE = 24
"""Characters before a date in which the word that it belongs to is looked for."""
_OTHER_EVENT = words(
    r"compar\w+|vs\.?|vgl\.?|vergleich|prior (?:ct|mri|mr|study|exam|xr|imaging)",
    r"previous (?:ct|mri|mr|study|exam|xr|imaging)|voraufnahme\w*|vorunters\w*|comp\w*raison|comparatif",
    r"comparado|comparacion|examen (?:du|del|anterior)|fall|fell|mva|mvc|accident|injury|trauma|sturz\w*|unfall",
    r"chute|caida|accidente|onset|since|symptoms?|seit|dob|born|geb\.?|nee? le|nacid[oa]|birth|injection",
    r"infiltration|infiltracion|last seen|seen|visit|clinic|termin|rdv|cita|fracture|diagnosed|erstdiagnose|ed",
    r"chemo\w*|biopsy|lmp|appointment|ct vom|mrt vom|irm du|scanner du|rm del|tac del|ct from|mri from|mri of",
    r"ct of|ct|mri|mrt|irm|xr|rx|tac|rm",
)
_DAY_FIRST = words(
    r"z\.? ?n\.?|nach|vom|am|und|mit|operiert|wirbel\w*|lws|hws|le|la|du|des|et|arthrodese|opere\w*|el|los|del",
    r"cirugia|operad[oa]|artrodesis|rachis|columna|controle|depuis|hernie|bandscheib\w*|spondylodese|avec|con",
    r"fecha",
)


@dataclass(frozen=True, slots=True)
class SurgeryDate:
    """When an operation was: between two days (the same day where it is exact), and the doubt in words."""

    earliest: date
    latest: date
    doubt: str | None = None

    @property
    def exact(self) -> date | None:
        """The day, or None where only an interval is known."""
        return self.earliest if self.earliest == self.latest else None


@dataclass(frozen=True, slots=True)
class _Found:
    start: int
    end: int
    when: SurgeryDate
    is_certain: bool = False
    """The words themselves say that the time is since an operation."""
    is_month: bool = False
    """A whole month, of 28 or of 31 days, is what it says."""


def read_surgery_date(
    statement: str, *, reference_date: date | None = None, yearless_within_days: int = 366
) -> SurgeryDate | None:
    """Date of the operation that one plain statement tells of; None where it gives none.

    ``reference_date`` is the day the text was written (the study date) and is needed for "3 months ago".
    The caller decides whether the statement is about an operation at all. A day or month without its year is
    the last of that name where that is no longer ago than ``yearless_within_days``: the next may be meant as well.
    """
    found = [hit for hit in _absolute(statement) if not _is_of_another_event(statement, hit)]
    if not found and reference_date is not None:
        spelled = _with_amounts_in_figures(statement)
        hits = _relative(spelled, reference_date)
        found = [hit for hit in hits if hit.is_certain or not _is_of_another_event(spelled, hit)]
    if not found and reference_date is not None:
        oldest = reference_date - timedelta(days=yearless_within_days)
        hits = [hit for hit in _yearless(statement, reference_date) if hit.when.latest > oldest]
        found = [hit for hit in hits if not _is_of_another_event(statement, hit)]
    return min(found, key=_precision).when if found else None


def _with_amounts_in_figures(statement: str) -> str:
    """The statement with "half a year", "une quinzaine" and "about 3 months" as amounts are read."""
    for written, meant in _SPELLED_OUT:
        statement = written.sub(meant, statement)
    return _HEDGE.sub("", statement)


def _precision(found: _Found) -> tuple[int, int]:
    """The narrower first; of two months or two years the later, of two days the first that is written."""
    width = (found.when.latest - found.when.earliest).days
    if width >= _WHOLE_YEAR_DAYS or found.is_month:
        return (31 if found.is_month else _WHOLE_YEAR_DAYS), -found.when.latest.toordinal()
    return width, found.start


def _is_of_another_event(statement: str, found: _Found) -> bool:
    """Whether the words just before the date are about something other than the operation."""
    other = list(_OTHER_EVENT.finditer(statement, max(0, found.start - _WORDS_BEFORE), found.start))
    if not other:
        return False
    between = statement[other[-1].end() : found.start]
    return (
        re.search(
            r"op\b|surg|s/p|[a-z]{3,}(?:omy|ion|ese|sis|omie|ia)\b|lif\b|acdf|operiert|opere|operad|versteif", between
        )
        is None
    )


def _absolute(statement: str) -> Iterator[_Found]:
    taken: list[tuple[int, int]] = []
    for read in (_days, _ambiguous_days, _months, _years):
        for found in list(read(statement)):
            if all(found.end <= start or found.start >= end for start, end in taken):
                taken.append((found.start, found.end))
                yield found


def _days(statement: str) -> Iterator[_Found]:
    for pattern in (_ISO, _COMPACT, _DOTTED):
        for found in pattern.finditer(statement):
            yield from _on(found, int(found["year"]), int(found["month"]), int(found["day"]))
    for found in _NAMED_DAY.finditer(statement):
        month = _month_number(found["month"] or found["month2"])
        yield from _on(found, _year_number(found["year"] or found["year2"]), month, int(found["day"] or found["day2"]))


def _ambiguous_days(statement: str) -> Iterator[_Found]:
    for found in _NUMERIC.finditer(statement):
        first, second, year = int(found["first"]), int(found["second"]), int(found["year"])
        if first > 12 or _DAY_FIRST.search(statement) or first == second:
            yield from _on(found, year, second, first)
        elif second > 12:
            yield from _on(found, year, first, second)
        else:
            a, b = sorted((date(_full_year(year), first, second), date(_full_year(year), second, first)))
            yield _Found(*found.span(), SurgeryDate(a, b, f"{found[0]} can mean {a.isoformat()} or {b.isoformat()}"))


def _months(statement: str) -> Iterator[_Found]:
    for found in _NAMED_MONTH.finditer(statement):
        written = {name.rstrip("0123456789"): value for name, value in found.groupdict().items() if value}
        year = _full_year(_year_number(written["year"]))
        month = _month_number(written["month"]) if "month" in written else int(written["number"])
        last = calendar.monthrange(year, month)[1]
        doubt = "only the month of the operation is given"
        yield _Found(*found.span(), SurgeryDate(date(year, month, 1), date(year, month, last), doubt), is_month=True)


def _years(statement: str) -> Iterator[_Found]:
    for found in _YEAR.finditer(statement):
        year = _full_year(_year_number(found["year"]))
        doubt = "only the year of the operation is given"
        yield _Found(*found.span(), SurgeryDate(date(year, 1, 1), date(year, 12, 31), doubt))


def _yearless(statement: str, reference: date) -> Iterator[_Found]:
    """Days, else months, else seasons whose year is not written: the last before the text was."""
    days = [found for pattern in _LATEST_DAY for found in pattern.finditer(statement)]
    for found in days:
        groups = found.groupdict()
        month = int(groups["number"]) if groups.get("number") else _month_number(groups["month"])
        year = reference.year if (month, int(found["day"])) <= (reference.month, reference.day) else reference.year - 1
        if month <= 12:
            yield from _on(found, year, month, int(found["day"]))
    if days:
        return
    for found in _LATEST_MONTH.finditer(statement):
        yield _month_before(found, reference, _month_number(found["month"]), months=1)
    for season, pattern in enumerate(_LAST_SEASON):
        for found in pattern.finditer(statement):
            yield _month_before(found, reference, 12 if season == 0 else 3 * season, months=3)


def _month_before(found: re.Match[str], reference: date, month: int, *, months: int) -> _Found:
    """The last time before a day that so many months, from this one on, were over or had at least begun."""
    year = reference.year if month <= reference.month else reference.year - 1
    if months > 1 and (year, month + months) > (reference.year, reference.month):
        year -= 1
    last_month, last_year = (month + months - 2) % 12 + 1, year + (month + months - 2) // 12
    last = date(last_year, last_month, calendar.monthrange(last_year, last_month)[1])
    doubt = "the year of the operation is not given"
    return _Found(*found.span(), SurgeryDate(date(year, month, 1), min(last, reference), doubt), is_month=months == 1)


def _on(found: re.Match[str], year: int, month: int, day: int) -> Iterator[_Found]:
    try:
        when = date(_full_year(year), month, day)
    except ValueError:
        return
    if when.year >= _OLDEST_YEAR:
        yield _Found(*found.span(), SurgeryDate(when, when))


def _year_number(written: str) -> int:
    return int(written.removeprefix("'"))


def _full_year(year: int) -> int:
    if year >= 100:
        return year
    return 2000 + year if year <= _CENTURY_PIVOT else 1900 + year


def _month_number(name: str) -> int:
    return _MONTH_NAMES.get(name[:4]) or _MONTH_NAMES[name[:3]]


def _relative(statement: str, reference: date) -> Iterator[_Found]:
    for pattern in (_DAY_COUNT, _NTH_DAY):
        for found in pattern.finditer(statement):
            yield _before(found, reference, _count(next(g for g in found.groups() if g)), "day", is_certain=True)
    for found in _ONE_UNIT_AGO.finditer(statement):
        yield _before(found, reference, 1, _unit(next(filter(None, found.groups()))))
    for weekday, pattern in enumerate(_LAST_WEEKDAY):
        for found in pattern.finditer(statement):
            yield _before(found, reference, (reference.weekday() - weekday) % 7 or 7, "day")
    for pattern in _NUMBERED_UNIT:
        for found in pattern.finditer(statement):
            yield _before(found, reference, int(found["count"]), _unit(found["unit"]), is_certain=True)
    for found in _FOLLOW_UP.finditer(statement):
        yield _before(found, reference, _count(found["count"]), _unit(found["unit"]))
    for found in _LATELY.finditer(statement):
        yield _before(found, reference, _DAYS_LATELY[found["word"]], "day", is_certain=True)
    for found in _BRITISH.finditer(statement):
        yield _before(
            found, reference, int(found["count"]), _BRITISH_UNIT[found["of"]], is_certain=bool(found["since"])
        )
    for patterns, is_certain in ((_RELATIVE, False), (_RELATIVE_TO_SURGERY, True)):
        for found in (found for pattern in patterns for found in pattern.finditer(statement)):
            yield _before(found, reference, _count(found["count"]), _unit(found["unit"]), is_certain=is_certain)


def _before(found: re.Match[str], reference: date, count: int, unit: str, *, is_certain: bool = False) -> _Found:
    centre = reference - timedelta(days=round(count * _DAYS[unit]))
    slack = timedelta(days=_RELATIVE_SLACK[unit])
    doubt = None if unit == "day" else f"given as {count} {unit}{'s' if count != 1 else ''} before the exam"
    return _Found(*found.span(), SurgeryDate(centre - slack, min(centre + slack, reference), doubt), is_certain)


def _count(written: str) -> int:
    return int(written) if written.isdigit() else _COUNT_WORDS[written]


def _unit(written: str) -> str:
    if written.startswith("half"):
        return "half year" if written.startswith("halfyear") else "half month"
    if written.startswith("jahr"):
        return "year"
    return _UNIT_OF[written[0]]
