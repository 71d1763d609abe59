/** The exam page: opens the viewer, by itself where there is room, on request on a phone. */

import { Viewer, type View } from "./viewer/viewer";

const root = document.getElementById("viewer");
const told = document.getElementById("views");

if (root && told) {
  const views = JSON.parse(told.textContent ?? "[]") as View[];
  const start = root.querySelector<HTMLButtonElement>("[data-start]");
  const chosen = (): View | undefined => views[Number(root.dataset.view ?? 0)];
  const open = (): void => {
    const view = chosen();
    if (!view || root.dataset.opened) return;
    root.dataset.opened = "yes";
    if (start) start.hidden = true;
    new Viewer(root, view).open().catch((error: unknown) => {
      const place = root.querySelector<HTMLElement>(".loading");
      if (!place) return;
      place.hidden = false;
      place.classList.add("is-error");
      place.textContent = `The images cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
    });
  };
  start?.addEventListener("click", open);
  if (window.matchMedia("(min-width: 861px)").matches) {
    requestIdleCallback(open, { timeout: 500 });
  }
}

for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
