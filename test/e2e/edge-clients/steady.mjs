import { setTimeout as delay } from "node:timers/promises";

/**
 * Calls again and again, until its connection was lost and it is answered again: then prints for how long nothing was
 * answered, and ends.
 */
export async function steady(call, isLost) {
  await call();
  console.log("steady");
  for (let answeredAt = performance.now(); ; await delay(10)) {
    try {
      await call();
    } catch {
      continue;
    }
    const gapMs = performance.now() - answeredAt;
    answeredAt += gapMs;
    if (!isLost()) continue;
    console.log(`back after ${Math.round(gapMs)} ms`);
    process.exit();
  }
}
