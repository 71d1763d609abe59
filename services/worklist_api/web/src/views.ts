/** Saved views, kept in this browser. A search is not kept: it may hold a patient's name. */

const KEY = "plumbline.views";

type View = Record<string, string>;

export function keepViews(form: HTMLFormElement, show: () => void): void {
  const place = document.getElementById("saved-views");
  if (!place) return;

  const draw = (): void => {
    const saved = read();
    place.replaceChildren(
      ...Object.entries(saved).map(([name, view]) => chip(name, () => apply(view), () => forget(name))),
      button("Save this view", save),
    );
    place.hidden = false;
  };

  const apply = (view: View): void => {
    form.reset();
    for (const element of form.elements) {
      if (element instanceof HTMLSelectElement || element instanceof HTMLInputElement) {
        element.value = view[element.name] ?? (element.name === "state" ? "open" : "");
      }
    }
    show();
  };

  const save = (): void => {
    const name = window.prompt("Name of this view")?.trim();
    if (!name) return;
    const view: View = {};
    for (const [field, value] of new FormData(form)) if (field !== "search" && value) view[field] = String(value);
    write({ ...read(), [name.slice(0, 40)]: view });
    draw();
  };

  const forget = (name: string): void => {
    const { [name]: _forgotten, ...rest } = read();
    write(rest);
    draw();
  };

  draw();
}

function chip(name: string, apply: () => void, forget: () => void): HTMLElement {
  const holder = document.createElement("span");
  holder.className = "chip";
  const remove = button("×", forget);
  remove.setAttribute("aria-label", `Forget the view ${name}`);
  holder.append(button(name, apply), remove);
  return holder;
}

function button(words: string, act: () => void): HTMLButtonElement {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = words;
  made.addEventListener("click", act);
  return made;
}

function read(): Record<string, View> {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Record<string, View>;
  } catch {
    return {};
  }
}

function write(views: Record<string, View>): void {
  localStorage.setItem(KEY, JSON.stringify(views));
}
