/** Our side of mutual TLS with the hosts' engines, in PEM. */
export type ClientTls = {
  /** The CA that hosts' certificates are of; two, one after the other, while one replaces another. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
};

/** What the enrolment of hosts shows of itself, in PEM. */
export type ServerTls = Omit<ClientTls, "ca">;
