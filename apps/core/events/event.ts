/** Something decided or done, by a job or a person, as ops read it. */
export type FleetEvent = {
  /** Job or person: `scale`, `admit`, `reap`, `reconcile`, `operator`. */
  readonly actor: string;
  /** One word: `order`, `drain`, `hold`, `repair`, … */
  readonly kind: string;
  readonly host?: string | undefined;
  readonly instance?: string | undefined;
  /** Whether a person must see to it. */
  readonly alarm?: boolean;
  readonly reason: string;
};

/** An event as it is kept. One that comes again unchanged, with nothing of its host in between, counts up. */
export type KeptEvent = FleetEvent & {
  readonly id: number;
  readonly at: Date;
  readonly lastAt: Date;
  readonly times: number;
};
