/**
 * The rows of the worklist in chunks. Only chunks near the window hold rows, the others are one empty row of
 * their height, so that ten thousand readings scroll like fifty.
 */

const NEAR = "1200px 0px";

export class Rows {
  readonly #table: HTMLTableElement;
  readonly #form: HTMLFormElement;
  readonly #chunk: number;
  readonly #near: IntersectionObserver;
  /** Empty chunks near the window, and whether one is being fetched: one at a time, what is looked at first. */
  readonly #wanted = new Set<HTMLTableSectionElement>();
  #isFilling = false;
  #rowHeight = 64;
  #asked = 0;

  constructor(table: HTMLTableElement, form: HTMLFormElement) {
    this.#table = table;
    this.#form = form;
    this.#chunk = Number(table.dataset.chunk);
    this.#near = new IntersectionObserver((entries) => entries.forEach((entry) => this.#seen(entry)), {
      rootMargin: NEAR,
    });
  }

  /** Take over the rows that the server put into the page. */
  take(): void {
    document.querySelector(".pager")?.setAttribute("hidden", "");
    const first = this.#table.tBodies[0];
    if (first && first.dataset.offset === "0") this.#lay(first);
    else void this.show();
  }

  /** Show the view of the form from its top. */
  async show(): Promise<void> {
    const asked = ++this.#asked;
    const first = await this.#load(0);
    if (!first || asked !== this.#asked) return;
    const focused = this.#focusedAddress();
    this.#lay(first);
    this.#focus(focused);
  }

  /** Load again what is in view, keeping place and focus. */
  async refresh(): Promise<void> {
    const asked = ++this.#asked;
    const shown = [...this.#table.tBodies].filter((body) => body.dataset.loaded === "yes");
    const offsets = shown.length ? shown.map((body) => Number(body.dataset.offset)) : [0];
    const fresh = await Promise.all(offsets.map((offset) => this.#load(offset)));
    if (asked !== this.#asked) return;
    const focused = this.#focusedAddress();
    const total = Number(fresh[0]?.dataset.total ?? 0);
    this.#fit(total);
    for (const body of fresh) if (body && Number(body.dataset.offset) < Math.max(total, 1)) this.#put(body);
    this.#focus(focused);
  }

  /** Move the focus by so many rows. */
  move(by: number): void {
    const links = [...this.#table.querySelectorAll<HTMLAnchorElement>("a.exam")];
    const at = links.findIndex((link) => link === document.activeElement);
    const next = links[at < 0 ? 0 : Math.min(Math.max(at + by, 0), links.length - 1)];
    next?.focus({ preventScroll: true });
    next?.closest("tr")?.scrollIntoView({ block: "nearest" });
  }

  async #load(offset: number): Promise<HTMLTableSectionElement | undefined> {
    const body = new URLSearchParams();
    for (const [name, value] of new FormData(this.#form)) body.set(name, String(value));
    body.set("offset", String(offset));
    try {
      const answer = await fetch("/worklist/rows", { method: "POST", body });
      if (!answer.ok) return undefined;
      const holder = document.createElement("template");
      holder.innerHTML = `<table>${await answer.text()}</table>`;
      return holder.content.querySelector("tbody") ?? undefined;
    } catch {
      return undefined; // the link is lost, which the notice says
    }
  }

  /** Lay out a view of which the first chunk is here. */
  #lay(first: HTMLTableSectionElement): void {
    for (const body of [...this.#table.tBodies]) body.remove();
    this.#table.append(first);
    first.dataset.loaded = "yes";
    this.#near.observe(first);
    this.#measure(first);
    this.#fit(Number(first.dataset.total));
    this.#tell(first);
  }

  /** Have as many chunks as the view needs. */
  #fit(total: number): void {
    const wanted = Math.max(1, Math.ceil(total / this.#chunk));
    for (const body of [...this.#table.tBodies].slice(wanted)) body.remove();
    for (let index = this.#table.tBodies.length; index < wanted; index++) {
      const body = document.createElement("tbody");
      body.dataset.offset = String(index * this.#chunk);
      this.#empty(body, Math.min(this.#chunk, total - index * this.#chunk) * this.#rowHeight);
      this.#table.append(body);
      this.#near.observe(body);
    }
    this.#table.hidden = total === 0;
    const nothing = document.getElementById("nothing");
    if (nothing) nothing.hidden = total > 0;
  }

  #seen(entry: IntersectionObserverEntry): void {
    const body = entry.target as HTMLTableSectionElement;
    const isHere = body.dataset.loaded === "yes";
    if (entry.isIntersecting && !isHere) this.#wanted.add(body);
    else this.#wanted.delete(body);
    if (!entry.isIntersecting && isHere && !body.contains(document.activeElement)) {
      this.#empty(body, body.getBoundingClientRect().height);
    }
    void this.#fill();
  }

  async #fill(): Promise<void> {
    if (this.#isFilling) return;
    this.#isFilling = true;
    for (let body = this.#nextWanted(); body; body = this.#nextWanted()) {
      const fresh = await this.#load(Number(body.dataset.offset));
      const isWanted = this.#wanted.delete(body) && body.isConnected; // one that has flown past is let go
      if (fresh && isWanted) this.#put(fresh);
    }
    this.#isFilling = false;
  }

  /** The wanted chunk that lies nearest to the middle of the window. */
  #nextWanted(): HTMLTableSectionElement | undefined {
    const middle = window.innerHeight / 2;
    const distance = (body: HTMLTableSectionElement): number => {
      const { top, bottom } = body.getBoundingClientRect();
      return Math.max(top - middle, middle - bottom, 0);
    };
    return [...this.#wanted].filter((body) => body.isConnected).sort((one, other) => distance(one) - distance(other))[0];
  }

  #put(fresh: HTMLTableSectionElement): void {
    const old = [...this.#table.tBodies].find((body) => body.dataset.offset === fresh.dataset.offset);
    if (!old) return;
    this.#near.unobserve(old);
    old.replaceWith(fresh);
    fresh.dataset.loaded = "yes";
    this.#near.observe(fresh);
    this.#measure(fresh);
    this.#tell(fresh);
  }

  #empty(body: HTMLTableSectionElement, height: number): void {
    const row = document.createElement("tr");
    row.className = "placeholder";
    row.setAttribute("aria-hidden", "true");
    const cell = document.createElement("td");
    cell.colSpan = 8;
    cell.style.height = `${Math.max(height, 1)}px`;
    row.append(cell);
    body.replaceChildren(row);
    body.dataset.loaded = "no";
  }

  #measure(body: HTMLTableSectionElement): void {
    if (body.rows.length) this.#rowHeight = body.getBoundingClientRect().height / body.rows.length || this.#rowHeight;
  }

  #tell(body: HTMLTableSectionElement): void {
    const total = document.getElementById("total");
    if (total && total.textContent !== body.dataset.total) total.textContent = body.dataset.total ?? "";
    const counts = JSON.parse(body.dataset.counts ?? "{}") as Record<string, number>;
    for (const [priority, count] of Object.entries(counts)) {
      const shown = document.querySelector(`[data-count="${priority}"]`);
      if (shown) shown.textContent = String(count);
    }
  }

  #focusedAddress(): string | undefined {
    const focused = document.activeElement;
    return focused instanceof HTMLAnchorElement && this.#table.contains(focused) ? focused.pathname : undefined;
  }

  #focus(pathname: string | undefined): void {
    if (pathname === undefined) return;
    this.#table.querySelector<HTMLAnchorElement>(`a.exam[href="${pathname}"]`)?.focus({ preventScroll: true });
  }
}
