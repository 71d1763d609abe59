/** Where one looks: a plane of the vertebra's frame, a point in it, and how much of it fills the picture. */

import { add, scaled, type Frame, type Point } from "./geometry";

export type Plane = "sagittal" | "coronal" | "axial";

export interface Pose {
  plane: Plane;
  /** (posterior, cranial, left) millimetres from the frame's origin. */
  at: Point;
  /** Half of the picture's height, millimetres. */
  halfHeight: number;
}

export interface Axes {
  right: Point;
  up: Point;
  /** Towards the reader. */
  normal: Point;
}

/** Radiological convention: sagittal with anterior on the left; coronal and axial with the patient's left on the right. */
export function axesOf(plane: Plane, frame: Frame): Axes {
  const { posterior, cranial, left } = frame;
  if (plane === "sagittal") return { right: posterior, up: cranial, normal: left };
  if (plane === "coronal") return { right: left, up: cranial, normal: scaled(posterior, -1) };
  return { right: left, up: scaled(posterior, -1), normal: scaled(cranial, -1) };
}

/** Letters at the left, right, top and bottom of a picture. */
export const LETTERS: Record<Plane, [string, string, string, string]> = {
  sagittal: ["A", "P", "H", "F"],
  coronal: ["R", "L", "H", "F"],
  axial: ["R", "L", "A", "P"],
};

/** Axes of a plane in the frame's own coordinates, for moving about. */
const UNIT: Frame = { origin_lps_mm: [0, 0, 0], posterior: [1, 0, 0], cranial: [0, 1, 0], left: [0, 0, 1] };

export function moved(pose: Pose, right: number, up: number, towards: number): Pose {
  const axes = axesOf(pose.plane, UNIT);
  const along = add(add(scaled(axes.right, right), axes.up, up), axes.normal, towards);
  return { ...pose, at: add(pose.at, along) };
}

export function placeOf(pose: Pose, frame: Frame): Point {
  const [posterior, cranial, left] = pose.at;
  return add(add(add(frame.origin_lps_mm, frame.posterior, posterior), frame.cranial, cranial), frame.left, left);
}
