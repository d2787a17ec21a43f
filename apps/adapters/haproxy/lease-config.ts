import { isIPv6 } from "node:net";
import { ID_LENGTH } from "../../core/services/address.ts";
import { DECIDED, LOGINS, MOST_BYTES } from "../../core/edge/first-command.ts";
import type { HaproxyFiles } from "./files.ts";

/** How the leases of an edge are carried. */
export type LeaseListening = {
  readonly domain: string;
  /** IP address that clients connect to; `::` stands for all of both kinds. */
  readonly host: string;
  readonly port: number;
  /** Without TLS. */
  readonly plainPort: number | undefined;
};

/** Bounds of what clients may do. */
export type LeaseBounds = {
  /** For a handshake and a log-in, each. */
  readonly loginMs: number;
  readonly idleMs: number;
  readonly connectionsPerAddress: number;
  readonly connectsPerMinute: number;
  /** Of one address to one instance. */
  readonly connectionsPerLease: number;
  /** Of all addresses together to one instance. */
  readonly connectionsOfAll: number;
};

/** The frontend of clients with TLS, and that of those without. */
export const LEASE_FRONTENDS = ["leases-tls", "leases-plain"] as const;
/** The table of connections, by instance and address. */
export const LEASE_TABLE = "lease-callers";
/** The table of connections by instance alone. */
export const LEASE_TOTALS = "lease-totals";
/** The backend of instances. */
export const LEASE_BACKEND = "leases";

const CONNECT_MS = 3_000;
const FIN_MS = 60_000;
/** Most addresses, and pairs of instance and address, that are counted at once. */
const TABLE_SIZE = "200k";

/**
 * The part of HAProxy's configuration that carries leases: by the name that a client tells in its TLS handshake, else by
 * the id in its first command. Whoever says something else first is sent to the concierge, and so is who names an
 * instance that is not there. Nothing goes to an instance before a whole log-in, and a connection whose log-in is
 * refused, or not answered in time, is over: so nobody can hold its connections who does not know the password.
 */
export function leaseConfig(listening: LeaseListening, bounds: LeaseBounds, files: HaproxyFiles): string {
  const { domain, plainPort } = listening;
  return `
# Connections by client, and by instance and client.
backend client-addresses
    stick-table type ipv6 size ${TABLE_SIZE} expire 2m store conn_cur,conn_rate(60s)
backend ${LEASE_TABLE}
    stick-table type string len 64 size ${TABLE_SIZE} expire 1m store conn_cur
backend ${LEASE_TOTALS}
    stick-table type string len ${ID_LENGTH} size ${TABLE_SIZE} expire 1m store conn_cur

frontend ${LEASE_FRONTENDS[0]}
    ${bind(listening.host, listening.port)} ssl crt ${files.certificate} ssl-min-ver TLSv1.2
${guard(bounds)}
${routing(bounds, files, { named: "ssl_fc_sni", domain })}
    default_backend concierge
${
  plainPort === undefined
    ? ""
    : `
frontend ${LEASE_FRONTENDS[1]}
    ${bind(listening.host, plainPort)}
${guard(bounds)}
${routing(bounds, files, { named: undefined, domain })}
    default_backend concierge
`
}
# Clients that the concierge sends on: who has no route here is its own matter.
frontend leases-inner
    bind unix@${files.innerSocket} accept-proxy mode 600
${routing(bounds, files, { named: "fc_pp_authority", domain })}
    tcp-request content reject unless has_route

backend ${LEASE_BACKEND}
    timeout tunnel ${bounds.idleMs}ms
    tcp-response inspect-delay ${bounds.loginMs}ms
    tcp-response content close if { res.payload(0,1) -m str -- - }
    tcp-response content accept if { res.len gt 0 }
    tcp-response content close
    server any 0.0.0.0:0

backend concierge
    timeout tunnel ${bounds.idleMs}ms
    server concierge unix@${files.conciergeSocket} send-proxy-v2 proxy-v2-options authority

# Says that there are too many connections, and closes.
backend full
    server full unix@${files.fullSocket}
`;
}

/** Times and habits of all connections. Until a connection is through, `timeout client` bounds each step of it. */
export function leaseDefaults({ loginMs }: Pick<LeaseBounds, "loginMs">): string {
  return `
    mode tcp
    timeout connect ${CONNECT_MS}ms
    timeout client ${loginMs}ms
    timeout server ${loginMs}ms
    timeout client-fin ${FIN_MS}ms
    timeout server-fin ${FIN_MS}ms
    # A try again could reach the next instance on the same port.
    retries 0
    option clitcpka
    option srvtcpka
    clitcpka-idle 60s
    clitcpka-intvl 15s
    clitcpka-cnt 4
    srvtcpka-idle 60s
    srvtcpka-intvl 15s
    srvtcpka-cnt 4
    option contstats
`;
}

function bind(host: string, port: number): string {
  if (host === "::") return `bind :::${port} v4v6`;
  return isIPv6(host) ? `bind ipv6@[${host}]:${port}` : `bind ipv4@${host}:${port}`;
}

/** A handshake costs much: who begins too many gets none. */
function guard({ connectionsPerAddress, connectsPerMinute }: LeaseBounds): string {
  return `
    tcp-request connection track-sc1 src,ipmask(32,64) table client-addresses
    tcp-request connection reject if { sc1_conn_cur gt ${connectionsPerAddress} }
    tcp-request connection reject if { sc1_conn_rate gt ${connectsPerMinute} }`;
}

/**
 * Finds out which instance a client means. The first command is looked at by one condition alone, and kept: each
 * further one on what is still coming would wait for as long as it may.
 */
function routing(
  { loginMs, connectionsPerLease, connectionsOfAll }: LeaseBounds,
  { routes }: HaproxyFiles,
  { named, domain }: { readonly named: string | undefined; readonly domain: string },
): string {
  const suffix = `.${domain}`;
  const word = (number: number) => `var(sess.first),word(${number},"\\r\\n")`;
  const forms = LOGINS.map(({ pattern, passwordWord }, index) => ({ form: index + 1, pattern, passwordWord }));
  const byForm = forms.map(
    ({ form, pattern }) =>
      `    tcp-request content set-var(sess.form) int(${form}) if { var(sess.first) -m reg -i '${pattern}' }`,
  );
  const lengths = LOGINS.flatMap(({ sized }, index) =>
    sized.flatMap(({ lengthWord, word: sizedWord }) => [
      `    tcp-request content set-var(sess.told) '${word(lengthWord)},bytes(1)' if { var(sess.form) -m int ${index + 1} }`,
      `    tcp-request content unset-var(sess.form) if { var(sess.form) -m int ${index + 1} }` +
        ` !{ '${word(sizedWord)},length,sub(sess.told)' -m int 0 }`,
    ]),
  );
  const byPassword = forms.map(
    ({ form, passwordWord }) =>
      `    tcp-request content set-var(sess.id) '${word(passwordWord)},bytes(0,${ID_LENGTH})'` +
      ` if !is_named { var(sess.form) -m int ${form} }`,
  );
  return `
    tcp-request inspect-delay ${loginMs}ms
    tcp-request content set-var(sess.first) req.payload(0,0),bytes(0,${MOST_BYTES}) if { req.payload(0,0) -m reg -i '${DECIDED}' }
    tcp-request content reject unless { var(sess.first) -m found }
${byForm.join("\n")}
    # One whose words are not as long as it says has not come whole for a Redis.
${lengths.join("\n")}
    acl is_login var(sess.form) -m found
    ${named === undefined ? "acl is_named always_false" : `acl is_named ${named} -m end -i ${suffix}`}
${named === undefined ? "" : `    tcp-request content set-var(sess.id) ${named},lower,field(1,.) if is_login is_named\n`}${byPassword.join("\n")}
    tcp-request content unset-var(sess.first)
    tcp-request content set-var(sess.from) src,ipmask(32,64)
    tcp-request content set-var(sess.caller) var(sess.id),concat(/,sess.from) if is_login
    # Counted before its route is looked up: who ends the connections to an instance finds all that it was looked up for.
    tcp-request content track-sc0 var(sess.caller) table ${LEASE_TABLE} if is_login
    tcp-request content set-var(sess.target) var(sess.id),map(${routes}) if is_login
    acl has_route var(sess.target) -m found
    # Those that are refused are no part of the sum: they would hold the places of others.
    tcp-request content set-var(sess.full) bool(true) if has_route { sc0_conn_cur gt ${connectionsPerLease} }
    tcp-request content set-var(sess.full) bool(true) if has_route { var(sess.id),table_conn_cur(${LEASE_TOTALS}) ge ${connectionsOfAll} }
    acl is_full var(sess.full) -m found
    tcp-request content track-sc2 var(sess.id) table ${LEASE_TOTALS} if has_route !is_full
    tcp-request content reject if { sc2_conn_cur gt ${connectionsOfAll} }
    tcp-request content set-dst var(sess.target),field(1,' ') if has_route
    tcp-request content set-dst-port var(sess.target),field(2,' ') if has_route
    # Held for as long as the connection lasts otherwise.
    tcp-request content unset-var(sess.id)
    tcp-request content unset-var(sess.from)
    tcp-request content unset-var(sess.caller)
    use_backend full if is_full
    use_backend ${LEASE_BACKEND} if has_route`;
}
