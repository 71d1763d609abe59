/** What is drawn over a picture: outlines, the displacement, names of vertebrae, letters, a scale. */

import { add, dot, minus, section, type Mesh, type Point } from "./geometry";
import { LETTERS, type Axes, type Plane } from "./pose";

const SVG = "http://www.w3.org/2000/svg";
const NAMES_WITHIN_MM: Record<Plane, number> = { sagittal: 30, coronal: 30, axial: 8 };
const SCALE_MM = 20;
const LEAST_TOP_PX = 40; // above are the letter and the caption

export interface Drawing {
  plane: Plane;
  axes: Axes;
  focal: Point;
  halfHeight: number;
  outlines: { mesh: Mesh; kind: "current" | "reference" }[];
  displacement?: { from: Point; to: Point; told: string };
  names: { name: string; at: Point }[];
}

export class Overlay {
  readonly #svg: SVGSVGElement;

  constructor(host: HTMLElement) {
    this.#svg = document.createElementNS(SVG, "svg");
    this.#svg.classList.add("overlay");
    this.#svg.setAttribute("aria-hidden", "true");
    host.append(this.#svg);
  }

  clear(): void {
    this.#svg.replaceChildren();
  }

  draw(drawing: Drawing): void {
    const { width, height } = this.#svg.getBoundingClientRect();
    if (!width || !height) return;
    const perMm = height / (2 * drawing.halfHeight);
    const at = (point: Point): Place => {
      const from = minus(point, drawing.focal);
      return [width / 2 + dot(from, drawing.axes.right) * perMm, height / 2 - dot(from, drawing.axes.up) * perMm];
    };
    const outlines = drawing.outlines.map(({ mesh, kind }) => ({ kind, lines: cut(mesh, drawing, at) }));
    const top = Math.min(...outlines.flatMap(({ lines }) => lines.flatMap(([from, to]) => [from[1], to[1]])));
    this.#svg.replaceChildren(
      ...outlines.map(({ kind, lines }) => outline(kind, lines)),
      ...(drawing.displacement ? arrow(drawing.displacement, at, top) : []),
      ...drawing.names
        .filter(({ at: place }) => Math.abs(dot(minus(place, drawing.focal), drawing.axes.normal)) < NAMES_WITHIN_MM[drawing.plane])
        .map(({ name, at: place }) => words(name, ...at(place), "name")),
      ...letters(drawing.plane, width, height),
      ...scale(perMm, height),
    );
  }
}

type Place = [x: number, y: number];

function cut(mesh: Mesh, { focal, axes }: Drawing, at: (point: Point) => Place): [Place, Place][] {
  return section(mesh, focal, axes.normal).map(([from, to]) => [at(from), at(to)]);
}

function outline(kind: string, lines: [Place, Place][]): SVGElement {
  const path = lines.map(([from, to]) => `M${from.join(" ")}L${to.join(" ")}`).join("");
  return element("path", { d: path, class: `outline is-${kind}` });
}

/** The displacement, its length told above the outlines so that it hides nothing, or beside it where they are cut off. */
function arrow(
  { from, to, told }: { from: Point; to: Point; told: string },
  at: (point: Point) => Place,
  top: number,
): SVGElement[] {
  const [[x0, y0], [x1, y1]] = [at(from), at(to)];
  const middle = at(add(from, minus(to, from), 0.5));
  return [
    element("line", { x1: x0, y1: y0, x2: x1, y2: y1, class: "displacement" }),
    element("circle", { cx: x0, cy: y0, r: 3, class: "displacement is-start" }),
    element("circle", { cx: x1, cy: y1, r: 3, class: "displacement is-end" }),
    words(told, middle[0], Number.isFinite(top) && top > LEAST_TOP_PX ? Math.min(top, y0, y1) - 8 : Math.min(y0, y1) - 12, "told"),
  ];
}

function letters(plane: Plane, width: number, height: number): SVGElement[] {
  const [left, right, top, bottom] = LETTERS[plane];
  return [
    words(left, 12, height / 2, "letter"),
    words(right, width - 12, height / 2, "letter"),
    words(top, width / 2, 20, "letter"),
    words(bottom, width / 2, height - 8, "letter"),
  ];
}

function scale(perMm: number, height: number): SVGElement[] {
  const [x, y] = [14, height - 14];
  return [
    element("line", { x1: x, y1: y, x2: x + SCALE_MM * perMm, y2: y, class: "scale" }),
    words(`${SCALE_MM} mm`, x + (SCALE_MM * perMm) / 2, y - 6, "letter"),
  ];
}

function words(text: string, x: number, y: number, kind: string): SVGElement {
  const made = element("text", { x, y, class: kind });
  made.textContent = text;
  return made;
}

function element(name: string, attributes: Record<string, string | number>): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}
