/** What happened to an exam since its page was opened: said, and shown when the reader asks. Nothing moves by itself. */

interface Standing {
  revision: number | null;
  state: string | null;
  reader: string | null;
}

export async function lookForNews(): Promise<void> {
  const place = document.getElementById("news");
  if (!place) return;
  const then = JSON.parse(place.dataset.standing ?? "{}") as Standing;
  const answer = await fetch(`/exams/${place.dataset.exam}/standing`).catch(() => undefined);
  if (!answer?.ok) return; // the link is lost, which the notice says
  const told = sentence(then, (await answer.json()) as Standing);
  const words = place.querySelector("span");
  if (words) words.textContent = told;
  place.hidden = !told;
}

function sentence(then: Standing, now: Standing): string {
  if (now.revision !== then.revision) return then.revision ? "There is a newer result of this exam." : "There is a result now.";
  if (now.state === then.state && now.reader === then.reader) return "";
  if (now.state === "IN PROGRESS") return now.reader ? `${now.reader} has claimed this reading.` : "Somebody has claimed this reading.";
  if (now.state === "COMPLETED") return "This reading is finished.";
  if (now.state === "CANCELED") return "This reading was cancelled.";
  return "The state of this reading has changed.";
}
