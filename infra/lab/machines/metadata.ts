import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What a machine can read about itself. */
export interface Metadata {
  id: number;
  hostname: string;
  region: string;
  userData: string;
  publicIp: string;
  privateIp: string;
}

/** The metadata service of one machine. */
export interface MetadataService {
  port: number;
  stop: () => Promise<void>;
}

/**
 * Answers as DigitalOcean's metadata service does, at `address`, our end of the machine's link. Only the
 * machine itself is answered: the answers may hold its secrets.
 */
export async function startMetadata(address: string, metadata: Metadata): Promise<MetadataService> {
  const texts = textsOf(metadata);
  const server = createServer((request, reply) => {
    const isMachine = request.socket.remoteAddress === metadata.publicIp;
    const text = request.method === "GET" ? texts[request.url ?? ""] : undefined;
    if (!isMachine || text === undefined)
      reply.writeHead(isMachine ? 404 : 403, { "content-type": "text/plain" }).end();
    else
      reply
        .writeHead(200, {
          "content-type": request.url?.endsWith(".json") ? "application/json" : "text/plain; charset=utf-8",
        })
        .end(text);
  });
  server.listen(0, address);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function textsOf({ id, hostname, region, userData, publicIp, privateIp }: Metadata): Record<string, string> {
  const face = (type: "public" | "private", address: string, netmask: string) => ({
    ipv4: { ip_address: address, netmask },
    type,
  });
  const interfaces = {
    public: [face("public", publicIp, "255.255.255.252")],
    private: [face("private", privateIp, "255.255.255.0")],
  };
  return {
    "/metadata/v1/": "id\nhostname\nuser-data\ninterfaces/\nregion\n",
    "/metadata/v1/id": String(id),
    "/metadata/v1/hostname": hostname,
    "/metadata/v1/region": region,
    "/metadata/v1/user-data": userData,
    "/metadata/v1/interfaces/public/0/ipv4/address": publicIp,
    "/metadata/v1/interfaces/private/0/ipv4/address": privateIp,
    "/metadata/v1.json": JSON.stringify({ droplet_id: id, hostname, region, user_data: userData, interfaces }),
  };
}
