/** News come each second; without any for so long, the connection is not what it seems. */
const SILENCE_MS = 6_000;
const RETRY_MS = 1_500;

/**
 * Follows the fleet over server-sent events, and comes back whenever the stream breaks, also where the
 * browser gives up. Each connection begins with the whole picture.
 * @param {{onNews: (kind: string, data: any) => void, onState: (state: "live" | "lost") => void, isWelcome: () => Promise<boolean>}} hooks
 *   isWelcome: asked before coming back; when not, the stream stays shut.
 * @returns {{close: () => void}}
 */
export function followFleet({ onNews, onState, isWelcome }) {
  let source;
  let timer;
  let isClosed = false;

  function open() {
    source = new EventSource("/ops/api/stream");
    for (const kind of ["picture", "change", "events", "alarms", "silence"]) {
      source.addEventListener(kind, (event) => {
        wait();
        onState("live");
        onNews(kind, JSON.parse(event.data));
      });
    }
    source.addEventListener("error", () => {
      onState("lost");
      if (source.readyState === EventSource.CLOSED) reopen();
    });
    wait();
  }

  function wait() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      onState("lost");
      reopen();
    }, SILENCE_MS);
  }

  function reopen() {
    source.close();
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const welcome = await isWelcome();
      if (!isClosed && welcome) open();
    }, RETRY_MS);
  }

  open();
  return {
    close() {
      isClosed = true;
      clearTimeout(timer);
      source.close();
    },
  };
}
