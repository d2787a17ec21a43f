import type { SystemCommand } from "../servers/system-packages.ts";

/** The system's commands that a lab runs, its private MariaDB and Redis among them. */
export const LAB_COMMANDS: readonly SystemCommand[] = [
  "bash",
  "docker",
  "dockerd",
  "iptables",
  "nft",
  "ip",
  "systemctl",
  "dbus-daemon",
  "openssl",
  "curl",
  "redis-server",
  "mariadbd",
  "mariadb-install-db",
  "my_print_defaults",
];

/** What its gateways run besides. */
export const EDGE_COMMANDS: readonly SystemCommand[] = ["haproxy"];
