/** The exam page: opens the viewer, by itself where there is room, on request on a phone. */

import type { View } from "./viewer/viewer";

/** The viewer is large and is fetched only where it is opened. */
async function show(root: HTMLElement, view: View): Promise<void> {
  const { Viewer } = await import("./viewer/viewer");
  await new Viewer(root, view).open();
}

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
    show(root, view).catch((error: unknown) => {
      const place = root.querySelector<HTMLElement>(".loading");
      if (!place) return;
      place.hidden = false;
      place.classList.add("is-error");
      place.textContent = `The images cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
    });
  };
  start?.addEventListener("click", open);
  if (window.matchMedia("(min-width: 861px)").matches) {
    requestAnimationFrame(() => window.setTimeout(open)); // the findings are painted first
  }
}

for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
