/*
 * Runs before anything is drawn, and so is no module: on a phone, whoever holds a Redis comes back for that, and sees
 * it before the button. What storage holds may be anything.
 */
try {
  /** @type {unknown} */
  const kept = JSON.parse(localStorage.getItem("getaredis.held") ?? "[]");
  const entries = /** @type {{ state?: unknown }[]} */ (kept);
  if (entries.some(({ state }) => state !== "ended")) document.documentElement.classList.add("returning");
} catch {
  // Without storage there is nothing to come back for.
}
