/** Our side of mutual TLS with the hosts' engines, in PEM. */
export type ClientTls = {
  /** The CA of hosts' certificates; two of them, one after the other, while one replaces the other. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
};

/** Certificate and key of the enrolment of hosts, in PEM. */
export type ServerTls = Omit<ClientTls, "ca">;
