/** Radiographs: look, and set, move or remove landmarks, which are kept with their author. */

import { Enums, RenderingEngine, init as initCore, type Types } from "@cornerstonejs/core";
import { init as initLoader } from "@cornerstonejs/dicom-image-loader";
import { fetchSeries, identifiersOf, provideMetadata, sentenceOf, type SeriesImage } from "./viewer/images";

interface Landmark {
  series_instance_uid: string;
  sop_instance_uid: string;
  name: string;
  column: number;
  row: number;
  author: string;
}

interface Measured {
  status: string;
  reasons: string[];
  angles: { name: string; value_deg: number; uncertainty_95_deg: number }[];
}

interface Landmarks {
  landmarks: Landmark[];
  measured: Measured | null;
}

const SVG = "http://www.w3.org/2000/svg";
const GRAB_PX = 12;
const NARROW_PX = 600; // whole names would run off a pane of a phone
const KEPT_AFTER_MS = 400; // without a further key
const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

class Radiographs {
  readonly #root: HTMLElement;
  readonly #pane: HTMLElement;
  readonly #svg: SVGSVGElement;
  readonly #study: string;
  readonly #maySet: boolean;
  #viewport!: Types.IStackViewport;
  #image!: SeriesImage;
  #series = "";
  #landmarks: Landmark[] = [];
  #keeping: number | undefined;

  constructor(root: HTMLElement) {
    this.#root = root;
    this.#study = root.dataset.study ?? "";
    this.#maySet = root.dataset.maySet === "yes";
    this.#pane = root.querySelector(".pane") as HTMLElement;
    this.#svg = document.createElementNS(SVG, "svg");
    this.#svg.classList.add("overlay");
  }

  async open(): Promise<void> {
    await initCore();
    initLoader({ maxWebWorkers: 1 });
    provideMetadata();
    const element = document.createElement("div");
    element.className = "picture";
    this.#pane.append(element, this.#svg);
    const engine = new RenderingEngine("radiographs");
    engine.enableElement({ viewportId: "radiograph", type: Enums.ViewportType.STACK, element });
    this.#viewport = engine.getViewport("radiograph") as Types.IStackViewport;
    const chosen = this.#root.querySelector<HTMLSelectElement>("[data-image]") as HTMLSelectElement;
    chosen.addEventListener("change", () => this.#guard(this.#show(chosen.value)));
    this.#listen(element);
    await this.#show(chosen.value);
    new ResizeObserver(() => {
      engine.resize(true, true);
      this.#draw();
    }).observe(this.#pane);
  }

  async #show(series: string): Promise<void> {
    const found = await fetchSeries(this.#study, series);
    const image = [...found.images].sort((one, other) => one.instance_number - other.instance_number)[0];
    if (!image) throw new Error("This series has no images.");
    this.#image = image;
    this.#series = series;
    await this.#viewport.setStack(identifiersOf(found, [image]));
    this.#viewport.resetCamera();
    this.#viewport.render();
    const told = this.#root.querySelector<HTMLElement>("[data-calibration]");
    if (told) told.textContent = image.is_spacing_calibrated ? "" : "Pixel spacing is that of the detector: lengths are magnified.";
    const answer = await fetch(`/api/exams/${this.#study}/landmarks`);
    if (!answer.ok) throw new Error(await sentenceOf(answer));
    this.#take((await answer.json()) as Landmarks);
    (this.#root.querySelector(".loading") as HTMLElement).hidden = true;
    this.#root.dataset.loaded = "yes";
  }

  #take({ landmarks, measured }: Landmarks): void {
    this.#landmarks = landmarks;
    this.#draw();
    this.#list();
    this.#tellMeasured(measured);
  }

  /** What the landmarks come to, in the words of the report. */
  #tellMeasured(measured: Measured | null): void {
    const place = this.#root.querySelector<HTMLElement>("[data-measured]") as HTMLElement;
    place.hidden = measured === null;
    const angles = place.querySelector("tbody") as HTMLElement;
    angles.replaceChildren(
      ...(measured?.angles ?? []).map(({ name, value_deg: value, uncertainty_95_deg: half }) =>
        rowOf([name, ""], [degrees(value), "number"], [degrees(half), "number"], ["°", ""]),
      ),
    );
    (place.querySelector("table") as HTMLElement).hidden = !measured?.angles.length;
    const reasons = place.querySelector("[data-reasons]") as HTMLElement;
    reasons.replaceChildren(
      ...(measured?.reasons ?? []).map((reason) => {
        const sentence = document.createElement("p");
        sentence.textContent = reason;
        return sentence;
      }),
    );
  }

  /** Landmarks of the image in view. */
  #here(): Landmark[] {
    return this.#landmarks.filter((each) => each.sop_instance_uid === this.#image.sop_instance_uid);
  }

  #draw(): void {
    this.#svg.replaceChildren(
      ...this.#here().flatMap((each) => {
        const [x, y] = this.#onCanvas(each);
        const mark = document.createElementNS(SVG, "circle");
        mark.setAttribute("cx", String(x));
        mark.setAttribute("cy", String(y));
        mark.setAttribute("r", "5");
        mark.setAttribute("class", "landmark");
        const name = document.createElementNS(SVG, "text");
        const side = /anterior|^left/.test(each.name) ? -1 : 1; // both ends of an endplate keep their names apart
        name.setAttribute("x", String(x + 10 * side));
        name.setAttribute("y", String(y - 8));
        name.setAttribute("class", side < 0 ? "landmark-name is-before" : "landmark-name");
        name.textContent = this.#pane.clientWidth < NARROW_PX ? shortened(each.name) : each.name;
        return [mark, name];
      }),
    );
  }

  #list(): void {
    const body = this.#root.querySelector<HTMLElement>("[data-list]") as HTMLElement;
    body.replaceChildren(
      ...this.#here().map((each) =>
        rowOf(
          [each.name, "", "Landmark"],
          [each.column.toFixed(1), "number", "Column, px"],
          [each.row.toFixed(1), "number", "Row, px"],
          [each.author, "", "Author"],
        ),
      ),
    );
    const remove = this.#root.querySelector<HTMLButtonElement>("[data-remove]") as HTMLButtonElement;
    remove.disabled = !this.#maySet || !this.#here().some((each) => each.name === this.#chosen());
  }

  #chosen(): string {
    return (this.#root.querySelector("[data-name]") as HTMLSelectElement).value;
  }

  #listen(element: HTMLElement): void {
    this.#root.querySelector("[data-name]")?.addEventListener("change", () => this.#list());
    this.#root.querySelector("[data-remove]")?.addEventListener("click", () => this.#guard(this.#put(this.#chosen(), null)));
    this.#pane.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    element.addEventListener("wheel", (event) => this.#zoom(event), { passive: false });
    element.addEventListener("pointerdown", (event) => {
      if (event.button === 2) this.#window(event, element);
      else if (event.button === 0 && this.#maySet) this.#place(event, element);
    });
  }

  /** Arrow keys move the chosen landmark by a pixel of the image, with Shift by ten; the first one sets it. */
  #key(event: KeyboardEvent): void {
    const arrow = ARROWS[event.key];
    if (!arrow || !this.#maySet) return;
    event.preventDefault();
    const name = this.#chosen();
    const known = this.#here().find((each) => each.name === name);
    const { clientWidth, clientHeight } = this.#pane;
    const [column, row] = known ? [known.column, known.row] : this.#inImage([clientWidth / 2, clientHeight / 2]);
    const step = event.shiftKey ? 10 : 1;
    const at: [number, number] = known ? [column + step * arrow[0], row + step * arrow[1]] : [column, row];
    this.#showAt(name, at);
    window.clearTimeout(this.#keeping);
    this.#keeping = window.setTimeout(() => this.#guard(this.#put(name, at)), KEPT_AFTER_MS);
  }

  /** Move the landmark under the pointer, else set the chosen one; kept when the button is let go. */
  #place(event: PointerEvent, element: HTMLElement): void {
    const from = this.#pointOf(event, element);
    const grabbed = this.#here().find((each) => {
      const [x, y] = this.#onCanvas(each);
      return Math.hypot(x - from[0], y - from[1]) < GRAB_PX;
    });
    const name = grabbed?.name ?? this.#chosen();
    const follow = (to: PointerEvent): [number, number] => {
      const at = this.#inImage(this.#pointOf(to, element));
      this.#showAt(name, at);
      return at;
    };
    const stop = (to: PointerEvent): void => {
      element.removeEventListener("pointermove", follow);
      this.#guard(this.#put(name, follow(to)));
    };
    element.setPointerCapture(event.pointerId);
    element.addEventListener("pointermove", follow);
    element.addEventListener("pointerup", stop, { once: true });
  }

  /** Draw a landmark where it would be, before it is kept. */
  #showAt(name: string, [column, row]: [number, number]): void {
    const sop_instance_uid = this.#image.sop_instance_uid;
    const others = this.#landmarks.filter((each) => each.name !== name || each.sop_instance_uid !== sop_instance_uid);
    const moved = { series_instance_uid: this.#series, sop_instance_uid, name, author: "", column, row };
    this.#landmarks = [...others, moved];
    this.#draw();
  }

  async #put(name: string, at: [number, number] | null): Promise<void> {
    const answer = await fetch(`/api/exams/${this.#study}/landmarks`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        series_instance_uid: this.#series,
        sop_instance_uid: this.#image.sop_instance_uid,
        name,
        column: at && Math.max(0, at[0]),
        row: at && Math.max(0, at[1]),
      }),
    });
    if (!answer.ok) throw new Error(await sentenceOf(answer));
    this.#take((await answer.json()) as Landmarks);
  }

  #zoom(event: WheelEvent): void {
    event.preventDefault();
    this.#viewport.setZoom(Math.min(12, Math.max(0.3, this.#viewport.getZoom() * (event.deltaY > 0 ? 1 / 1.1 : 1.1))));
    this.#viewport.render();
    this.#draw();
  }

  #window(event: PointerEvent, element: HTMLElement): void {
    const { voiRange } = this.#viewport.getProperties();
    if (!voiRange) return;
    const width = voiRange.upper - voiRange.lower;
    const centre = (voiRange.upper + voiRange.lower) / 2;
    const move = (to: PointerEvent): void => {
      const half = Math.max(1, (width * (1 + (to.clientX - event.clientX) / 300)) / 2);
      const middle = centre + (width * (to.clientY - event.clientY)) / 300;
      this.#viewport.setProperties({ voiRange: { lower: middle - half, upper: middle + half } });
      this.#viewport.render();
    };
    element.setPointerCapture(event.pointerId);
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", () => element.removeEventListener("pointermove", move), { once: true });
  }

  #pointOf(event: PointerEvent, element: HTMLElement): [number, number] {
    const { left, top } = element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  /** Pixels of the image, the centre of the first pixel at 0.5 (PS3.3 C.10.5.1.2). */
  #inImage(point: [number, number]): [number, number] {
    const world = this.#viewport.canvasToWorld(point);
    const { origin, across, down, spacing } = this.#plane();
    const from = world.map((value, axis) => value - (origin[axis] ?? 0));
    const along = (axis: number[]): number => from.reduce((sum, value, at) => sum + value * (axis[at] ?? 0), 0);
    return [along(across) / spacing[1] + 0.5, along(down) / spacing[0] + 0.5];
  }

  #onCanvas({ column, row }: { column: number; row: number }): [number, number] {
    const { origin, across, down, spacing } = this.#plane();
    const world = origin.map(
      (value, axis) =>
        value + (across[axis] ?? 0) * (column - 0.5) * spacing[1] + (down[axis] ?? 0) * (row - 0.5) * spacing[0],
    );
    return this.#viewport.worldToCanvas(world as Types.Point3) as [number, number];
  }

  #plane(): { origin: number[]; across: number[]; down: number[]; spacing: [number, number] } {
    const orientation = this.#image.orientation ?? [1, 0, 0, 0, 1, 0];
    return {
      origin: this.#image.position_lps_mm ?? [0, 0, 0],
      across: orientation.slice(0, 3),
      down: orientation.slice(3),
      spacing: this.#image.spacing_mm ?? [1, 1],
    };
  }

  #guard(work: Promise<void>): void {
    work.catch((error: unknown) => tell(this.#root, error));
  }
}

function rowOf(...cells: [words: string, kind: string, label?: string][]): HTMLTableRowElement {
  const row = document.createElement("tr");
  for (const [words, kind, label] of cells) {
    const cell = row.insertCell();
    cell.textContent = words;
    cell.className = kind;
    if (label) cell.dataset.label = label; // told where a narrow screen leaves the heading out
  }
  return row;
}

/** ``S1 superior endplate anterior`` as ``S1 sup. ant.`` */
function shortened(name: string): string {
  return name
    .replace(" endplate", "")
    .replace(/\b(sup|inf|ant|post)erior\b/g, "$1.")
    .replace(/femoral head centre/, "hip");
}

function degrees(value: number): string {
  return value.toFixed(1).replace("-", "−");
}

function tell(root: HTMLElement, error: unknown): void {
  const place = root.querySelector<HTMLElement>(".loading");
  if (!place) return;
  place.hidden = false;
  place.classList.add("is-error");
  place.textContent = error instanceof Error ? error.message : String(error);
}

const root = document.getElementById("radiographs");
if (root) new Radiographs(root).open().catch((error: unknown) => tell(root, error));
