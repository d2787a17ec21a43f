import { join } from "node:path";

/** Where the files and sockets of one HAProxy are. */
export type HaproxyFiles = ReturnType<typeof haproxyFiles>;

/** All in one folder, which is nobody else's. */
export function haproxyFiles(dir: string) {
  return {
    dir,
    config: join(dir, "haproxy.cfg"),
    pid: join(dir, "haproxy.pid"),
    log: join(dir, "haproxy.log"),
    certificate: join(dir, "edge.pem"),
    routes: join(dir, "routes.map"),
    /** How members of services were before a reload. */
    memberStates: join(dir, "member-states"),
    /** Tells with which configuration HAProxy was started or reloaded last. */
    inForce: join(dir, "in-force"),
    /** Of the process that serves. */
    runtimeSocket: join(dir, "run.sock"),
    /** Of the process that starts and reloads those that serve. */
    masterSocket: join(dir, "master.sock"),
    /** Where the concierge waits for clients, and where it sends them on. */
    conciergeSocket: join(dir, "concierge.sock"),
    innerSocket: join(dir, "inner.sock"),
    /** Where it waits for those that are too many. */
    fullSocket: join(dir, "full.sock"),
  };
}
