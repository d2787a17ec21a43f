/** What a droplet is built from. */
export type MachineOrder = {
  readonly id: number;
  readonly name: string;
  /** Script of the first boot. */
  readonly userData: string;
  readonly region: string;
  readonly size: string;
};

/** The machines behind droplets: without them the API reports droplets that do not exist. */
export type Machines = {
  /** Builds the machine and switches it on; returns as soon as its addresses are known, long before it has booted. */
  readonly build: (order: MachineOrder) => Promise<{ readonly publicIp: string; readonly privateIp: string }>;
  /** Takes the machine away with all that it holds. Success when there is none. */
  readonly destroy: (id: number) => Promise<void>;
  /** Cuts the power. */
  readonly powerOff: (id: number) => Promise<void>;
  /** Boots again from the same disk. */
  readonly powerOn: (id: number) => Promise<void>;
  /** Cuts the machine off from every network, and back on; it goes on running. */
  readonly partition?: (id: number, isCutOff: boolean) => Promise<void>;
};
