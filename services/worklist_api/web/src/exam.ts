/** The exam page: the images, as stills at once and as volumes by themselves where there is room, on request on a phone. */

import { follow } from "./live";
import { lookForNews } from "./news";
import { Viewer, type View } from "./viewer/viewer";

const LONGEST_WAIT_MS = 1000;

/** Resolves when findings and stills are on the screen: the volumes keep processor and graphics busy from then on. */
function painted(root: HTMLElement): Promise<unknown> {
  const seen = PerformanceObserver.supportedEntryTypes;
  const type = root.querySelector(".still") && seen.includes("element") ? "element" : "paint";
  const told = new Promise((resolve) => new PerformanceObserver(resolve).observe({ type, buffered: true }));
  return Promise.race([told, new Promise((resolve) => window.setTimeout(resolve, LONGEST_WAIT_MS))]);
}

follow({ onChange: () => void lookForNews() });

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
    void painted(root).then(open);
  }
}

for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
