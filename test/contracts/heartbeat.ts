import type { Heartbeat } from "../../apps/core/fleet/host.ts";

/** A whole heartbeat of a host. */
export const beat = (name: string): Heartbeat => ({
  name,
  publicIp: "203.0.113.9",
  privateIp: "10.0.0.9",
  dockerPort: 2376,
  containers: 3,
  memAvailableMb: 512,
  sentAt: "2026-01-01T00:00:00Z",
});
