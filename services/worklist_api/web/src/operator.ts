/** The operator page keeps itself up to date: what is marked live is fetched again, unless somebody is busy in it. */

import { follow } from "./live";

const EVERY_MS = 5000;
let isFetching = false;

async function refresh(): Promise<void> {
  if (isFetching || document.hidden) return;
  isFetching = true;
  try {
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const place of document.querySelectorAll<HTMLElement>("[data-live]")) {
      const next = fresh.getElementById(place.id);
      if (next && next.innerHTML !== place.innerHTML && !place.contains(document.activeElement)) place.replaceWith(next);
    }
  } catch {
    // The link is lost, which the notice says.
  } finally {
    isFetching = false;
  }
}

follow({ onChange: () => void refresh() });
window.setInterval(() => void refresh(), EVERY_MS);
