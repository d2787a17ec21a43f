/** What an HTTP server bears. */
export type HttpBounds = {
  /** Connections in all; fewer where the system lets the process open fewer. */
  readonly connections: number;
  /** Connections of one address. */
  readonly connectionsPerAddress: number;
  /** Time that a connection may wait for its next request. */
  readonly keepAliveMs: number;
  /** Lines a minute about refusals of the same kind. */
  readonly refusalsLoggedPerMinute: number;
};
