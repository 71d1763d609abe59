/** Series of the archive for Cornerstone3D: image identifiers, and the metadata that its loaders ask for. */

import { metaData } from "@cornerstonejs/core";
import { cross, dot, minus, type Point } from "./geometry";

export interface SeriesImage {
  sop_instance_uid: string;
  address: string;
  instance_number: number;
  rows: number;
  columns: number;
  samples_per_pixel: number;
  photometric_interpretation: string;
  bits_allocated: number;
  bits_stored: number;
  high_bit: number;
  pixel_representation: number;
  rescale_slope: number;
  rescale_intercept: number;
  window_centre: number | null;
  window_width: number | null;
  position_lps_mm: Point | null;
  orientation: [number, number, number, number, number, number] | null;
  spacing_mm: [number, number] | null;
  is_spacing_calibrated: boolean;
}

export interface SeriesImages {
  study_instance_uid: string;
  series_instance_uid: string;
  modality: string;
  description: string;
  frame_of_reference_uid: string;
  images: SeriesImage[];
}

const known = new Map<string, { series: SeriesImages; image: SeriesImage }>();

export async function fetchSeries(study: string, series: string): Promise<SeriesImages> {
  const answer = await fetch(`/api/studies/${study}/series/${series}/images`);
  if (!answer.ok) throw new Error(await sentenceOf(answer));
  return (await answer.json()) as SeriesImages;
}

export async function sentenceOf(answer: Response): Promise<string> {
  const told = (await answer.json().catch(() => ({}))) as { detail?: string; title?: string };
  return told.detail ?? told.title ?? `The server answered ${answer.status}.`;
}

/** Identifiers of the images, known to the loaders from now on. */
export function identifiersOf(series: SeriesImages, images: SeriesImage[]): string[] {
  return images.map((image) => {
    const id = `wadors:${image.address}`;
    known.set(id, { series, image });
    return id;
  });
}

/** Images in one direction through the volume that lie within a distance of a point, along the slices' normal. */
export function slicesNear(images: SeriesImage[], point: Point, withinMm: number): SeriesImage[] {
  const first = images.find((image) => image.orientation && image.position_lps_mm);
  if (!first?.orientation) return [];
  const [a, b, c, d, e, f] = first.orientation;
  const normal = cross([a, b, c], [d, e, f]);
  const height = (image: SeriesImage): number => dot(image.position_lps_mm as Point, normal);
  return images
    .filter((image) => image.position_lps_mm && image.rows === first.rows && image.columns === first.columns)
    .filter((image) => Math.abs(dot(minus(image.position_lps_mm as Point, point), normal)) <= withinMm)
    .sort((one, other) => height(one) - height(other));
}

function modulesOf(type: string, id: string): object | undefined {
  const found = known.get(id);
  if (!found) return undefined;
  const { series, image } = found;
  const orientation = image.orientation ?? [1, 0, 0, 0, 1, 0];
  const spacing = image.spacing_mm ?? [1, 1];
  switch (type) {
    case "imagePlaneModule":
      return {
        frameOfReferenceUID: series.frame_of_reference_uid,
        rows: image.rows,
        columns: image.columns,
        imageOrientationPatient: orientation,
        rowCosines: orientation.slice(0, 3),
        columnCosines: orientation.slice(3),
        imagePositionPatient: image.position_lps_mm ?? [0, 0, 0],
        pixelSpacing: spacing,
        rowPixelSpacing: spacing[0],
        columnPixelSpacing: spacing[1],
      };
    case "imagePixelModule":
      return {
        samplesPerPixel: image.samples_per_pixel,
        photometricInterpretation: image.photometric_interpretation,
        rows: image.rows,
        columns: image.columns,
        bitsAllocated: image.bits_allocated,
        bitsStored: image.bits_stored,
        highBit: image.high_bit,
        pixelRepresentation: image.pixel_representation,
        planarConfiguration: 0,
      };
    case "generalSeriesModule":
      return { modality: series.modality, seriesInstanceUID: series.series_instance_uid };
    case "modalityLutModule":
      return { rescaleSlope: image.rescale_slope, rescaleIntercept: image.rescale_intercept };
    case "voiLutModule":
      return image.window_centre === null || image.window_width === null
        ? undefined
        : { windowCenter: [image.window_centre], windowWidth: [image.window_width] };
    case "sopCommonModule":
      return { sopInstanceUID: image.sop_instance_uid };
    default:
      return undefined;
  }
}

export function provideMetadata(): void {
  metaData.addProvider((type: string, id: string) => modulesOf(type, id), 10_000);
}
