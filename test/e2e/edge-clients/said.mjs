/** Prints which of these things went well, as JSON: what clients.ts has of each client. */
export function say(found) {
  console.log(JSON.stringify(Object.keys(found).filter((feature) => found[feature] === true)));
}

export const BIG = "x".repeat(1_000_000);
