"""Time and memory of one CT pair of 512 x 512 x 300 voxels, files to findings with pictures: ``make bench-ct``.

Beside it, in the same run, the whole pair is registered rigidly as one piece by SimpleITK (Mattes mutual information)
and by itk-elastix (its default rigid map). A peer that takes ``--limit`` times as long as ours is ended there, and its
ratio is a lower bound. Writes ``build/figures/ct-speed.json``. The truth is for scoring only.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from plumbline.adapters.dicom_files.folder import FolderImages, read_study_folder
from plumbline.demo.figures import write_figures
from plumbline.demo.scoring import AXES
from plumbline.folder_comparison import ComparisonRequest, compare_folders
from plumbline.imaging.volume import Volume
from plumbline.phantom.cohort import VirtualExam, cohort
from plumbline.phantom.ct_files import ct_files

CACHE = Path("build/ct-speed")
PATIENT = "MovedBack"
SLICES, SPACING_MM = 300, 0.8
THREADS = 2
REPEATS = 3
"""Ours is timed as often, the peers once: their time is long and their spread small against the ratio."""
LIMIT = 12.0
"""A peer is ended after so many times our own seconds: more would not change what is said."""
PEER_START_S = 30.0
"""More than starting a peer and reading the pair takes, which its seconds do not count."""
PEER_ITERATIONS, PEER_SAMPLES, PEER_SEED = 200, 0.01, 1

Map = Callable[[np.ndarray], np.ndarray]
"""Takes baseline points of shape (n, 3), LPS mm, to the current exam."""


@dataclass(frozen=True)
class Taken:
    """Seconds, the largest resident memory of the process, and the error of the spacer's displacement."""

    seconds: float
    peak_mib: float
    error_mm: float


def pair() -> tuple[VirtualExam, VirtualExam]:
    """Baseline and current exam of one virtual patient, finer and longer than in the demonstration."""
    patient = next(each for each in cohort() if each.name == PATIENT)
    exams = {each.role: _enlarged(each) for each in patient.exams}
    return exams["baseline"], exams["current"]


def _enlarged(exam: VirtualExam) -> VirtualExam:
    return replace(exam, protocol=replace(exam.protocol, slices=SLICES, spacing_mm=SPACING_MM))


def written(exam: VirtualExam) -> Path:
    """Folder of an exam's DICOM files, rendered where they are not there yet."""
    folder = CACHE / f"{exam.role}-{SLICES}"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for number, dataset in enumerate(ct_files(exam.volume(), exam.header)):
            dataset.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)
        (folder / "done").touch()
    return folder


def true_centres(exams: tuple[VirtualExam, VirtualExam]) -> tuple[np.ndarray, np.ndarray]:
    """Centre of the spacer in both exams, LPS mm."""
    first, second = (each.scene.exam_from_implant(each.scene.implants[-1]).translation_mm for each in exams)
    return first, second


def true_displacement_mm(exams: tuple[VirtualExam, VirtualExam]) -> np.ndarray:
    """(posterior, cranial, left) of the spacer against the vertebra that carries it."""
    before, after = (each.scene.implants[-1].carrier_from_own.translation_mm for each in exams)
    return after - before


def error_of(mapped: Map, exams: tuple[VirtualExam, VirtualExam]) -> float:
    """Error of the displacement when one rigid map stands for the bone; the true centres are given to it."""
    before, after = true_centres(exams)
    frame = exams[1].scene.frame(exams[1].scene.implants[-1].carrier)
    shown = frame.components_mm(after - mapped(before[None])[0])
    return float(np.linalg.norm(shown - true_displacement_mm(exams)))


def ours(folders: tuple[Path, Path], out: Path, truth: np.ndarray) -> Taken:
    """Files to findings, report and pictures."""
    began = time.perf_counter()
    request = ComparisonRequest(current=folders[1], baseline=folders[0], planned="L4-L5 TLIF", out=out)
    document = compare_folders(request).document
    seconds = time.perf_counter() - began
    finding = next(each for each in document["findings"] if each["check"] == "spacer-migration")
    values = np.array([finding["measurements"][axis]["value"] for axis in AXES])
    return Taken(seconds, _peak_mib(), float(np.linalg.norm(values - truth)))


def with_simpleitk(folders: tuple[Path, Path], exams: tuple[VirtualExam, VirtualExam]) -> Taken:
    """Mattes mutual information on a pyramid of three, as SimpleITK's own examples set it up."""
    import SimpleITK as sitk  # noqa: N813  (a peer, not used by the benchmark itself)

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(THREADS)
    fixed, moving = (_simpleitk_image(volume_of(folder)) for folder in folders)
    began = time.perf_counter()
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(50)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(PEER_SAMPLES, PEER_SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsGradientDescent(1.0, PEER_ITERATIONS, 1e-6, 10)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    geometry = sitk.CenteredTransformInitializerFilter.GEOMETRY
    start = sitk.CenteredTransformInitializer(fixed, moving, sitk.Euler3DTransform(), geometry)
    method.SetInitialTransform(start, False)
    found = method.Execute(fixed, moving)
    seconds = time.perf_counter() - began

    def mapped(points: np.ndarray) -> np.ndarray:
        return np.array([found.TransformPoint([float(v) for v in point]) for point in points])

    return Taken(seconds, _peak_mib(), error_of(mapped, exams))


def _simpleitk_image(volume: Volume) -> Any:
    import SimpleITK as sitk  # noqa: N813

    image = sitk.GetImageFromArray(volume.voxels.astype(np.float32))
    image.SetSpacing(volume.spacing_mm.tolist())
    image.SetOrigin(volume.lps_from_index[:3, 3].tolist())
    image.SetDirection((volume.lps_from_index[:3, :3] / volume.spacing_mm).ravel().tolist())
    return image


def with_elastix(folders: tuple[Path, Path], exams: tuple[VirtualExam, VirtualExam]) -> Taken:
    """The default rigid parameter map of elastix, the resampled image that nobody needs left out."""
    import itk

    fixed, moving = (_itk_image(volume_of(folder)) for folder in folders)
    began = time.perf_counter()
    parameters = itk.ParameterObject.New()
    rigid = parameters.GetDefaultParameterMap("rigid")
    rigid["WriteResultImage"] = ["false"]
    parameters.AddParameterMap(rigid)
    method = itk.ElastixRegistrationMethod.New(fixed, moving)
    method.SetParameterObject(parameters)
    method.SetNumberOfThreads(THREADS)
    method.LogToConsoleOff()
    method.Update()
    seconds = time.perf_counter() - began
    return Taken(seconds, _peak_mib(), error_of(_elastix_map(method.GetTransformParameterObject()), exams))


def _elastix_map(found: Any) -> Map:
    """An elastix Euler transform: angles about x, y and z, multiplied as Z X Y, then a translation, about a centre."""
    told = found.GetParameterMap(0)
    x, y, z, *shift = (float(value) for value in told["TransformParameters"])
    centre = np.array([float(value) for value in told["CenterOfRotationPoint"]])
    rotation = _about(2, z) @ _about(0, x) @ _about(1, y)
    return lambda points: (points - centre) @ rotation.T + centre + np.array(shift)


def _about(axis: int, angle_rad: float) -> np.ndarray:
    first, second = [k for k in range(3) if k != axis]
    turn = np.eye(3)
    sign = -1.0 if axis != 1 else 1.0
    turn[first, first] = turn[second, second] = np.cos(angle_rad)
    turn[first, second], turn[second, first] = sign * np.sin(angle_rad), -sign * np.sin(angle_rad)
    return turn


def _itk_image(volume: Volume) -> Any:
    import itk

    image = itk.image_from_array(volume.voxels.astype(np.float32))
    image.SetSpacing(volume.spacing_mm.tolist())
    image.SetOrigin(volume.lps_from_index[:3, 3].tolist())
    image.SetDirection(itk.matrix_from_array(np.ascontiguousarray(volume.lps_from_index[:3, :3] / volume.spacing_mm)))
    return image


def volume_of(folder: Path) -> Volume:
    """The measurable series of an exam's folder."""
    found = read_study_folder(folder)
    series = max(found.study.series, key=lambda each: len(each.instances))
    images = FolderImages({found.study.study_instance_uid: found})
    return images.volume(found.study.study_instance_uid, series.series_instance_uid)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def alone(function: Callable[..., Taken], *arguments: Any, limit_s: float | None = None) -> Taken | None:
    """Run in a process of its own, so that each has its own memory to answer for; None where the limit ended it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            return pool.apply_async(function, arguments).get(limit_s)
        except multiprocessing.TimeoutError:
            return None


PEERS: dict[str, Callable[..., Taken]] = {"simpleitk": with_simpleitk, "elastix": with_elastix}


def figures_of_peer(name: str, taken: Taken | None, limit_s: float, own: Taken) -> dict[str, float | bool]:
    """Seconds, error and ratio; of one that was ended only that it took longer."""
    seconds = limit_s if taken is None else taken.seconds
    told: dict[str, float | bool] = {
        f"{name}_s": round(seconds, 2),
        f"{name}_ended": taken is not None,
        f"over_{name}": round(seconds / own.seconds, 2),
    }
    return told if taken is None else {**told, f"{name}_error_mm": round(taken.error_mm, 3)}


def main() -> None:
    """Run the benchmark."""
    arguments = _arguments()
    console = Console()
    exams = pair()
    with console.status("Virtual exams, rendered once and kept"):
        folders = written(exams[0]), written(exams[1])
    with console.status("Our own analysis"):
        found = [alone(ours, folders, CACHE / "out", true_displacement_mm(exams)) for _ in range(arguments.repeats)]
    runs = [each for each in found if each is not None]
    console.print("Our own analysis, seconds:", *(round(each.seconds, 2) for each in runs))
    own = replace(runs[0], seconds=statistics.median(each.seconds for each in runs))
    figures: dict[str, float | bool] = {
        "pair_s": round(own.seconds, 2),
        "pair_fastest_s": round(min(each.seconds for each in runs), 2),
        "peak_mib": round(max(each.peak_mib for each in runs), 0),
        "error_mm": round(own.error_mm, 3),
    }
    table = Table("", "Seconds", "Peak MiB", "Error of the displacement, mm")
    table.add_row("Plumbline, files to report", f"{own.seconds:.1f}", f"{own.peak_mib:.0f}", f"{own.error_mm:.2f}")
    limit_s = arguments.limit * own.seconds
    for name in arguments.peers:
        with console.status(name):
            taken = alone(PEERS[name], folders, exams, limit_s=limit_s + PEER_START_S)
        figures |= figures_of_peer(name, taken, limit_s, own)
        cells = ("", "") if taken is None else (f"{taken.peak_mib:.0f}", f"{taken.error_mm:.2f}")
        table.add_row(f"{name}, rigid", f"over {limit_s:.0f}" if taken is None else f"{taken.seconds:.1f}", *cells)
    console.print(table)
    console.print(f"Figures: {write_figures('ct-speed', figures)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="how often ours is timed")
    parser.add_argument("--peers", nargs="*", choices=sorted(PEERS), default=list(PEERS), help="beside which peers")
    parser.add_argument("--limit", type=float, default=LIMIT, help="times our seconds after which a peer is ended")
    return parser.parse_args()


if __name__ == "__main__":
    main()
