/** Current exam and reference in the frame of one vertebra, moved together. */

import { IDENTITY, carry, inverse, type Frame, type Mesh, type Point, type Rigid } from "./geometry";
import { Pane, carried, type Exam, type Shown, type Window } from "./pane";
import { moved, type Plane, type Pose } from "./pose";

export interface View {
  level: string | null;
  current: Exam;
  reference: (Exam & { role: string }) | null;
  frame: Frame;
  centre_lps_mm: Point;
  outline: Mesh | null;
  reference_from_current?: Rigid;
  reference_outline?: Mesh | null;
  displacement_lps_mm?: [Point, Point];
  displacement_mm?: { value: number; uncertainty_95: number };
  vertebrae: { name: string; centre_lps_mm: Point }[];
  why_alone?: string | null;
}

const WINDOWS: Record<string, Window> = {
  bone: { lower: -600, upper: 1400 },
  soft: { lower: -160, upper: 240 },
  metal: { lower: -1000, upper: 3000 },
};
const FIRST_HALF_HEIGHT_MM = 60;
const BLINK_MS = 700;
const SCROLL_MM = 1;
const REDRAWN_WHILE_LOADING_MS = 1000;
const WINDOW_PER_PX = 4;

export class Viewer {
  readonly #root: HTMLElement;
  readonly #view: View;
  readonly #panes: Pane[];
  #pose: Pose;
  #range: Window = WINDOWS.bone as Window;
  #outlines = true;
  #blinking: number | undefined;
  #scheduled = false;
  #later: number | undefined;
  /** Whether the volumes are here; until then stills are shown, which neither scroll nor zoom. */
  #isLive = false;

  constructor(root: HTMLElement, view: View) {
    this.#root = root;
    this.#view = view;
    this.#pose = this.#firstPose("sagittal");
    this.#panes = shownOf(view).map((shown) => {
      const host = root.querySelector<HTMLElement>(`[data-pane="${shown.kind}"]`);
      if (!host) throw new Error("The page has no place for this picture.");
      return new Pane(host, shown);
    });
    this.#listen();
  }

  /** Load both exams. Where there are stills they stay until all is here, else the pictures sharpen while slices come. */
  async open(): Promise<void> {
    const shares = new Map<string, number>();
    this.#tell(shares);
    const { openVolumes } = await import("./volumes");
    await openVolumes(this.#panes, {
      begun: (pane, screen) => {
        pane.attach(screen);
        this.#draw();
      },
      progress: (pane, share) => {
        shares.set(pane.id, share);
        this.#tell(shares);
        if (!pane.hasStill) this.#drawSoon();
      },
      resized: () => this.#draw(),
    });
    for (const pane of this.#panes) pane.uncover();
    this.#isLive = true;
    this.#draw();
    this.#root.dataset.loaded = "yes";
    performance.mark("viewer-complete");
  }

  #tell(shares: Map<string, number>): void {
    const least = Math.min(...this.#panes.map((pane) => shares.get(pane.id) ?? 0));
    const place = this.#root.querySelector<HTMLElement>(".loading");
    if (!place) return;
    place.hidden = least >= 1;
    place.textContent = `Loading ${Math.floor(least * 100)} %`;
    if (least > 0 && !performance.getEntriesByName("viewer-first").length) performance.mark("viewer-first");
  }

  #firstPose(plane: Plane): Pose {
    const { frame, centre_lps_mm: centre } = this.#view;
    const from: Point = [
      centre[0] - frame.origin_lps_mm[0],
      centre[1] - frame.origin_lps_mm[1],
      centre[2] - frame.origin_lps_mm[2],
    ];
    const along = (axis: Point): number => from[0] * axis[0] + from[1] * axis[1] + from[2] * axis[2];
    return {
      plane,
      at: [along(frame.posterior), along(frame.cranial), along(frame.left)],
      halfHeight: FIRST_HALF_HEIGHT_MM,
    };
  }

  #draw(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      for (const pane of this.#panes) pane.show(this.#pose, this.#range, this.#outlines);
    });
  }

  /** While slices come, the picture is drawn now and then: each time they are handed to the graphics card. */
  #drawSoon(): void {
    this.#later ??= window.setTimeout(() => {
      this.#later = undefined;
      this.#draw();
    }, REDRAWN_WHILE_LOADING_MS);
  }

  #set(pose: Pose): void {
    this.#pose = pose;
    this.#draw();
  }

  #listen(): void {
    this.#root.addEventListener("click", (event) => {
      const button = (event.target as Element).closest<HTMLButtonElement>("button[data-do]");
      if (button) this.#command(button);
    });
    this.#root.querySelector<HTMLInputElement>("[data-fade]")?.addEventListener("input", (event) => {
      this.#stopBlinking();
      this.#reference()?.fade(Number((event.target as HTMLInputElement).value) / 100);
    });
    this.#root.querySelector<HTMLInputElement>("[data-outlines]")?.addEventListener("change", (event) => {
      this.#outlines = (event.target as HTMLInputElement).checked;
      this.#draw();
    });
    const pictures = this.#root.querySelector<HTMLElement>(".pictures");
    pictures?.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    pictures?.addEventListener("pointerdown", (event) => this.#drag(event));
    pictures?.addEventListener("contextmenu", (event) => event.preventDefault());
    pictures?.addEventListener("keydown", (event) => this.#key(event));
  }

  #command(button: HTMLButtonElement): void {
    const [what, value] = (button.dataset.do ?? "").split(":") as [string, string];
    for (const other of this.#root.querySelectorAll(`button[data-do^="${what}:"]`)) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    if (what === "plane") this.#set({ ...this.#firstPose(value as Plane), halfHeight: this.#pose.halfHeight });
    if (what === "window") this.#range = WINDOWS[value] ?? this.#range;
    if (what === "reset") this.#set(this.#firstPose(this.#pose.plane));
    if (what === "layout") this.#lay(value);
    this.#draw();
  }

  /** Beside each other, or the reference over the current exam: blinking, or as far as the slider says. */
  #lay(layout: string): void {
    this.#stopBlinking();
    this.#root.dataset.layout = layout;
    const reference = this.#reference();
    reference?.fade(1);
    if (layout === "fade") {
      const slider = this.#root.querySelector<HTMLInputElement>("[data-fade]");
      reference?.fade(Number(slider?.value ?? 50) / 100);
    }
    if (layout === "blink" && reference) {
      let isOn = true;
      this.#blinking = window.setInterval(() => {
        isOn = !isOn;
        reference.fade(isOn ? 1 : 0);
      }, BLINK_MS);
    }
  }

  #stopBlinking(): void {
    window.clearInterval(this.#blinking);
  }

  #reference(): Pane | undefined {
    return this.#panes.find((pane) => pane.shown.kind === "reference");
  }

  #wheel(event: WheelEvent): void {
    if (!this.#isLive) return;
    event.preventDefault();
    const step = Math.sign(event.deltaY) * SCROLL_MM;
    if (event.ctrlKey) this.#zoom(event.deltaY > 0 ? 1.1 : 1 / 1.1);
    else this.#set(moved(this.#pose, 0, 0, -step));
  }

  #zoom(by: number): void {
    this.#set({ ...this.#pose, halfHeight: Math.min(250, Math.max(8, this.#pose.halfHeight * by)) });
  }

  /** Left button: window; with Shift or the middle button: pan; right button: zoom. A finger scrolls. */
  #drag(event: PointerEvent): void {
    if (!this.#isLive || (event.target as Element).closest("button")) return;
    const pictures = event.currentTarget as HTMLElement;
    const height = pictures.getBoundingClientRect().height;
    pictures.setPointerCapture(event.pointerId);
    let [x, y] = [event.clientX, event.clientY];
    const move = (to: PointerEvent): void => {
      const [dx, dy] = [to.clientX - x, to.clientY - y];
      [x, y] = [to.clientX, to.clientY];
      const perPx = (2 * this.#pose.halfHeight) / height;
      if (event.pointerType === "touch") this.#set(moved(this.#pose, 0, 0, (-dy * SCROLL_MM) / 6));
      else if (event.button === 2) this.#zoom(1 + dy / 200);
      else if (event.button === 1 || event.shiftKey) this.#set(moved(this.#pose, -dx * perPx, dy * perPx, 0));
      else this.#changeWindow(dx * WINDOW_PER_PX, dy * WINDOW_PER_PX);
    };
    const stop = (): void => {
      pictures.removeEventListener("pointermove", move);
      pictures.removeEventListener("pointerup", stop);
      pictures.removeEventListener("pointercancel", stop);
    };
    pictures.addEventListener("pointermove", move);
    pictures.addEventListener("pointerup", stop);
    pictures.addEventListener("pointercancel", stop);
  }

  #changeWindow(wider: number, brighter: number): void {
    const centre = (this.#range.lower + this.#range.upper) / 2 + brighter;
    const half = Math.max(10, (this.#range.upper - this.#range.lower + wider) / 2);
    this.#range = { lower: centre - half, upper: centre + half };
    this.#draw();
  }

  #key(event: KeyboardEvent): void {
    const moves: Record<string, () => void> = {
      ArrowUp: () => this.#set(moved(this.#pose, 0, 0, SCROLL_MM)),
      ArrowDown: () => this.#set(moved(this.#pose, 0, 0, -SCROLL_MM)),
      "+": () => this.#zoom(1 / 1.1),
      "-": () => this.#zoom(1.1),
    };
    const act = this.#isLive && moves[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

/** What each pane shows: the same place, and the spacer as it lies in either exam. */
function shownOf(view: View): Shown[] {
  const names = view.vertebrae.map(({ name, centre_lps_mm: at }) => ({ name, at }));
  const common = { frame: view.frame, centre: view.centre_lps_mm };
  const to = view.reference_from_current;
  const told = view.displacement_mm
    ? `${view.displacement_mm.value.toFixed(1)} ± ${view.displacement_mm.uncertainty_95.toFixed(1)} mm`
    : "";
  const moved = view.displacement_lps_mm && { from: view.displacement_lps_mm[0], to: view.displacement_lps_mm[1], told };
  const before = view.reference_outline ?? null;
  const current: Shown = {
    ...common,
    kind: "current",
    exam: view.current,
    fromCurrent: IDENTITY,
    outlines: outlinesOf(view.outline, to ? carried(before, inverse(to)) : null),
    displacement: moved,
    names,
  };
  if (!view.reference || !to) return [current];
  const reference: Shown = {
    ...common,
    kind: "reference",
    exam: view.reference,
    fromCurrent: to,
    centre: carry(to, view.centre_lps_mm),
    outlines: outlinesOf(carried(view.outline, to), before),
    displacement: moved && { ...moved, from: carry(to, moved.from), to: carry(to, moved.to) },
    names: names.map(({ name, at }) => ({ name, at: carry(to, at) })),
  };
  return [current, reference];
}

function outlinesOf(current: Mesh | null, reference: Mesh | null): Shown["outlines"] {
  const found: Shown["outlines"] = [];
  if (current) found.push({ mesh: current, kind: "current" });
  if (reference) found.push({ mesh: reference, kind: "reference" });
  return found;
}
