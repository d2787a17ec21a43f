import { gzipSync } from "node:zlib";
import { gatewayNamePattern } from "../edge/gateway.ts";
import { hostNamePattern } from "./host.ts";

/** What a new droplet needs to become a host. Nothing in it is secret but the token, which can be used once. */
export type HostSetup = {
  readonly hostName: string;
  /** Where the control plane enrols hosts, https://… */
  readonly enrolmentUrl: string;
  readonly enrolmentToken: string;
  /** Certificates of the CA that the host trusts, in PEM. */
  readonly caPem: string;
  /** Redis that heartbeats are sent to, as the host reaches it. */
  readonly redisHost: string;
  readonly redisPort: number;
  readonly heartbeatSeconds: number;
  readonly heartbeatTtlSeconds: number;
  /** Connections that an address may hold to one instance. */
  readonly connectionsPerAddress: number;
  /** Seconds that a connection to an instance has to log in. */
  readonly loginSeconds: number;
  /** Kilobytes that an address may send to an instance before it has logged in. */
  readonly loginKb: number;
  /** Connections to an instance that have not logged in, of all addresses together. */
  readonly loginsPending: number;
  /** Bytes that an instance may send out in a second, and in its life; the latter 0 for as many as it likes. */
  readonly transferBytesPerSecond: number;
  readonly transferBytes: number;
  /** Where gateways connect from, in CIDR notation, and whether nobody else may; undefined without an edge. */
  readonly gateways: { readonly network: string; readonly only: boolean } | undefined;
};

/** The host's own scripts and units: names and texts. */
export type HostFiles = { readonly scripts: ReadonlyMap<string, string>; readonly units: ReadonlyMap<string, string> };

const CONF = "/etc/getaredis";
const END_OF_FILE = "END-OF-FILE-OF-GETAREDIS";
/** Values that need no quoting in shell, in systemd's environment files or in a URL. */
const PLAIN = /^[A-Za-z0-9._:/[\]-]+$/;
const HTTPS_URL = /^https:\/\/[A-Za-z0-9[][A-Za-z0-9._:/[\]-]*$/;
/** The host's firewall knows IPv4 alone. */
const NETWORK = /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/;
const FILE_NAME = /^[a-z][a-z0-9-]*\.(sh|service)$/;
/** DigitalOcean accepts no more. */
const MOST_BYTES = 64 * 1024;

/**
 * The script of a droplet's first boot (cloud-init's user-data): writes the host's files and has systemd run
 * the set-up, which continues after a reboot.
 * @throws when a value has the wrong form, or the whole is more than 64 KiB
 */
export function renderUserData(files: HostFiles, setup: HostSetup): string {
  const settings = {
    HOST_NAME: fit("hostName", setup.hostName, hostNamePattern),
    ENROLMENT_URL: fit("enrolmentUrl", setup.enrolmentUrl, HTTPS_URL).replace(/\/+$/, ""),
    HEARTBEAT_REDIS_HOST: fit("redisHost", setup.redisHost, PLAIN),
    HEARTBEAT_REDIS_PORT: whole("redisPort", setup.redisPort),
    HEARTBEAT_SECONDS: whole("heartbeatSeconds", setup.heartbeatSeconds),
    HEARTBEAT_TTL_SECONDS: whole("heartbeatTtlSeconds", setup.heartbeatTtlSeconds),
    CONNECTIONS_PER_ADDRESS: whole("connectionsPerAddress", setup.connectionsPerAddress),
    LOGIN_SECONDS: whole("loginSeconds", setup.loginSeconds),
    LOGIN_KB: whole("loginKb", setup.loginKb),
    LOGINS_PENDING: whole("loginsPending", setup.loginsPending),
    TRANSFER_BYTES_PER_SECOND: whole("transferBytesPerSecond", setup.transferBytesPerSecond),
    ...(setup.gateways && {
      GATEWAY_NETWORK: fit("gateways", setup.gateways.network, NETWORK),
      INSTANCES_OPEN_TO: setup.gateways.only ? "gateways" : "everyone",
    }),
    TRANSFER_BYTES: setup.transferBytes === 0 ? "0" : whole("transferBytes", setup.transferBytes),
  };
  return firstBoot({
    what: "a host",
    log: "getaredis-set-up",
    environment: ["host.env", settings],
    caPem: setup.caPem,
    token: setup.enrolmentToken,
    files,
  });
}

/** What a new droplet needs to become a gateway; as with a host, nothing in it is secret but the token. */
export type GatewaySetup = Pick<HostSetup, "enrolmentUrl" | "enrolmentToken" | "caPem"> & { readonly name: string };

/**
 * The same for a droplet that becomes a gateway: everything else it is told when it enrols.
 * @throws when a value has the wrong form, or the whole is more than 64 KiB
 */
export function renderGatewayUserData(files: HostFiles, setup: GatewaySetup): string {
  return firstBoot({
    what: "a gateway",
    log: "getaredis-set-up-gateway",
    environment: [
      "gateway.env",
      {
        GATEWAY_NAME: fit("name", setup.name, gatewayNamePattern),
        ENROLMENT_URL: fit("enrolmentUrl", setup.enrolmentUrl, HTTPS_URL).replace(/\/+$/, ""),
      },
    ],
    caPem: setup.caPem,
    token: setup.enrolmentToken,
    files,
  });
}

function firstBoot({
  what,
  log,
  environment: [envFile, settings],
  caPem,
  token,
  files,
}: {
  readonly what: string;
  /** The unit of the set-up. */
  readonly log: string;
  readonly environment: readonly [string, Readonly<Record<string, string>>];
  readonly caPem: string;
  readonly token: string;
  readonly files: HostFiles;
}): string {
  const script = [
    "#!/bin/bash",
    `# Makes this machine ${what} of Get a Redis. Its log: journalctl -u ${log}`,
    "set -eu",
    "umask 077",
    `mkdir -p ${CONF} /usr/local/lib/getaredis`,
    ...file(
      `${CONF}/${envFile}`,
      Object.entries(settings)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    ),
    ...file(`${CONF}/ca.pem`, pem(caPem)),
    ...file(`${CONF}/token`, `${fit("enrolmentToken", token, PLAIN)}\n`),
    ...[...files.scripts].flatMap(([name, text]) =>
      packedFile(`/usr/local/lib/getaredis/${fit("script", name, FILE_NAME)}`, text),
    ),
    ...[...files.units].flatMap(([name, text]) =>
      packedFile(`/etc/systemd/system/${fit("unit", name, FILE_NAME)}`, text),
    ),
    "chmod 644 /etc/systemd/system/getaredis-*.service",
    "systemctl daemon-reload",
    // Not waited for: the set-up takes long, and the rest of the first boot need not wait for it.
    `systemctl enable --now --no-block ${log}.service`,
    "",
  ].join("\n");
  const bytes = new TextEncoder().encode(script).length;
  if (bytes > MOST_BYTES) throw new Error(`user-data is ${bytes} bytes, and may have ${MOST_BYTES}`);
  return script;
}

function file(path: string, text: string): string[] {
  const ended = text.endsWith("\n") ? text : `${text}\n`;
  if (ended.includes(END_OF_FILE)) throw new Error(`${path} contains the mark that ends files`);
  return [`cat >${path} <<'${END_OF_FILE}'`, `${ended}${END_OF_FILE}`];
}

/** Takes half of the room that the text would, and all of them may have 64 KiB together. */
function packedFile(path: string, text: string): string[] {
  const packed = gzipSync(text, { level: 9 }).toString("base64");
  return [`base64 --decode <<'${END_OF_FILE}' | gzip --decompress >${path}`, packed, END_OF_FILE];
}

function fit(name: string, value: string, pattern: RegExp): string {
  // Not the value: it may be the token.
  if (!pattern.test(value)) throw new Error(`${name} does not fit ${pattern.source}`);
  return value;
}

function whole(name: string, value: number): string {
  if (!Number.isSafeInteger(value) || value <= 0) throw new Error(`${name} is no whole number above 0`);
  return String(value);
}

function pem(text: string): string {
  if (!/^(-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+\n-----END CERTIFICATE-----\n*)+$/.test(text))
    throw new Error("caPem is no list of certificates in PEM");
  return text;
}
