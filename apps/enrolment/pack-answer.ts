import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";

/**
 * A host's credentials, as a tar of two files, which every host can unpack: `server.pem` and
 * `heartbeat-password`.
 */
export async function packAnswer({
  certificate,
  heartbeatPassword,
}: {
  readonly certificate: string;
  readonly heartbeatPassword: string;
}): Promise<Buffer> {
  const tar = pack();
  const mtime = new Date(0);
  tar.entry({ name: "server.pem", mode: 0o644, mtime }, certificate);
  tar.entry({ name: "heartbeat-password", mode: 0o600, mtime }, heartbeatPassword);
  tar.finalize();
  return buffer(tar);
}
