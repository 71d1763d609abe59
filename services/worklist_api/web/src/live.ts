/**
 * The link to the server: tells when something changed, and tells the reader when the link is lost.
 *
 * The server sends a version number when the board changes and every few seconds as a beat.
 */

const SILENCE_MS = 12_000; // more than two beats of the server
const LONGEST_PAUSE_MS = 15_000;

export interface Live {
  /** Called with every version that differs from the one before. */
  onChange: () => void;
}

export function follow({ onChange }: Live): void {
  let version: number | undefined;
  let pauseMs = 500;
  let heardAt = Date.now();
  let watchdog: number | undefined;

  const heard = (): void => {
    heardAt = Date.now();
    window.clearTimeout(watchdog);
    watchdog = window.setTimeout(() => showLost(heardAt), SILENCE_MS);
  };

  const connect = (): void => {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/live`);
    socket.onmessage = (message: MessageEvent<string>) => {
      const told = JSON.parse(message.data) as { version?: number; lost?: boolean };
      if (told.lost || told.version === undefined) {
        showLost(heardAt);
        return;
      }
      heard();
      pauseMs = 500;
      const isNew = version !== undefined && told.version !== version;
      const wasLost = hideLost();
      version = told.version;
      if (isNew || wasLost) onChange();
    };
    socket.onclose = () => {
      showLost(heardAt);
      window.setTimeout(connect, pauseMs);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    };
  };
  connect();
}

function showLost(since: number): void {
  const notice = document.getElementById("link-lost");
  const time = notice?.querySelector("time");
  if (!notice || !time || !notice.hidden) return;
  const moment = new Date(since);
  time.dateTime = moment.toISOString();
  time.textContent = moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  notice.hidden = false;
}

function hideLost(): boolean {
  const notice = document.getElementById("link-lost");
  const wasLost = notice !== null && !notice.hidden;
  if (notice) notice.hidden = true;
  return wasLost;
}
