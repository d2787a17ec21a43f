import { after } from "node:test";
import { startServices, type Services } from "./services.ts";

let begun: Promise<Services> | undefined;

after(async () => (await begun)?.stop());

/** A MariaDB and a Redis for all tests of a process, started when the first asks for them; they stop after the last. */
export function sharedServices(): Promise<Services> {
  return (begun ??= startServices());
}
