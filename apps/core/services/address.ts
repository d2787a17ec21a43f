/** Where the edge is: each instance has a name of its own under `domain`, and all of them one port. */
export type Edge = { readonly domain: string; readonly port: number };

/** Length of an instance's id. The password of an instance behind an edge begins with it. */
export const ID_LENGTH = 16;

const ID = /^[0-9a-z]{16}$/;

/** Address that holders connect to, and whether they speak TLS there. */
export type ShownAddress = { readonly host: string; readonly port: number; readonly isTls: boolean };

/** Where an instance is: its host, as holders can reach that, and its port there. */
export type InstancePlace = { readonly id: string; readonly publicHost: string; readonly port: number };

/** Where holders reach an instance: at the edge when there is one, else at its host. */
export function shownAddress(edge: Edge | undefined, { id, publicHost, port }: InstancePlace): ShownAddress {
  return edge === undefined
    ? { host: publicHost, port, isTls: false }
    : { host: `${id}.${edge.domain}`, port: edge.port, isTls: true };
}

/** Id of the instance that is reached under this name; undefined when it is none of the edge's. */
export function idOfName(edge: Pick<Edge, "domain">, name: string): string | undefined {
  const lower = name.toLowerCase();
  if (!lower.endsWith(`.${edge.domain.toLowerCase()}`)) return undefined;
  const id = lower.slice(0, -edge.domain.length - 1);
  return ID.test(id) ? id : undefined;
}

/**
 * Password of an instance behind an edge: most clients tell no name when they connect, and all of them tell the
 * password. Its secret part alone has as many bits as a password without an edge.
 */
export function edgePassword(id: string, secret: string): string {
  return id + secret;
}

/** Id that a password begins with; undefined when it cannot be one of an instance behind an edge. */
export function idOfPassword(password: string): string | undefined {
  const id = password.slice(0, ID_LENGTH);
  return password.length > ID_LENGTH && ID.test(id) ? id : undefined;
}
