/** The volumes of the exams, drawn by Cornerstone3D. Large, and fetched only where a viewer opens. */

import {
  Enums,
  RenderingEngine,
  cornerstoneStreamingImageVolumeLoader,
  eventTarget,
  init as initCore,
  volumeLoader,
  type Types,
} from "@cornerstonejs/core";
import { init as initLoader } from "@cornerstonejs/dicom-image-loader";
import { add } from "./geometry";
import { fetchSeries, identifiersOf, provideMetadata, slicesNear } from "./images";
import type { Look, Pane, Screen, Window } from "./pane";

const LOADED_WITHIN_MM = 110;
const CAMERA_AWAY_MM = 500;

/** Told how large a share of a pane's slices is here. */
export type Progress = (pane: Pane, share: number) => void;

let ready: Promise<void> | undefined;

function prepare(): Promise<void> {
  ready ??= (async () => {
    await initCore();
    initLoader({ maxWebWorkers: Math.min(4, navigator.hardwareConcurrency || 1) });
    volumeLoader.registerVolumeLoader(
      "cornerstoneStreamingImageVolume",
      cornerstoneStreamingImageVolumeLoader as unknown as Types.VolumeLoaderFn,
    );
    provideMetadata();
  })();
  return ready;
}

/** Load the volume of every pane; a pane's screen is there at once, and whole when the promise resolves. */
export async function openVolumes(
  panes: readonly Pane[],
  { begun, progress, resized }: { begun: (pane: Pane, screen: Screen) => void; progress: Progress; resized: () => void },
): Promise<void> {
  await prepare();
  const engine = new RenderingEngine("exam");
  engine.setViewports(
    panes.map((pane) => ({
      viewportId: pane.id,
      type: Enums.ViewportType.ORTHOGRAPHIC,
      element: pane.element,
      defaultOptions: { background: [0, 0, 0] as Types.Point3 },
    })),
  );
  const observed = new ResizeObserver(() => {
    engine.resize(true, true);
    resized();
  });
  for (const pane of panes) observed.observe(pane.element);
  await Promise.all(panes.map((pane) => open(engine, pane, begun, progress)));
}

async function open(
  engine: RenderingEngine,
  pane: Pane,
  begun: (pane: Pane, screen: Screen) => void,
  progress: Progress,
): Promise<void> {
  const { exam, centre } = pane.shown;
  const series = await fetchSeries(exam.study_instance_uid, exam.series_instance_uid);
  const imageIds = identifiersOf(series, slicesNear(series.images, centre, LOADED_WITHIN_MM));
  if (imageIds.length < 2) throw new Error("This series has too few slices to be shown as a volume.");
  const volumeId = `cornerstoneStreamingImageVolume:${series.series_instance_uid}`;
  const volume = (await volumeLoader.createAndCacheVolume(volumeId, { imageIds })) as Types.IStreamingImageVolume;
  const viewport = engine.getViewport(pane.id) as Types.IVolumeViewport;
  await viewport.setVolumes([{ volumeId }]);
  begun(pane, new VolumeScreen(viewport));
  await loaded(volume, imageIds.length, (share) => progress(pane, share));
}

class VolumeScreen implements Screen {
  readonly #viewport: Types.IVolumeViewport;

  constructor(viewport: Types.IVolumeViewport) {
    this.#viewport = viewport;
  }

  show({ axes, focal, halfHeight }: Look, range: Window): void {
    this.#viewport.setProperties({ voiRange: range });
    this.#viewport.setCamera({
      focalPoint: focal,
      position: add(focal, axes.normal, CAMERA_AWAY_MM),
      viewPlaneNormal: axes.normal,
      viewUp: axes.up,
      parallelScale: halfHeight,
      parallelProjection: true,
    });
    this.#viewport.render();
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
