import type { Host, HostState } from "../../../apps/core/fleet/host.ts";

/** A host with nothing about it that a rule looks at but what is given. */
export const hostNamed = (name: string, capacity: number, state: HostState): Host => ({
  name,
  engineUrl: `unix:///${name}`,
  deployment: "d",
  publicHost: "192.0.2.1",
  checkHost: "192.0.2.1",
  bindAddress: "0.0.0.0",
  capacity,
  basePort: 20_000,
  state,
});
