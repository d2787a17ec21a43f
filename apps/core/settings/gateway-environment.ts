import { hashSecret } from "../../lib/secrets.ts";
import type { SettingName } from "./settings.ts";

/** Settings of the control plane that its gateways on droplets have as well. */
const shared: readonly SettingName[] = [
  "EDGE_DOMAIN",
  "EDGE_PORT",
  "EDGE_PLAIN_PORT",
  "EDGE_CONNECTIONS",
  "EDGE_CONNECTIONS_PER_ADDRESS",
  "EDGE_CONNECTIONS_PER_INSTANCE",
  "EDGE_CONNECTS_PER_MINUTE",
  "EDGE_IDLE_SECONDS",
  "GATEWAY_BEAT_SECONDS",
  "GATEWAY_TTL_SECONDS",
  "GATEWAY_CHECK_MS",
  "GATEWAY_HUNG_SECONDS",
  "INSTANCE_LOGIN_SECONDS",
  "INSTANCE_CONNECTIONS_PER_ADDRESS",
  "INSTANCE_MAX_CLIENTS",
  "INSTANCE_LOGINS_PENDING",
  "FLEET_REREAD_SECONDS",
  "SERVICE_ZONES",
  "SERVICE_MAX_MEMBERS",
  "SERVICE_DRAIN_SECONDS",
  "SERVICE_CONNECTIONS",
  "APP_RENDERER",
  "APP_PORTS",
  "APP_NETWORKS",
  "APP_HOLD_SECONDS",
  "HTTP_REDIRECT",
  "LOG_LEVEL",
  "SHUTDOWN_SECONDS",
];

/**
 * What a gateway on a droplet is told: settings of the control plane as they were set, and its own. As a file that
 * systemd reads.
 */
export function gatewayEnvironment(env: NodeJS.ProcessEnv, own: Partial<Record<SettingName, string>> = {}): string {
  const told = shared.map((name) => [name, env[name]] as const);
  return [...told, ...Object.entries(own)]
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([name, value = ""]) => `${name}="${escaped(name, value)}"\n`)
    .join("");
}

/** A mark of everything that a gateway is ordered with: of another mark, it is replaced. */
export function gatewayPlanMark(parts: readonly string[]): string {
  return hashSecret(JSON.stringify(parts)).toString("hex").slice(0, 16);
}

function escaped(name: string, value: string): string {
  if (/\p{Cc}/u.test(value)) throw new Error(`${name} has a character that cannot be told to a gateway`);
  return value.replace(/["\\`$]/g, "\\$&");
}
