import type { MemberAddress } from "./address.ts";
import {
  PLAIN_HTTP_PORT,
  type Balanced,
  type Member,
  type Policy,
  type Probe,
  type Protocol,
  type Zone,
} from "./service.ts";

/** What services look like on this gateway. */
export type HaproxyOptions = {
  /** Addresses to listen on, as HAProxy writes them: `*`, `192.0.2.5`, `[::]`. */
  readonly listenOn: readonly string[];
  /** File or folder with certificates and keys; null when there are none, and nothing that needs them can be carried. */
  readonly certificates: string | null;
  /** Changes with what is in there, so that it is read anew. */
  readonly mark?: string;
  readonly zones: readonly Zone[];
  /** Whether port 80 sends whoever asks for a domain that is served in TLS there. */
  readonly redirectsPlainHttp: boolean;
};

/** Services as HAProxy reads them: everything but its `global` section. */
export type HaproxyText = {
  readonly text: string;
  /** The same without members: HAProxy must read its files anew only when this changes. */
  readonly structure: string;
};

/** Words that HAProxy takes on one line are few. */
const WORDS_A_LINE = 20;
const CHECKS = "check inter 1s fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down";

/** A member within a backend; a spare one gets connections only while none of the others is up. */
export type BackendMember = Member & { readonly isSpare: boolean };

/** A backend of the configuration with the members that belong in it. */
export type Backend = { readonly name: string; readonly members: readonly BackendMember[] };

/**
 * Writes services for HAProxy. Everything in them has been checked before it came here; what could mean something to
 * HAProxy is refused once more, so that no text of a stranger can become a line of a configuration.
 * @param services in order, see `inOrder`; those that {@link cannotCarry} are left out
 */
export function renderHaproxy(services: readonly Balanced[], options: HaproxyOptions): HaproxyText {
  const carried = services.filter((service) => cannotCarry(service, options) === undefined);
  const memberless = carried.map((service) => ({ ...service, members: [] }));
  return { text: textOf(carried, options), structure: textOf(memberless, options) };
}

/** Why a service cannot be carried here; undefined when it can. */
export function cannotCarry(
  service: Balanced,
  { certificates }: Pick<HaproxyOptions, "certificates">,
): string | undefined {
  return needsTls(service) && certificates === null ? "It needs a certificate, and none is set." : undefined;
}

/**
 * The backends of a service: one of all members, and with the policy `location` one of each zone, in which the members
 * of other zones are spare ones.
 */
export function backendsOf({ name, policy, members }: Balanced, zones: readonly Zone[]): readonly Backend[] {
  const all = { name: `all:${name}`, members: members.map((member) => ({ ...member, isSpare: false })) };
  if (policy !== "location") return [all];
  return [
    all,
    ...zones.map((zone) => ({
      name: zoneBackend(name, zone.name),
      members: members.map((member) => ({ ...member, isSpare: member.zone !== zone.name })),
    })),
  ];
}

/** A member's name within its backend: HAProxy allows no brackets there. */
export function serverName({ text }: MemberAddress): string {
  return text.replaceAll(/[[\]]/g, "");
}

/** What is told to HAProxy of a member that is added to a backend while it runs: it takes nothing from the defaults. */
export function serverWords({ address, weight, isDraining, isSpare }: BackendMember): string {
  return `${word(address.text)} ${CHECKS}${isSpare ? " backup" : ""} weight ${isDraining ? 0 : weight}`;
}

function needsTls({ protocol, port }: Pick<Balanced, "protocol" | "port">): boolean {
  return protocol === "tls" || (protocol === "http" && port !== PLAIN_HTTP_PORT);
}

function textOf(services: readonly Balanced[], options: HaproxyOptions): string {
  const { zones, mark } = options;
  return [
    ...(mark === undefined ? [] : [`# certificate ${word(mark || "none")}`]),
    ...section("defaults services", [
      "mode tcp",
      "timeout connect 2s",
      "timeout check 2s",
      // Connections may be silent for long. One side may have said all, and wait for the rest of the answer.
      "timeout client 1h",
      "timeout server 1h",
      "timeout tunnel 1h",
      "timeout http-request 10s",
      "timeout http-keep-alive 1m",
      "option clitcpka",
      "option srvtcpka",
      // What goes through connections is counted while they last.
      "option contstats",
      // A member that refuses is left at once, for another one.
      "retries 3",
      "option redispatch 1",
      // A reload brings no member back: a probe does.
      "load-server-state-from-file global",
    ]),
    ...[...Map.groupBy(services, ({ port }) => port)]
      .sort(([a], [b]) => a - b)
      .flatMap(([port, atPort]) => frontend(port, atPort, services, options)),
    ...plainRedirects(services, options),
    ...services.flatMap((service) => backendsOf(service, zones).flatMap((each) => backend(service, each))),
    ...section("backend nobody from services", ["mode http"]),
  ].join("\n");
}

/** The lines that listen on a port. */
function frontend(
  port: number,
  services: readonly Balanced[],
  all: readonly Balanced[],
  options: HaproxyOptions,
): readonly string[] {
  const protocol = services[0]?.protocol ?? "tcp";
  const variable = protocol === "http" ? "txn.name" : "sess.name";
  const isTls = needsTls({ protocol, port });
  const nameless = services.find(({ names }) => names.length === 0);
  return section(`frontend port:${port} from services`, [
    ...options.listenOn.map((address) => `${bind(address, port)}${isTls ? tlsWords(protocol, options) : ""}`),
    ...(protocol === "http" ? httpLines(isTls ? "https" : "http") : []),
    ...(protocol === "tls" ? ["tcp-request content set-var(sess.name) ssl_fc_sni,lower"] : []),
    ...(services.some(({ policy }) => policy === "location") ? zoneLines(options.zones) : []),
    ...(port === PLAIN_HTTP_PORT && options.redirectsPlainHttp ? redirects(all) : []),
    ...services.flatMap((service) =>
      inParts(service.names).flatMap((part) =>
        routeLines(service, `{ var(${variable}) -m str ${part.join(" ")} }`, options.zones),
      ),
    ),
    ...(nameless ? [...zoneRoutes(nameless, "", options.zones), `default_backend all:${word(nameless.name)}`] : []),
    ...(protocol === "http" && !nameless ? ["default_backend nobody"] : []),
  ]);
}

/** All addresses of both kinds are one socket. */
function bind(address: string, port: number): string {
  return `bind ${word(address)}:${port}${address === "[::]" ? " v4v6" : ""}`;
}

function tlsWords(protocol: Protocol, { certificates }: HaproxyOptions): string {
  const offered = protocol === "http" ? " alpn h2,http/1.1" : "";
  return ` ssl crt ${word(certificates ?? "")} ssl-min-ver TLSv1.2${offered}`;
}

function httpLines(scheme: "http" | "https"): readonly string[] {
  return [
    "mode http",
    "http-request set-var(txn.name) req.hdr(host),field(1,:),lower",
    // What a client says of itself is not believed.
    "http-request set-header X-Forwarded-For %[src]",
    `http-request set-header X-Forwarded-Proto ${scheme}`,
  ];
}

/** Sends what a condition holds for to a service: to the zone of who connects, if it is known. */
function routeLines(service: Balanced, condition: string, zones: readonly Zone[]): readonly string[] {
  return [...zoneRoutes(service, condition, zones), `use_backend all:${word(service.name)} if ${condition}`];
}

function zoneRoutes(service: Balanced, condition: string, zones: readonly Zone[]): readonly string[] {
  if (service.policy !== "location") return [];
  return zones.map(({ name }) =>
    ["use_backend", zoneBackend(service.name, name), "if", condition, `{ var(sess.zone) -m str ${word(name)} }`]
      .filter(Boolean)
      .join(" "),
  );
}

/** Finds the zone of who connects: of several networks that hold an address, the narrowest decides. */
function zoneLines(zones: readonly Zone[]): readonly string[] {
  return zones
    .flatMap(({ name, networks }) =>
      networks.map((network) => ({ name, network, bits: Number(network.split("/")[1]) })),
    )
    .sort((a, b) => a.bits - b.bits || (a.network < b.network ? -1 : 1))
    .map(
      ({ name, network }) => `tcp-request content set-var(sess.zone) str(${word(name)}) if { src ${word(network)} }`,
    );
}

/** Port 80 for domains that are served in TLS, where nothing else listens there. */
function plainRedirects(services: readonly Balanced[], options: HaproxyOptions): readonly string[] {
  const isTaken = services.some(({ port }) => port === PLAIN_HTTP_PORT);
  const lines = redirects(services);
  if (!options.redirectsPlainHttp || isTaken || lines.length === 0) return [];
  return section(`frontend port:${PLAIN_HTTP_PORT} from services`, [
    ...options.listenOn.map((address) => bind(address, PLAIN_HTTP_PORT)),
    "mode http",
    "http-request set-var(txn.name) req.hdr(host),field(1,:),lower",
    ...lines,
    "default_backend nobody",
  ]);
}

/** Sends those who ask for a domain in plain HTTP to where it is served in TLS. */
function redirects(services: readonly Balanced[]): readonly string[] {
  const plain = new Set(services.filter(({ port }) => port === PLAIN_HTTP_PORT).flatMap(({ names }) => names));
  return services
    .filter(({ protocol, port }) => protocol === "http" && port !== PLAIN_HTTP_PORT)
    .flatMap(({ port, names }) =>
      inParts(names.filter((name) => !plain.has(name))).map((part) => {
        const to = port === 443 ? "" : `:${port}`;
        return (
          `http-request redirect code 301 location https://%[var(txn.name)]${to}%[pathq] ` +
          `if { var(txn.name) -m str ${part.join(" ")} }`
        );
      }),
    );
}

function backend({ protocol, policy, probe }: Balanced, { name, members }: Backend): readonly string[] {
  return section(`backend ${name} from services`, [
    ...(protocol === "http" ? ["mode http"] : []),
    ...balances[policy],
    ...(policy === "location" ? ["option allbackups"] : []),
    ...probeLines(probe),
    ...members.map((member) => `server ${serverName(member.address)} ${serverWords(member)}`),
  ]);
}

const balances: Readonly<Record<Policy, readonly string[]>> = {
  "round-robin": ["balance roundrobin"],
  "least-connections": ["balance leastconn"],
  "consistent-hash": ["balance source", "hash-type consistent"],
  location: ["balance roundrobin"],
};

function probeLines(probe: Probe): readonly string[] {
  switch (probe.kind) {
    case "tcp":
      return [];
    case "http":
      return ["option httpchk", `http-check send meth GET uri ${word(probe.path)}`, "http-check expect status 200-399"];
    case "redis":
      // One that wants a password lives, too.
      return ["option tcp-check", "tcp-check send PING\\r\\n", "tcp-check expect rstring ^([+]PONG|-NOAUTH)"];
  }
}

function zoneBackend(service: string, zone: string): string {
  return `zone:${word(zone)}:${word(service)}`;
}

function section(head: string, lines: readonly string[]): readonly string[] {
  return [head, ...lines.map((line) => `  ${line}`), ""];
}

function inParts(names: readonly string[]): readonly (readonly string[])[] {
  return Array.from({ length: Math.ceil(names.length / WORDS_A_LINE) }, (_, part) =>
    names.slice(part * WORDS_A_LINE, (part + 1) * WORDS_A_LINE).map(word),
  );
}

/** A text that means nothing but itself. @throws for one that does: it must have been refused before */
function word(text: string): string {
  if (!/^[\w.:/@*[\]?=&%~+-]+$/.test(text)) throw new Error(`${JSON.stringify(text)} cannot stand in a configuration`);
  return text;
}
