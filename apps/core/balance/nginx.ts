import { PLAIN_HTTP_PORT, type Balanced } from "./service.ts";

/** What HTTP services look like on this gateway. */
export type NginxOptions = {
  /** Addresses to listen on, as nginx writes them: `*`, `192.0.2.5`, `[::]`. */
  readonly listenOn: readonly string[];
  /** File with certificate, those of its issuers, and key; null when there is none. */
  readonly certificate: string | null;
  /** Whether port 80 sends whoever asks for a domain that is served in TLS there. */
  readonly redirectsPlainHttp: boolean;
  /** Folder that is nginx's own: its pid, its log and what it keeps for a moment are there. */
  readonly folder: string;
};

const POLICIES: Partial<Readonly<Record<Balanced["policy"], string>>> = {
  "least-connections": "least_conn;",
  "consistent-hash": "hash $remote_addr consistent;",
};

/** Why a service cannot be carried by nginx; undefined when it can. */
export function nginxCannotCarry(
  { protocol, port, policy }: Balanced,
  { certificate }: Pick<NginxOptions, "certificate">,
): string | undefined {
  if (protocol !== "http") return "nginx carries HTTP alone: use the renderer haproxy.";
  if (policy === "location") return "nginx knows no zones: use the renderer haproxy.";
  return port !== PLAIN_HTTP_PORT && certificate === null ? "It needs a certificate, and none is set." : undefined;
}

/**
 * Writes a whole configuration for an nginx of its own. As with HAProxy, what means something in it is refused once
 * more.
 * @param services in order, see `inOrder`; those that {@link nginxCannotCarry} are left out
 */
export function renderNginx(services: readonly Balanced[], options: NginxOptions): string {
  const carried = services.filter((service) => nginxCannotCarry(service, options) === undefined);
  const folder = word(options.folder);
  return [
    `pid ${folder}/nginx.pid;`,
    `error_log ${folder}/error.log warn;`,
    "worker_processes auto;",
    "worker_rlimit_nofile 8192;",
    "worker_shutdown_timeout 1h;",
    "events {",
    "  worker_connections 4096;",
    "}",
    "http {",
    "  access_log off;",
    "  server_tokens off;",
    // Domains may be long.
    "  server_names_hash_bucket_size 512;",
    "  server_names_hash_max_size 8192;",
    ...["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `  ${kind}_temp_path ${folder}/${kind};`),
    "  proxy_http_version 1.1;",
    "  proxy_connect_timeout 2s;",
    "  proxy_set_header Host $host;",
    // What a client says of itself is not believed.
    "  proxy_set_header X-Forwarded-For $remote_addr;",
    "  proxy_set_header X-Forwarded-Proto $scheme;",
    "  proxy_set_header Upgrade $http_upgrade;",
    "  proxy_set_header Connection $passed_connection;",
    "  map $http_upgrade $passed_connection {",
    '    default "upgrade";',
    '    "" "";',
    "  }",
    ...carried.flatMap((service, index) => upstream(service, index)),
    ...fallbacks(carried, options),
    ...carried.flatMap((service, index) => server(service, index, options)),
    "}",
    "",
  ].join("\n");
}

function upstream({ members, policy }: Balanced, index: number): readonly string[] {
  const open = members.filter(({ isDraining }) => !isDraining);
  if (open.length === 0) return [];
  return [
    `  upstream members_${index} {`,
    ...(POLICIES[policy] === undefined ? [] : [`    ${POLICIES[policy]}`]),
    "    keepalive 16;",
    ...open.map(
      ({ address, weight }) => `    server ${word(address.text)} weight=${weight} max_fails=1 fail_timeout=5s;`,
    ),
    "  }",
  ];
}

/** Whoever asks for a domain that nobody serves gets a 503, and in plain HTTP is sent to TLS where that is served. */
function fallbacks(services: readonly Balanced[], options: NginxOptions): readonly string[] {
  const ports = new Set(services.map(({ port }) => port));
  const plain = new Set(services.filter(({ port }) => port === PLAIN_HTTP_PORT).flatMap(({ names }) => names));
  const redirected = options.redirectsPlainHttp ? services.filter(({ port }) => port !== PLAIN_HTTP_PORT) : [];
  const nameless = new Set(services.filter(({ names }) => names.length === 0).map(({ port }) => port));
  if (redirected.length > 0) ports.add(PLAIN_HTTP_PORT);
  return [
    ...[...ports]
      .filter((port) => !nameless.has(port))
      .sort((a, b) => a - b)
      .flatMap((port) => block([...listen(port, "default_server", options), "server_name _;", "return 503;"])),
    ...redirected.flatMap(({ port, names }) => {
      const moved = names.filter((name) => !plain.has(name));
      if (moved.length === 0) return [];
      return block([
        ...listen(PLAIN_HTTP_PORT, "", options),
        `server_name ${moved.map(word).join(" ")};`,
        `return 301 https://$host${port === 443 ? "" : `:${port}`}$request_uri;`,
      ]);
    }),
  ];
}

function server({ port, names, members }: Balanced, index: number, options: NginxOptions): readonly string[] {
  const isOpen = members.some(({ isDraining }) => !isDraining);
  const isNameless = names.length === 0;
  return block([
    ...listen(port, isNameless ? "default_server" : "", options),
    `server_name ${isNameless ? "_" : names.map(word).join(" ")};`,
    isOpen ? `location / { proxy_pass http://members_${index}; }` : "return 503;",
  ]);
}

function listen(port: number, isDefault: "default_server" | "", { listenOn, certificate }: NginxOptions): string[] {
  const isTls = port !== PLAIN_HTTP_PORT;
  const file = word(certificate ?? "/");
  return [
    ...listenOn.map((address) =>
      [
        `listen ${word(address)}:${port}`,
        isTls ? "ssl" : "",
        isDefault,
        // All addresses of both kinds are one socket, whose options are named once.
        isDefault && address === "[::]" ? "ipv6only=off" : "",
      ]
        .filter(Boolean)
        .join(" ")
        .concat(";"),
    ),
    ...(isTls ? [`ssl_certificate ${file};`, `ssl_certificate_key ${file};`, "ssl_protocols TLSv1.2 TLSv1.3;"] : []),
  ];
}

function block(lines: readonly string[]): readonly string[] {
  return ["  server {", ...lines.map((line) => `    ${line}`), "  }"];
}

/** A text that means nothing but itself. @throws for one that does: it must have been refused before */
function word(text: string): string {
  if (!/^[\w.:/@*[\]-]+$/.test(text)) throw new Error(`${JSON.stringify(text)} cannot stand in a configuration`);
  return text;
}
