/** Points, planes and rigid transforms in patient coordinates (LPS, millimetres). */

export type Point = [number, number, number];

export interface Frame {
  origin_lps_mm: Point;
  posterior: Point;
  cranial: Point;
  left: Point;
}

export interface Rigid {
  rotation: [Point, Point, Point];
  translation_mm: Point;
}

export interface Mesh {
  points_lps_mm: Point[];
  triangles: [number, number, number][];
}

export const IDENTITY: Rigid = {
  rotation: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  translation_mm: [0, 0, 0],
};

export const dot = (a: Point, b: Point): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const add = (a: Point, b: Point, times = 1): Point => [
  a[0] + times * b[0],
  a[1] + times * b[1],
  a[2] + times * b[2],
];
export const minus = (a: Point, b: Point): Point => add(a, b, -1);
export const scaled = (a: Point, times: number): Point => [a[0] * times, a[1] * times, a[2] * times];
export const cross = (a: Point, b: Point): Point => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

export const turn = (by: Rigid, vector: Point): Point => [
  dot(by.rotation[0], vector),
  dot(by.rotation[1], vector),
  dot(by.rotation[2], vector),
];
export const carry = (by: Rigid, point: Point): Point => add(turn(by, point), by.translation_mm);

export function inverse(of: Rigid): Rigid {
  const [a, b, c] = of.rotation;
  const transposed: Rigid["rotation"] = [
    [a[0], b[0], c[0]],
    [a[1], b[1], c[1]],
    [a[2], b[2], c[2]],
  ];
  const back: Rigid = { rotation: transposed, translation_mm: [0, 0, 0] };
  return { rotation: transposed, translation_mm: scaled(turn(back, of.translation_mm), -1) };
}

export function carryMesh(by: Rigid, mesh: Mesh): Mesh {
  return { points_lps_mm: mesh.points_lps_mm.map((point) => carry(by, point)), triangles: mesh.triangles };
}

/** Where a plane cuts a mesh: line segments. */
export function section(mesh: Mesh, through: Point, normal: Point): [Point, Point][] {
  const heights = mesh.points_lps_mm.map((point) => dot(minus(point, through), normal));
  const segments: [Point, Point][] = [];
  for (const [i, j, k] of mesh.triangles) {
    const cuts: Point[] = [];
    for (const [from, to] of [
      [i, j],
      [j, k],
      [k, i],
    ] as const) {
      const [a, b] = [heights[from] ?? 0, heights[to] ?? 0];
      const [start, end] = [mesh.points_lps_mm[from], mesh.points_lps_mm[to]];
      if (start && end && a < 0 !== b < 0) cuts.push(add(start, minus(end, start), a / (a - b)));
    }
    if (cuts[0] && cuts[1]) segments.push([cuts[0], cuts[1]]);
  }
  return segments;
}
