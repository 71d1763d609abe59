/** The exam page: the images, as stills at once and as volumes by themselves where there is room, on request on a phone. */

import { Viewer, type View } from "./viewer/viewer";

const LONGEST_WAIT_MS = 500;

/** Findings and stills are painted before the volumes keep the processor busy. */
async function stillsDecoded(root: HTMLElement): Promise<void> {
  const addresses = [...root.querySelectorAll<SVGImageElement>(".still image")].map((image) => image.href.baseVal);
  const decoded = [...new Set(addresses)].map((address) => {
    const picture = new Image();
    picture.src = address;
    return picture.decode().catch(() => undefined); // a still that is missing holds nothing up
  });
  await Promise.race([Promise.all(decoded), new Promise((resolve) => window.setTimeout(resolve, LONGEST_WAIT_MS))]);
}

const root = document.getElementById("viewer");
const told = document.getElementById("views");

if (root && told) {
  const views = JSON.parse(told.textContent ?? "[]") as View[];
  const start = root.querySelector<HTMLButtonElement>("[data-start]");
  const view = views[Number(root.dataset.view ?? 0)];
  const viewer = view && new Viewer(root, view);
  const open = (): void => {
    if (!viewer || root.dataset.opened) return;
    root.dataset.opened = "yes";
    if (start) start.hidden = true;
    viewer.open().catch((error: unknown) => {
      const place = root.querySelector<HTMLElement>(".loading");
      if (!place) return;
      place.hidden = false;
      place.classList.add("is-error");
      place.textContent = `The images cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
    });
  };
  start?.addEventListener("click", open);
  if (window.matchMedia("(min-width: 861px)").matches) {
    void stillsDecoded(root).then(() => requestAnimationFrame(() => window.setTimeout(open)));
  }
}

for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
