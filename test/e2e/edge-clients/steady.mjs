import { setTimeout as delay } from "node:timers/promises";

/**
 * Asks for its connection's id again and again, until it is another one: then prints for how long nothing was answered,
 * and what errors the program was told meanwhile, and ends.
 * @param errors what it was told besides what `ask` throws
 */
export async function steady(ask, errors = []) {
  const id = await ask();
  console.log("steady");
  for (let answeredAt = performance.now(); ; await delay(10)) {
    let next;
    try {
      next = await ask();
    } catch (error) {
      errors.push(`thrown: ${error.message}`);
      continue;
    }
    if (next !== id) back(performance.now() - answeredAt, errors);
    answeredAt = performance.now();
  }
}

/** Prints it, and ends. */
export function back(ms, errors) {
  console.log(JSON.stringify({ backAfterMs: Math.round(ms), errors: [...new Set(errors)] }));
  process.exit();
}
