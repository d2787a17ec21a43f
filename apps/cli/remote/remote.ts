/** What `getaredis` reaches besides the API: gateways as their clients do, the service's Redis, programs of this machine. */
export type Remote = {
  /** Addresses that a name leads to; none where there is no such name. */
  readonly resolve: (name: string) => Promise<readonly string[]>;
  readonly seeGateway: (place: GatewayPlace) => Promise<GatewaySight>;
  /**
   * Logs in, sends commands, and resolves to the lines that they are answered with.
   * @throws when there is no answer
   */
  readonly sayToRedis: (place: RedisPlace, commands: readonly (readonly string[])[]) => Promise<readonly string[]>;
  /**
   * Runs two programs, the second with what the first prints as its input; what they say besides goes to the terminal.
   * Resolves to their exit codes.
   */
  readonly pipe: (from: readonly string[], to: readonly string[]) => Promise<readonly [number, number]>;
};

/** Where a gateway is, and the name by which its certificate is verified. */
export type GatewayPlace = {
  readonly address: string;
  readonly port: number;
  readonly name: string;
  readonly timeoutMs: number;
};

/** What a client without an instance sees of a gateway. */
export type GatewaySight =
  | { readonly kind: "away"; readonly reason: string }
  | {
      readonly kind: "there";
      /** Why its certificate is not trusted; undefined where it is. */
      readonly distrust: string | undefined;
      readonly expiresAt: Date;
      /** What it answers to PING. */
      readonly answer: string;
    };

/** A Redis, and who logs in there. */
export type RedisPlace = {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly timeoutMs: number;
};
