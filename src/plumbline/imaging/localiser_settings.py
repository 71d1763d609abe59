"""Everything the built-in localiser goes by."""

from __future__ import annotations

from dataclasses import dataclass, field

from plumbline.imaging.body_settings import BodySettings
from plumbline.imaging.canal import CanalSettings
from plumbline.imaging.discs import DiscSettings
from plumbline.imaging.ribs import RibSettings


@dataclass(frozen=True, slots=True)
class LocaliserSettings:
    """Everything the localiser goes by.

    Parameters
    ----------
    coarse_mm
        Grid on which canal and discs are looked for.
    bone_hu
        Bone for labels.
    disc_mm
        Usual height of a disc, taken off the distance of two disc centres.
    spacer_contrast
        What metal in the middle of a disc space counts as, against 1 for a dark disc between bright bodies.
    block_contrast, streaks_mm
        What a solid block of metal counts as, and how far from its middle (along the canal) no other disc can be.
    least_bodies
        Fewer make no spine.
    least_width_mm
        Bodies that are not even so wide, in the median, are the shaft of a long bone or of the upper thoracic spine.
    longest_step
        Farther above the body below, against the median of two or more steps farther down, a body was passed over:
        one in 1,000 steps of the key points is as long.
    poor_quality
        A neighbour that was fitted less well is looked for again with the size usual in this spine.
    good_likeness
        A neighbour of this worth beside the one it was looked for from is taken as it is.
    sacral_share, sacral_scale, lean_weight
        Bone beside a body (``lateral_bone_share``) at which it is as likely sacral as not, the width of that
        judgement, and what each degree of lean beyond 25 adds.
    last_lumbar_share, other_lumbar_share, last_lumbar_odds
        Bone beside the last lumbar body (usual, and standard deviation), and beside the others (standard deviation from
        none); the least and the most that it makes of the odds for the body below to be sacral.
    least_known
        Of the places beside a body, so many have to be in view for their bone to say anything.
    sacral_seed
        What it costs a body to be sacral when the one is chosen from which the others are looked for.
    surely_sacral
        Below a body that is sacral with this probability no other is looked for.
    most_unlike
        What a neighbour's other height (as a logarithm) costs at most.
    block_cost, block_share
        What it costs a body to swallow a whole block of metal, and the share of one from which on it costs anything:
        of a screw that much may lie in its vertebra.
    sunk_mm
        A spacer may have sunk into a body so far; each millimetre more costs.
    beside_block_mm
        A disc space is higher than the spacer in it by up to this much.
    """

    canal: CanalSettings = field(default_factory=CanalSettings)
    discs: DiscSettings = field(default_factory=DiscSettings)
    body: BodySettings = field(default_factory=BodySettings)
    ribs: RibSettings = field(default_factory=RibSettings)
    coarse_mm: float = 2.0
    largest_hu: float = 1500.0
    bone_hu: float = 130.0
    disc_mm: float = 8.0
    spacer_contrast: float = 0.7
    block_contrast: float = 1.0
    streaks_mm: int = 14
    least_bodies: int = 2
    least_width_mm: float = 26.0
    longest_step: float = 1.3
    least_edges: float = 0.42
    poor_quality: float = 0.75
    good_likeness: float = 0.95
    sacral_share: float = 0.65
    last_lumbar_share: tuple[float, float] = (0.3, 0.15)
    other_lumbar_share: float = 0.1
    last_lumbar_odds: tuple[float, float] = (0.5, 5.0)
    least_known: float = 0.3
    surely_sacral: float = 0.95
    sacral_seed: float = 0.3
    sacral_scale: float = 0.05
    lean_weight: float = 0.002
    most_unlike: float = 0.3
    block_cost: float = 0.4
    block_share: float = 0.5
    sunk_mm: float = 2.0
    beside_block_mm: float = 4.0
    pedicles_behind_mm: float = 10.0
