"""Levels and vertebrae in free text, as people write them: ``L4/5``, ``L4-L5``, ``D12-L2``, ``LWK 4/5``, ``L3 to S1``.

A level that nobody wrote must never come out. So an MR weighting (``T2``), a series number (``S1``), a
nerve root (``L5 radiculopathy``), a stage, a dose or a room is not a level, and one vertebra alone is
reported as a vertebra, not as a level.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import pairwise

from plumbline.anatomy.levels import Level, Vertebra, usual_spine
from plumbline.exams.plain_text import remembered, words

_LARGEST = {"C": 7, "T": 13, "L": 6, "S": 5}
_SACRUM = "S1"
_NEXT_REGION = {"C7": "T1", "T12": "L1", "T13": "L1", "L5": "S1", "L6": "S1"}
"""What follows when only a number is written after the last of a region: L5/1 is L5-S1."""

_REGION_LETTER = {
    "c": "C", "hw": "C", "hwk": "C", "t": "T", "th": "T", "d": "T", "bw": "T", "bwk": "T",
    "l": "L", "lw": "L", "lwk": "L", "s": "S", "sw": "S", "swk": "S",
}  # fmt: skip
_REGION = r"[lbhs]wk?|th|[ctdls]"
_NUMBER = r"1[0-3]|[1-9]"
_END = rf"(?![0-9]|[.,][0-9])(?:(?![a-z])|(?=(?:{_REGION})[ .]?[0-9])|(?=ai(?![a-z])))"
_FIRST = re.compile(rf"(?<![a-z0-9.=#])(?P<region>{_REGION})(?P<gap>[ .]?)(?P<number>{_NUMBER}){_END}")
_RANGE_WORD = r"to|down to|thru|through|bis|a|au|hasta"
_NEXT_NAMED = re.compile(
    rf"(?P<separator>\s*(?:-{{1,2}}>?|/|>|_)\s*|\s+(?:{_RANGE_WORD})\s+|\s*[&+]\s*|\s+(?:and|und|et|y)\s+|\s?)"
    rf"(?P<region>{_REGION})[ .]?(?P<number>{_NUMBER}){_END}"
)
_FUSED = words(
    r"arthrodes\w*|artrodes\w*|fusion\w*|fused|psf|plf|spond[yi]lodes\w*|instrument\w+|osteosynth\w*|osteosint\w*|fixat\w+|fijacion"
    r"|stabili\w+|estabiliz\w+|verschraub\w*|versteif\w*|[tpaolx]lif"
)
"""Two vertebrae that one of these holds together have everything between them held too."""
_DOWN_TO_PELVIS = re.compile(
    rf"(?:\s*(?:-{{1,2}}>?|/|>)\s*|\s+(?:{_RANGE_WORD})\s+)(?:the |das |dem |le |la |el |l')?"
    r"(?:pelvis|pelvic|ilium|iliac\w*|ilion|iliums?|becken|bassin|sacrum|sakrum|sacro)(?![a-z])"
)
"""A construct that goes down to the pelvis holds the last lumbar segment, too."""
_OF_BODIES = words(r"(?:vertebro|kypho|cypho|cifo)-?plast\w*|cimentoplast\w*")
"""What is done to vertebrae one by one: several of them in a row are no segments."""
_ADDING = frozenset({"", "&", "+", "and", "und", "et", "y"})
"""Between two vertebrae: that both are meant, not all between them."""
_NEXT_NUMBER = re.compile(
    rf"(?P<separator>\s?[-/]\s?|\s+(?:{_RANGE_WORD})\s+)(?P<number>{_NUMBER})(?![0-9]|[.,][0-9]|[-/.][0-9]{{2}})"
    rf"(?:(?![a-z])|(?=(?:{_REGION})[0-9]))"
)
_NEXT_PAIR = re.compile(
    r"\s*(?:,|;|\band\b|\bund\b|\bet\b|\by\b|\bsowie\b|&|\+|\s)\s*"
    r"(?P<above>[1-9]|1[0-2])\s?[-/]\s?(?P<below>s1|[1-9]|1[0-2])(?![0-9a-z]|[.,/-][0-9])"
)
_FURTHER_VERTEBRA = re.compile(rf"(?:{_REGION})[ .]?(?:{_NUMBER})\s*(?:,|\s|/|-)\s*(?:{_REGION})[ .]?(?:{_NUMBER})")
_BETWEEN = re.compile(r"(?:between|zwischen|entre)\s+(?:the\s+)?$")
_BETWEEN_AND = re.compile(rf"\s+(?:and|und|et|y)\s+(?P<region>{_REGION})[ .]?(?P<number>{_NUMBER}){_END}")
_REGION_WORD_PAIR = re.compile(
    r"(?<![a-z0-9])(?P<word>lumbar|lumbal|lombaire|lumbale|lendenwirbel|lws|lw|cervical|zervikal|halswirbel|hws|hw"
    r"|thoracic|thorakal|brustwirbel|bws|bw)\s+(?P<above>[1-9]|1[0-2])\s?[-/]\s?(?P<below>s1|[1-9]"
    r"|1[0-2])(?![0-9a-z]|[.,/-][0-9])"
)
_REGION_OF_WORD = {"l": "L", "c": "C", "z": "C", "h": "C", "t": "T", "b": "T"}
_RUN_TOGETHER = re.compile(r"(?<![a-z0-9.=#])l(?P<above>[2345])(?P<below>[3451])(?![0-9a-z]|[.,][0-9])")
_COUNTED = re.compile(
    r"(?P<count>[2-5]|two|three|four|five|zwei|drei|vier|deux|trois|quatre|dos|tres|cuatro)[- ]?"
    r"(?:levels?|segmentale?|segmente?|etagen|hohen|niveaux|etages|niveles)\b[^.;0-9]{0,30}?"
    rf"\b(?:from|starting at|ab|von|depuis|a partir de|desde)\s+(?P<region>{_REGION})[ .]?(?P<number>{_NUMBER}){_END}"
)
_COUNTS = {
    "two": 2, "zwei": 2, "deux": 2, "dos": 2, "three": 3, "drei": 3, "trois": 3, "tres": 3,
    "four": 4, "vier": 4, "quatre": 4, "cuatro": 4, "five": 5,
}  # fmt: skip

_SPINE_WORDS = words(
    r"spine|spinal|[clt]-?spine|lumbar|cervical|thoracic|lumbosacral|vertebra\w*|dis[ck]s?|disco|fractures?",
    r"s[ck]olios\w+|escolios\w+|cifosis|[ck]yphosen?|fijacion\w*|fixat\w+|korpektom\w*|corporectom\w+|osteosynth\w+",
    r"levels?|fx|stenos\w+|spondyl\w+|listhesis|facet\w*|canal|scoliosis|kyphosis|deformity|compression|burst",
    r"wirbel\w*|\w*wirbels\w+|[lhb]ws|bandscheib\w*|fraktur\w*|stenose\w*|bsv|\w*frakturen|rachis|rachidien",
    r"lombaires?|dorsal\w*|cervicale|disque|hernie\w*|vertebr\w+|tassement|columna|raquis|raquidea|lumbares?",
    r"dorsolumbar|hernia\w*|fractura\w*|tlif|plif|alif|llif|xlif|olif|acdf|fusion\w*|laminect\w+|laminekt\w+",
    r"\w*disc?ectom\w+|kypho\w*|cifoplast\w*|vertebroplast\w*|arthrode\w+|artrodesis|spondylodes\w+",
    r"instrument\w+|screws?|schraub\w+|vis|tornillos?|corpectom\w+|decompress\w+|dekompress\w+|descompres\w+",
    r"cages?|prothesen?|rods?|hardware",
)
_NEAR_SPINE_WORDS = words(
    r"osteosynthes\w*|osteosintesis|prequirurgic\w+|artroplast\w+|materiel",
    r"neck|back|nacken|rucken\w*|dos|cuello|espalda|nuque|arms?|legs?|bein\w*|jambes?|piernas?|pain|schmerz\w*"
    r"|douleurs?|dolor",
    r"lbp|sciati\w+|isch?ialgi\w+|ciatica|cruralgi\w+|radicul\w+|radikul\w+|myelopath\w+|mielopat\w+|claudication"
    r"|surgery",
    r"surgical|op|post-?op\w*|postop\w*|pre-?op\w*|preop\w*|operat\w+|operi\w+|opere\w*|operad\w+|cirugia"
    r"|chirurgi\w+|s/p|z\.? ?n\.?",
    r"reprise|revision|prolap\w*|protrusion|bulge|herniation|listhes\w+|spondylo\w*|espondil\w+|discopath\w+"
    r"|discopatia",
    r"discarthrose|osteochondros\w+|enge|estenosis|listesis|nerve|roots?|wurzel\w*|paraparesis|\w*paresis"
    r"|weakness|subsidence",
    r"discectom\w+|laminoplast\w*|arthroplasty|prothese|protesis|scs|stimulator|rods?|odontoid|foramin\w*|metasta\w+",
)
"""Words that do not name the spine but are written about it."""
_ELSEWHERE = words(
    r"chest|thorax|torax|pulmon\w*|lungs?|lunge|knee|knie|genou|rodilla|hip|hufte|hanche|cadera|abdomen|abdominal"
    r"|kidney\w*",
    r"niere\w*|liver|leber|foie|head|brain|schadel|hand|foot|shoulder|schulter|epaule|hombro|specimen|isolation",
)
_FEW_WORDS = 1
"""A text of at most so many words (a modality, a verb) besides the level needs no word about the spine."""
_WORD = re.compile(r"[a-z]{3,}")
_ROOT_AFTER = re.compile(
    r" *-? *(?:nerve|roots?|radicul\w+|dermatom\w+|myotom\w+|neuropath\w+|wurzel\w*|nervenwurzel\w*|radikul\w+"
    r"|weakness|parese|parasthesi\w+|syndrom\w*|infiltration|prt\b|hypasthesie|sciatica|ischias)"
)
_ROOT_BEFORE = re.compile(
    r"(?<![a-z])(?:roots?|radicul\w+|radikul\w+|dermatom\w*|myotom\w*|\w*wurzel\w*|racines?|raiz|raices"
    r"|ischialgie|sciatalgie"
    r"|sciatica|sciatique|cruralgie|ciatica|parese|nerve|territoire|reizung|kompression|nervenwurzel\w*"
    r"|n\.?cb|nevralgie cervico-brachiale) +(?:at\s+|of\s+|de\s+|en\s+|links\s+|rechts\s+|left\s+|right\s+"
    r"|gauche\s+|droite\s+)*$"
)
_NOT_SPINE_AFTER = re.compile(
    r" *(?:views?\b|vws?\b|v\b|projections?|incidences?|ebenen|proyecciones|mm\b|cm\b|mg\b|ml\b|mcg\b|kg\b|%|x\b"
    r"|days?\b|weeks?\b|months?\b|years?\b|hours?\b|tage?\b|wochen\b|monate?\b|jahre?\b|jours\b|semaines\b|mois\b"
    r"|dias\b|semanas\b"
    r"|meses\b|series\b|serie\b|images?\b|bilder\b|slices?\b|schichten\b|complement|ratio|phase|n[0-3x]\b"
    r"|m[01x]\b|ward\b|ribs?\b"
    r"|tabl\w*|doses?\b|teeth|lead\b|of\s+\d|sternal|=)"
)
_NOT_SPINE_BEFORE = re.compile(
    r"(?<![a-z])(?:ward|bed|room|zimmer|station|salle|sala|habitacion|cama|lit|box|lot|ref|batch|model|serial"
    r"|accession|acc"
    r"|id|nr|no"
    r"|series|serie|image|img|slice|stage|stadium|stade|estadio|grade|complement|vitamin|vitamine|vitamina|floor"
    r"|block|unit"
    r"|segment|liver|leber|foie|higado|lead|tooth|finger|hepatitis|mri coil|coil|version|v|rev|software)"
    r"[.:#]? *$"
)
_THYROID = words(
    r"tsh|thyro\w+|schilddruse\w*|tiroid\w+|ft[34]",
)
_WEIGHTING = re.compile(
    r"weight|gewicht|ponder|potenciad|\bt[12] ?-?(?:w\b|w[it]|tse|fse|tirm|stir|fs\b|fat|dixon|flair|se\b|gre"
    r"|vibe|sag|ax|tra|cor|space|dark"
    r"|gd|km\b|iv\b|inyect|inject|mprage|\+|c\+|post\b|pre\b|nativ|spir|hyper|hypo|signal|sig\b|bright|hell"
    r"|dunkel|brillant)"
    r"|\b(?:sag\w*|ax\w*|tra\w*|cor\w*|stir|flair|sequen\w+|secuenc\w+|dixon|tse|fse|irm|rm|rmn|mri|mrt"
    r"|signal) ?\w* t[12]\b"
)
_THORACIC = words(
    r"thoracic|thorac\w*|thorakal\w*|dorsal\w*|dorsales|torac\w+|brustwirbel\w*|bwk|bws|vertebra\w*|wirbel\w*",
    r"cervicothoracic|cervicothorac\w+|fractures?|fraktur\w*|fractura\w*|levels?|dis[ck]|fusion|laminectomy",
    r"metasta\w+",
)


_CHARACTERS_BEFORE = 80
"""How far back the words before an expression are read."""


@dataclass(frozen=True, slots=True)
class LevelText:
    """What a text names, each once, cranial to caudal.

    ``vertebrae`` are those named alone ("L1 kyphoplasty"), not the ends of a level.
    """

    levels: tuple[Level, ...]
    vertebrae: tuple[Vertebra, ...]


@dataclass
class _Chain:
    """Vertebrae that are written as one expression, from ``start`` to ``end`` in the text."""

    start: int
    end: int
    vertebrae: list[Vertebra]
    is_spaced: bool
    letter: str
    levels: list[Level] = field(default_factory=list)


class _Whole:
    """What a text is about as a whole; looked up only where a chain asks."""

    def __init__(self, plain_text: str) -> None:
        self.text = plain_text

    @cached_property
    def is_of_spine(self) -> bool:
        return _SPINE_WORDS.search(self.text) is not None

    @cached_property
    def may_name_levels(self) -> bool:
        """Whether it is about a spine; a lumbar level is believed unless the text is about something else."""
        return self.is_of_spine or _NEAR_SPINE_WORDS.search(self.text) is not None

    @cached_property
    def is_terse(self) -> bool:
        return len(_WORD.findall(self.text)) <= _FEW_WORDS

    @cached_property
    def is_of_another_part(self) -> bool:
        return _ELSEWHERE.search(self.text) is not None

    @cached_property
    def is_of_thoracic_spine(self) -> bool:
        return _THORACIC.search(self.text) is not None

    @cached_property
    def is_of_thyroid(self) -> bool:
        return _THYROID.search(self.text) is not None

    @cached_property
    def has_weighting(self) -> bool:
        return _WEIGHTING.search(self.text) is not None


@remembered
def read_levels(plain_text: str) -> LevelText:
    """Levels and single vertebrae named in a text that ``plain_text.plain`` has prepared."""
    whole = _Whole(plain_text)
    levels: set[Level] = set()
    singles: set[Vertebra] = set()
    for chain in _chains(plain_text):
        if _is_something_else(whole, chain):
            continue
        if chain.levels:
            levels.update(chain.levels)
        elif not chain.is_spaced:
            singles.update(chain.vertebrae)
    levels.update(_word_pairs(plain_text))
    if whole.may_name_levels:
        levels.update(_run_together(plain_text))
    levels.update(_counted(plain_text))
    kept = singles if whole.is_of_spine or levels else set()
    return LevelText(tuple(sorted(levels)), tuple(sorted(v for v in kept if not _is_in(v, levels))))


@cache
def span(above: Vertebra, below: Vertebra) -> tuple[Level, ...]:
    """Levels from ``above`` to ``below``; T13 and L6 exist only where one of the two names them."""
    present = {*usual_spine(), above, below}
    column = [vertebra for vertebra in sorted(present) if above <= vertebra <= below]
    return tuple(Level(upper, lower) for upper, lower in pairwise(column))


def _chains(text: str) -> Iterator[_Chain]:
    position = 0
    while found := _FIRST.search(text, position):
        chain = _chain_from(text, found)
        if chain is None:
            position = found.start() + 1
            continue
        yield chain
        position = max(chain.end, found.end())


def _chain_from(text: str, found: re.Match[str]) -> _Chain | None:
    first = _vertebra(found["region"], found["number"])
    if first is None:
        return None
    is_spaced = bool(found["gap"]) and len(found["region"]) == 1
    chain = _Chain(found.start(), found.end(), [first], is_spaced, found["region"])
    if _BETWEEN.search(text[max(0, found.start() - _CHARACTERS_BEFORE) : found.start()]) and (
        other := _BETWEEN_AND.match(text, found.end())
    ):
        _extend(chain, _vertebra(other["region"], other["number"]), other.end())
    while _grow(text, chain):
        pass
    if chain.levels:
        _add_bare_pairs(text, chain)
    return chain


def _grow(text: str, chain: _Chain) -> bool:
    """Take one more vertebra into the chain; False where none follows."""
    last = chain.vertebrae[-1]
    if named := _NEXT_NAMED.match(text, chain.end):
        vertebra = _vertebra(named["region"], named["number"])
        is_joined = named["separator"].strip() not in _ADDING
        if vertebra is not None and (is_joined or _are_joined_unsaid(text, chain, named["separator"], vertebra)):
            return _extend(chain, vertebra, named.end())
    if pelvis := _DOWN_TO_PELVIS.match(text, chain.end):
        return last.region != "S" and _extend(chain, Vertebra(_SACRUM), pelvis.end())
    if numbered := _NEXT_NUMBER.match(text, chain.end):
        if _NOT_SPINE_AFTER.match(text, numbered.end()):
            return False
        return _extend(chain, _numbered_after(last, int(numbered["number"])), numbered.end())
    return False


def _are_joined_unsaid(text: str, chain: _Chain, separator: str, vertebra: Vertebra) -> bool:
    """Whether two vertebrae with no dash between are the ends of a range: ``L4 L5``, ``L3L5``, ``fusion T10 L3``."""
    last = chain.vertebrae[-1]
    before = text[max(0, chain.start - _CHARACTERS_BEFORE) : chain.start]
    if separator and _OF_BODIES.search(before):
        return False
    if not separator or (not separator.strip() and _are_neighbours(last, vertebra)):
        return True
    is_one_pair = len(chain.vertebrae) == 1 and _FURTHER_VERTEBRA.match(text, chain.end + 1) is None
    return is_one_pair and _FUSED.search(before) is not None


def _extend(chain: _Chain, vertebra: Vertebra | None, end: int) -> bool:
    last = chain.vertebrae[-1]
    if vertebra is None:
        return False
    if vertebra < last and not _are_neighbours(vertebra, last):
        return False
    if vertebra != last:
        chain.levels.extend(span(min(last, vertebra), max(last, vertebra)))
    chain.vertebrae.append(vertebra)
    chain.end = end
    return True


def _add_bare_pairs(text: str, chain: _Chain) -> None:
    """Read on where only the first pair names its region: ``C4/5, 5/6``."""
    while pair := _NEXT_PAIR.match(text, chain.end):
        above = _vertebra(chain.vertebrae[0].region, pair["above"])
        below = _pair_end(above, pair["below"])
        if above is None or below is None or not _are_neighbours(above, below):
            return
        chain.vertebrae += [above, below]
        chain.levels.append(Level(above, below))
        chain.end = pair.end()


def _pair_end(above: Vertebra | None, written: str) -> Vertebra | None:
    if above is None:
        return None
    return Vertebra(_SACRUM) if written == "s1" else _numbered_after(above, int(written))


@cache
def _vertebra(region: str, number: str) -> Vertebra | None:
    """The vertebra named, None where there is no such; S2 and below stand for the sacrum's first."""
    letter = _REGION_LETTER.get(region, region)
    if int(number) > _LARGEST[letter]:
        return None
    return Vertebra(_SACRUM) if letter == "S" else Vertebra(f"{letter}{number}")


def _numbered_after(last: Vertebra, number: int) -> Vertebra | None:
    if number > last.number:
        return _vertebra(last.region, str(number)) if last.region != "S" else None
    following = _NEXT_REGION.get(last.name)
    return Vertebra(following) if following and number == 1 else None


def _are_neighbours(above: Vertebra, below: Vertebra) -> bool:
    return above < below and len(span(above, below)) == 1


def _is_something_else(whole: _Whole, chain: _Chain) -> bool:
    if chain.is_spaced and not chain.levels:
        return True
    before = whole.text[max(0, chain.start - _CHARACTERS_BEFORE) : chain.start]
    if _NOT_SPINE_AFTER.match(whole.text, chain.end) or _NOT_SPINE_BEFORE.search(before):
        return True
    if _ROOT_AFTER.match(whole.text, chain.end) or _ROOT_BEFORE.search(before):
        return True
    if chain.letter in ("t", "th") and whole.is_of_thyroid:
        return True
    if chain.letter == "s" and not chain.levels and not whole.is_of_spine:
        return True
    return _is_out_of_place(whole, chain) or _is_weighting(whole, chain)


def _is_out_of_place(whole: _Whole, chain: _Chain) -> bool:
    """Rooms, lots and plates look like levels; what tells them apart is what the rest of the text is about."""
    is_spelled_out = len(chain.letter) > 1
    if not chain.levels or is_spelled_out or whole.may_name_levels:
        return False
    is_lumbar = chain.vertebrae[0].region == "L"
    return whole.is_of_another_part or not (is_lumbar or whole.is_terse)


def _is_weighting(whole: _Whole, chain: _Chain) -> bool:
    """T1 and T2 alone are MR weightings unless the text is about thoracic vertebrae."""
    if chain.letter != "t" or {vertebra.name for vertebra in chain.vertebrae} - {"T1", "T2"}:
        return False
    return whole.has_weighting or not whole.is_of_thoracic_spine


def _word_pairs(text: str) -> Iterator[Level]:
    """Levels written after the region's word: ``lumbar 4-5``."""
    for found in _REGION_WORD_PAIR.finditer(text):
        if _NOT_SPINE_AFTER.match(text, found.end()):
            continue
        above = _vertebra(_REGION_OF_WORD[found["word"][0]], found["above"])
        below = _pair_end(above, found["below"])
        if above is not None and below is not None and _are_neighbours(above, below):
            yield Level(above, below)


def _run_together(text: str) -> Iterator[Level]:
    """``L45`` and ``L51``; two-digit codes of other kinds begin with other letters or have a decimal point."""
    for found in _RUN_TOGETHER.finditer(text):
        if _NOT_SPINE_BEFORE.search(text[max(0, found.start() - _CHARACTERS_BEFORE) : found.start()]):
            continue
        above = Vertebra(f"L{found['above']}")
        below = _numbered_after(above, int(found["below"]))
        if below is not None and _are_neighbours(above, below):
            yield Level(above, below)


def _counted(text: str) -> Iterator[Level]:
    """``two-level from L3`` is L3-L4 and L4-L5."""
    for found in _COUNTED.finditer(text):
        start = _vertebra(found["region"], found["number"])
        spine = usual_spine()
        if start not in spine:
            continue
        count = _COUNTS.get(found["count"]) or int(found["count"])
        first = spine.index(start)
        yield from span(start, spine[min(first + count, len(spine) - 1)]) if first + 1 < len(spine) else ()


def _is_in(vertebra: Vertebra, levels: set[Level]) -> bool:
    return any(vertebra in (level.above, level.below) for level in levels)
