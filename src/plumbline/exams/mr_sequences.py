"""What an MR series is weighted to: T1, T2, STIR, Dixon and so on, from its acquisition parameters.

The parameters are what the scanner did; the description is what somebody called it, and is asked only
where the parameters do not tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from plumbline.exams.plain_text import plain, words
from plumbline.exams.study import Series


class MrKind(StrEnum):
    """Kinds of MR sequence that differ in what can be read from them."""

    T1 = "T1"
    T1_CONTRAST_FAT_SAT = "T1 fat-saturated after contrast"
    T1_CONTRAST = "T1 after contrast"
    T2 = "T2"
    T2_FAT_SAT = "T2 fat-saturated"
    STIR = "STIR"
    DIXON = "Dixon"
    PD = "proton density"
    GRADIENT_ECHO = "gradient echo"
    DIFFUSION = "diffusion"
    MYELOGRAPHY = "myelography"
    LOCALISER = "localiser"


@dataclass(frozen=True, slots=True)
class MrLimits:
    """Times in ms that part the weightings of spin echo at 0.5 to 3 T, and where they come from.

    Usual textbook ranges: T1 has TR below 900 (spin echo at 3 T) and TE below 30, T2 a TE above 60 and a TR
    above 1500; STIR nulls fat at a TI of 80 to 260 and T1 FLAIR water at 600 to 1200, fluid at more.
    """

    t1_longest_tr_ms: float = 950.0
    short_te_ms: float = 35.0
    long_te_ms: float = 60.0
    long_tr_ms: float = 1500.0
    stir_shortest_ti_ms: float = 70.0
    stir_longest_ti_ms: float = 300.0
    t1_flair_longest_ti_ms: float = 1300.0
    myelography_te_ms: float = 400.0


@dataclass(frozen=True, slots=True)
class MrJudgement:
    """The kind of one series and the sentence that says from what."""

    kind: MrKind | None
    reason: str


_DESCRIBED = (
    (MrKind.LOCALISER, words(r"loc|localiz\w*|localis\w*|scouts?|survey|3-?plane\w*|pilot|reperage")),
    (MrKind.DIFFUSION, words(r"dwi|diff?usion|adc|trace\w*|ep2d diff\w*|resolve")),
    (MrKind.MYELOGRAPHY, words(r"myelo\w*|mrm|haste myelo\w*")),
    (MrKind.DIXON, words(r"dixon|ideal|\w*dixon\w*|in[- ]phase|opp(?:osed)?[- ]phase|fat only|water only")),
    (MrKind.STIR, words(r"stir|tirm|spir tirm|t2 ?(?:w )?(?:tirm|stir)|ir fse fs")),
    (MrKind.PD, words(r"pd|pdw|proton density|dp|densite de protons")),
    (MrKind.GRADIENT_ECHO, words(r"gre|medic|merge|t2\*|t2 ?star|ffe|swi|ciss|fiesta|trufi|bffe|flash|vibe|mpgr")),
    (MrKind.T2, words(r"t2\w*|\w+t2")),
    (MrKind.T1, words(r"t1\w*|\w+t1")),
)
_FAT_SATURATED = words(
    r"fs|fat ?sat\w*|fatsat|spir|spair|fett?sat\w*|sat ?(?:graisse|grasa)|fat ?sup\w*|chemsat|we|t[12]w?_?fs"
)
_AFTER_CONTRAST = words(
    r"\+ ?c|c ?\+|\+ ?gd|\+ ?km|\+ ?k|gd|gado\w*|post ?(?:gad\w*|contrast|gd|km|contraste)?|km"
    r"|contrast\w*|kontrast\w*|iv|inj\w*"
)
_WITHOUT_CONTRAST = words(
    r"(?:without|w/o|wo|ohne|vor|pre|pre-|sans|avant|sin|antes(?: de)?|no)[- ]*(?:iv[- ]*)?"
    r"(?:contrast\w*|kontrast\w*|km|gd|gado\w*|inj\w*|iv)"
)
_NO_AGENT = words(r"no|none|nein|non|n|0|without|ohne|sans|sin|ninguno|nativ|w/?o")
_IMAGE_TYPES = {
    MrKind.LOCALISER: {"LOCALIZER"},
    MrKind.DIFFUSION: {"DIFFUSION", "ADC", "TRACEW", "DWI"},
    MrKind.DIXON: {"IN_PHASE", "OUT_PHASE", "OPP_PHASE", "WATER", "FAT", "DIXON", "W", "IP", "OP", "F"},
}
"""Values of Image Type (0008,0008) that name a kind."""
_DIXON_WATER, _DIXON_IN_PHASE = frozenset({"WATER", "W"}), frozenset({"IN_PHASE", "IP"})
_DIXON_REST = frozenset({"OUT_PHASE", "OPP_PHASE", "FAT", "OP", "F"})
_ACQUIRED = {
    "T1": MrKind.T1,
    "T2": MrKind.T2,
    "STIR": MrKind.STIR,
    "PROTON_DENSITY": MrKind.PD,
    "T2_STAR": MrKind.GRADIENT_ECHO,
    "DIFFUSION": MrKind.DIFFUSION,
}
"""By Acquisition Contrast (0008,9209), PS3.3 C.8.13.3.1.1."""
_FAT_SATURATION_OPTIONS = frozenset({"FS", "SFS", "FAT_SAT", "SPIR", "SPAIR", "FATSAT", "FSA", "SAT_GEMS_FS"})


def judge_mr(series: Series, limits: MrLimits | None = None) -> MrJudgement:
    """Kind of an MR series: from tags first, from its description where they do not tell."""
    if by_tags := _by_tags(series, limits or MrLimits()):
        return by_tags
    said = plain(f"{series.description or ''} {series.protocol_name or ''}".replace("_", " "))
    for kind, pattern in _DESCRIBED:
        if pattern.search(said):
            return MrJudgement(_refined(kind, series, said), "its description says so")
    return MrJudgement(None, "neither its parameters nor its description tell")


def is_fat_saturated(series: Series) -> bool:
    """Whether fat is suppressed, by Scan Options (0018,0022) or by name."""
    said = plain(f"{series.description or ''} {series.sequence_name or ''}".replace("_", " "))
    return bool({value.upper() for value in series.scan_options} & _FAT_SATURATION_OPTIONS) or bool(
        _FAT_SATURATED.search(said)
    )


def has_contrast(series: Series) -> bool:
    """Whether a contrast agent was given before, by Contrast/Bolus Agent (0018,0010) or by name."""
    agent = plain((series.contrast_agent or "").strip())
    if agent and not _NO_AGENT.fullmatch(agent):
        return True
    said = _WITHOUT_CONTRAST.sub(" ", plain((series.description or "").replace("_", " ")))
    return _AFTER_CONTRAST.search(said) is not None


def _by_tags(series: Series, limits: MrLimits) -> MrJudgement | None:
    if named := _by_image_type(series, limits):
        return named
    if acquired := _ACQUIRED.get((series.acquisition_contrast or "").upper()):
        return MrJudgement(_refined(acquired, series, ""), "Acquisition Contrast says so")
    return _by_times(series, limits)


def _by_times(series: Series, limits: MrLimits) -> MrJudgement | None:
    scanning = {value.upper() for value in series.scanning_sequence}
    tr, te, ti = series.repetition_time_ms, series.echo_time_ms, series.inversion_time_ms
    if ti and ("IR" in scanning or not scanning) and (inverted := _inverted(ti, te, limits)):
        return MrJudgement(_refined(inverted, series, ""), f"TI {ti:.0f} ms")
    if tr is None or te is None:
        return None
    if "GR" in scanning and "SE" not in scanning:
        return MrJudgement(MrKind.GRADIENT_ECHO, "Scanning Sequence says gradient echo")
    kind = _spin_echo(tr, te, limits)
    return None if kind is None else MrJudgement(_refined(kind, series, ""), f"TR {tr:.0f} ms, TE {te:.0f} ms")


def _by_image_type(series: Series, limits: MrLimits) -> MrJudgement | None:
    types = {value.upper() for instance in series.instances for value in instance.image_type}
    for kind, values in _IMAGE_TYPES.items():
        if types & values:
            part = _dixon_part(series, types, limits) if kind is MrKind.DIXON else None
            return part or MrJudgement(kind, f"Image Type says {kind.value}")
    return None


def _dixon_part(series: Series, types: set[str], limits: MrLimits) -> MrJudgement | None:
    """What one image of a Dixon serves as: water alone is fat-saturated, both in phase are the plain weighting."""
    parts = [part for part in (_DIXON_WATER, _DIXON_IN_PHASE, _DIXON_REST) if types & part]
    weighted = _by_times(series, limits)
    if len(parts) != 1 or parts[0] is _DIXON_REST or weighted is None:
        return None
    if parts[0] is _DIXON_IN_PHASE:
        return MrJudgement(weighted.kind, f"both parts of a Dixon in phase, {weighted.reason}")
    saturated = {MrKind.T2: MrKind.T2_FAT_SAT, MrKind.T1_CONTRAST: MrKind.T1_CONTRAST_FAT_SAT}
    kind = saturated.get(weighted.kind, weighted.kind) if weighted.kind else None
    return MrJudgement(kind, f"the water of a Dixon, {weighted.reason}")


def _inverted(ti: float, te: float | None, limits: MrLimits) -> MrKind | None:
    if limits.stir_shortest_ti_ms <= ti <= limits.stir_longest_ti_ms:
        return MrKind.STIR
    is_t1 = ti <= limits.t1_flair_longest_ti_ms and te is not None and te < limits.short_te_ms
    return MrKind.T1 if is_t1 else None


def _spin_echo(tr: float, te: float, limits: MrLimits) -> MrKind | None:
    if te >= limits.myelography_te_ms:
        return MrKind.MYELOGRAPHY
    if te >= limits.long_te_ms and tr >= limits.long_tr_ms:
        return MrKind.T2
    if te < limits.short_te_ms:
        return MrKind.T1 if tr <= limits.t1_longest_tr_ms else MrKind.PD if tr >= limits.long_tr_ms else None
    return None


def _refined(kind: MrKind, series: Series, said: str) -> MrKind:
    is_fat_free = is_fat_saturated(series) or bool(said and _FAT_SATURATED.search(said))
    if kind is MrKind.T1 and has_contrast(series):
        return MrKind.T1_CONTRAST_FAT_SAT if is_fat_free else MrKind.T1_CONTRAST
    return MrKind.T2_FAT_SAT if kind is MrKind.T2 and is_fat_free else kind
