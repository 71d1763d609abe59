/** The worklist: filters without a reload, rows that come while one scrolls, keys, saved views, live updates. */

import { follow } from "./live";
import { Rows } from "./rows";
import { keepViews } from "./views";

const form = document.getElementById("view") as HTMLFormElement;
const table = document.getElementById("worklist") as HTMLTableElement;
const rows = new Rows(table, form);
let typing: number | undefined;

function show(): void {
  history.replaceState(null, "", address());
  const reset = form.querySelector<HTMLElement>(".reset");
  if (reset) reset.hidden = address() === "/" && !field("search").value;
  void rows.show();
}

/** Address of the view. A search is not part of it: it may hold a name. */
function address(): string {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (name !== "search" && value && !(name === "state" && value === "open")) fields.set(name, String(value));
  }
  return fields.size ? `/?${fields}` : "/";
}

function field(name: string): HTMLInputElement {
  return form.elements.namedItem(name) as HTMLInputElement;
}

form.classList.add("is-live");
const choices = form.querySelector<HTMLDetailsElement>(".choices");
if (choices && window.matchMedia("(max-width: 860px)").matches) choices.open = false;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  show();
});
form.addEventListener("change", show);
field("search").addEventListener("input", () => {
  window.clearTimeout(typing);
  typing = window.setTimeout(show, 150);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target instanceof Element && event.target.matches("input, select, textarea");
  if (event.key === "Escape" && isTyping) {
    (event.target as HTMLElement).blur();
  } else if (!isTyping && event.key === "/") {
    event.preventDefault();
    field("search").focus();
  } else if (!isTyping && (event.key === "j" || event.key === "k")) {
    event.preventDefault();
    rows.move(event.key === "j" ? 1 : -1);
  }
});

keepViews(form, show);
rows.take();
follow({ onChange: () => void rows.refresh() });
