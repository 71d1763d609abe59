"""The radiographs of an exam on which readers set landmarks, put together for the check that measures them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from plumbline.anatomy.landmarks import Landmark
from plumbline.checks.context import MarkedRadiograph
from plumbline.exams.recognition import Recognition
from plumbline.exams.series_roles import SeriesRole
from plumbline.exams.study import Study
from plumbline.pipeline.ports import PathPorts

Spacings = Mapping[str, tuple[float, float] | None]
"""Millimetres between rows and between columns by SOP Instance UID; None where an image does not say."""


def landmarks_of(study_instance_uid: str, ports: PathPorts) -> Sequence[Landmark]:
    """Landmarks of a study as they stand; none where nobody can set any."""
    return ports.landmarks.landmarks(study_instance_uid) if ports.landmarks else ()


def spacings_of(study: Study) -> Spacings:
    """Spacing of each image, that of the patient before that of the detector."""
    return {each.sop_instance_uid: each.pixel_spacing_mm or each.detector_spacing_mm for each in study.instances()}


def shows_alignment(recognition: Recognition) -> bool:
    """Whether an exam has a standing lateral radiograph of the lumbar spine."""
    return "L" in recognition.regions and ("lateral", "standing") in recognition.views


def marked_radiographs(
    landmarks: Sequence[Landmark], spacings_mm: Spacings, roles: Iterable[SeriesRole]
) -> tuple[MarkedRadiograph, ...]:
    """One for each image that has landmarks and a place in ``spacings_mm``, the one with the most first."""
    by_image: dict[str, list[Landmark]] = defaultdict(list)
    for each in landmarks:
        if each.sop_instance_uid in spacings_mm:
            by_image[each.sop_instance_uid].append(each)
    views = {role.series_instance_uid: _view(role) for role in roles}
    return tuple(
        MarkedRadiograph(tuple(some), spacings_mm[uid], *views.get(some[0].series_instance_uid, (None, None)))
        for uid, some in sorted(by_image.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    )


def _view(role: SeriesRole) -> tuple[str | None, str | None]:
    """Projection and position of any image of a series; of what its images do not agree on, None."""
    views = role.views or ((role.projection, role.position),)
    projections, positions = ({view[at] for view in views} for at in (0, 1))
    return (projections.pop() if len(projections) == 1 else None), (positions.pop() if len(positions) == 1 else None)
