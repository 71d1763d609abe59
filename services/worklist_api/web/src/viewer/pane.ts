/** One exam in the viewer: a still until its volume is here, then the volume in the plane that the pose asks for. */

import { carry, carryMesh, turn, type Frame, type Mesh, type Point, type Rigid } from "./geometry";
import { Overlay } from "./overlay";
import { axesOf, placeOf, type Axes, type Plane, type Pose } from "./pose";

export interface Exam {
  study_instance_uid: string;
  series_instance_uid: string;
}

export interface Shown {
  kind: "current" | "reference";
  exam: Exam;
  /** Frame of the vertebra below in the current exam. */
  frame: Frame;
  /** From the current exam to this one. */
  fromCurrent: Rigid;
  centre: Point;
  outlines: { mesh: Mesh; kind: "current" | "reference" }[];
  displacement?: { from: Point; to: Point; told: string };
  names: { name: string; at: Point }[];
}

export interface Window {
  lower: number;
  upper: number;
}

/** What a plane looks at in patient coordinates of one exam. */
export interface Look {
  axes: Axes;
  focal: Point;
  halfHeight: number;
}

/** A volume on the screen. */
export interface Screen {
  show(look: Look, range: Window): void;
}

export class Pane {
  readonly element: HTMLDivElement;
  readonly shown: Shown;
  readonly #overlay: Overlay;
  readonly #host: HTMLElement;
  #still: SVGSVGElement | null;
  #screen: Screen | undefined;

  constructor(host: HTMLElement, shown: Shown) {
    this.#host = host;
    this.shown = shown;
    this.#still = host.querySelector("svg.still");
    this.element = document.createElement("div");
    this.element.className = "picture";
    host.prepend(this.element);
    this.#overlay = new Overlay(host);
  }

  get id(): string {
    return this.shown.kind;
  }

  get hasStill(): boolean {
    return this.#still !== null;
  }

  /** The volume is on its way; a still covers it until it is whole. */
  attach(screen: Screen): void {
    this.#screen = screen;
  }

  /** The volume is whole. */
  uncover(): void {
    this.#still?.remove();
    this.#still = null;
  }

  show(pose: Pose, range: Window, withOutlines: boolean): void {
    this.#turnStill(pose.plane);
    const look = this.#looking(pose);
    this.#screen?.show(look, range);
    if (this.hasStill) return;
    const { outlines, displacement, names } = this.shown;
    const drawn = { ...look, plane: pose.plane };
    if (withOutlines) this.#overlay.draw({ ...drawn, outlines, displacement, names });
    else this.#overlay.draw({ ...drawn, outlines: [], displacement: undefined, names: [] });
  }

  fade(opacity: number): void {
    this.#host.style.opacity = String(opacity);
  }

  #turnStill(plane: Plane): void {
    for (const panel of this.#still?.querySelectorAll<SVGElement>("[data-plane]") ?? []) {
      panel.toggleAttribute("hidden", panel.dataset.plane !== plane);
    }
  }

  /** The pose's plane in this exam: in the current exam as it is, in the reference carried along with the vertebra. */
  #looking(pose: Pose): Look {
    const { frame, fromCurrent } = this.shown;
    const axes = axesOf(pose.plane, frame);
    return {
      focal: carry(fromCurrent, placeOf(pose, frame)),
      axes: {
        right: turn(fromCurrent, axes.right),
        up: turn(fromCurrent, axes.up),
        normal: turn(fromCurrent, axes.normal),
      },
      halfHeight: pose.halfHeight,
    };
  }
}

/** The spacer's outline of the other exam, carried into this one by the vertebra below. */
export function carried(mesh: Mesh | null, by: Rigid): Mesh | null {
  return mesh && carryMesh(by, mesh);
}
