/** One exam in the viewer: its volume, shown in the plane that the pose asks for, and what is drawn over it. */

import { Enums, eventTarget, volumeLoader, type RenderingEngine, type Types } from "@cornerstonejs/core";
import { add, carry, carryMesh, inverse, turn, type Frame, type Mesh, type Point, type Rigid } from "./geometry";
import { fetchSeries, identifiersOf, slicesNear } from "./images";
import { Overlay } from "./overlay";
import { axesOf, placeOf, type Axes, type Pose } from "./pose";

const LOADED_WITHIN_MM = 110;
const CAMERA_AWAY_MM = 500;

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

export class Pane {
  readonly element: HTMLDivElement;
  readonly shown: Shown;
  readonly #overlay: Overlay;
  readonly #host: HTMLElement;
  #viewport: Types.IVolumeViewport | undefined;

  constructor(host: HTMLElement, shown: Shown) {
    this.#host = host;
    this.shown = shown;
    this.element = document.createElement("div");
    this.element.className = "picture";
    host.append(this.element);
    this.#overlay = new Overlay(host);
  }

  get id(): string {
    return this.shown.kind;
  }

  /** Load the volume around the level; resolves when every slice is here. */
  async load(engine: RenderingEngine, told: (share: number) => void): Promise<void> {
    const { exam, centre } = this.shown;
    const series = await fetchSeries(exam.study_instance_uid, exam.series_instance_uid);
    const imageIds = identifiersOf(series, slicesNear(series.images, centre, LOADED_WITHIN_MM));
    if (imageIds.length < 2) throw new Error("This series has too few slices to be shown as a volume.");
    const volumeId = `cornerstoneStreamingImageVolume:${series.series_instance_uid}`;
    const volume = (await volumeLoader.createAndCacheVolume(volumeId, { imageIds })) as Types.IStreamingImageVolume;
    this.#viewport = engine.getViewport(this.id) as Types.IVolumeViewport;
    await this.#viewport.setVolumes([{ volumeId }]);
    await loaded(volume, imageIds.length, told);
  }

  show(pose: Pose, range: Window, withOutlines: boolean): void {
    const { axes, focal } = this.#looking(pose);
    const viewport = this.#viewport;
    if (viewport) {
      viewport.setProperties({ voiRange: range });
      viewport.setCamera({
        focalPoint: focal,
        position: add(focal, axes.normal, CAMERA_AWAY_MM),
        viewPlaneNormal: axes.normal,
        viewUp: axes.up,
        parallelScale: pose.halfHeight,
        parallelProjection: true,
      });
      viewport.render();
    }
    const { outlines, displacement, names } = this.shown;
    const drawn = { plane: pose.plane, axes, focal, halfHeight: pose.halfHeight };
    if (withOutlines) this.#overlay.draw({ ...drawn, outlines, displacement, names });
    else this.#overlay.draw({ ...drawn, outlines: [], displacement: undefined, names: [] });
  }

  fade(opacity: number): void {
    this.#host.style.opacity = String(opacity);
  }

  /** The pose's plane in this exam: in the current exam as it is, in the reference carried along with the vertebra. */
  #looking(pose: Pose): { axes: Axes; focal: Point } {
    const { frame, fromCurrent } = this.shown;
    const axes = axesOf(pose.plane, frame);
    return {
      focal: carry(fromCurrent, placeOf(pose, frame)),
      axes: {
        right: turn(fromCurrent, axes.right),
        up: turn(fromCurrent, axes.up),
        normal: turn(fromCurrent, axes.normal),
      },
    };
  }
}

/** Load a volume and tell how far it is; a slice that does not come is an error, for it would be a hole. */
function loaded(volume: Types.IStreamingImageVolume, slices: number, told: (share: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let missing = 0;
    const progress = (event: Event): void => {
      const { volumeId, framesProcessed } = (event as CustomEvent<{ volumeId: string; framesProcessed: number }>).detail;
      if (volumeId === volume.volumeId) told(framesProcessed / slices);
    };
    const failed = (): void => void (missing += 1);
    const complete = (event: Event): void => {
      if ((event as CustomEvent<{ volumeId: string }>).detail.volumeId !== volume.volumeId) return;
      eventTarget.removeEventListener(Enums.Events.IMAGE_VOLUME_MODIFIED, progress);
      eventTarget.removeEventListener(Enums.Events.IMAGE_VOLUME_LOADING_COMPLETED, complete);
      eventTarget.removeEventListener(Enums.Events.IMAGE_LOAD_ERROR, failed);
      told(1);
      if (missing) reject(new Error(`${missing} slices did not arrive; reload the page to try again.`));
      else resolve();
    };
    eventTarget.addEventListener(Enums.Events.IMAGE_VOLUME_MODIFIED, progress);
    eventTarget.addEventListener(Enums.Events.IMAGE_VOLUME_LOADING_COMPLETED, complete);
    eventTarget.addEventListener(Enums.Events.IMAGE_LOAD_ERROR, failed);
    volume.load();
  });
}

/** The spacer's outline of the other exam, carried into this one by the vertebra below. */
export function carried(mesh: Mesh | null, by: Rigid): Mesh | null {
  return mesh && carryMesh(by, mesh);
}

export { inverse };
export const VIEWPORT_TYPE = Enums.ViewportType.ORTHOGRAPHIC;
