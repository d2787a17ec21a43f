/** @import { StreamNews } from "../../api-types.ts" */

/** News come each second. Without any for so long, the connection counts as broken. */
const SILENCE_MS = 6_000;
const RETRY_MS = 1_500;
/** @type {readonly StreamNews["kind"][]} */
const kinds = ["picture", "change", "events", "alarms", "silence"];

/**
 * Follows the fleet over server-sent events, and connects again whenever the stream breaks, also where the
 * browser gives up. Each connection begins with the whole overview.
 * @param {object} hooks
 * @param {(news: StreamNews) => void} hooks.onNews
 * @param {(state: "live" | "lost") => void} hooks.onState
 * @param {() => Promise<boolean>} hooks.isWelcome  Asked before connecting again; when not, the stream stays closed.
 */
export function followFleet({ onNews, onState, isWelcome }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let isClosed = false;
  let source = open();

  function open() {
    const opened = new EventSource("/ops/api/stream");
    for (const kind of kinds) {
      opened.addEventListener(kind, (event) => {
        wait();
        onState("live");
        /** @type {unknown} */
        const data = JSON.parse(String(event.data));
        onNews(/** @type {StreamNews} */ ({ kind, data }));
      });
    }
    opened.addEventListener("error", () => {
      onState("lost");
      if (opened.readyState === EventSource.CLOSED) reopen();
    });
    wait();
    return opened;
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
    timer = setTimeout(() => void openIfWelcome(), RETRY_MS);
  }

  async function openIfWelcome() {
    const welcome = await isWelcome();
    if (welcome && !isClosed) source = open();
  }

  return {
    close() {
      isClosed = true;
      clearTimeout(timer);
      source.close();
    },
  };
}
