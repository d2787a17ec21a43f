import { setting } from "./declaration.ts";
import { duration, tableSize, whole } from "./kinds.ts";

/** Ports of hosts that are balanced over containers, and containers that are run for operators. */
export const ports = {
  tableSize: setting(
    "PORT_TABLE_SIZE",
    tableSize,
    4099,
    "Buckets of the table by which a host's kernel chooses a member for each connection: a prime, 13 to 65537, and a " +
      "hundred times as many as members or so. A larger one moves fewer connections where hosts share a child: 16381 " +
      "keeps that below a hundredth. It takes a host more time to load: half a second of its processor.",
  ),
  stepMs: setting(
    "PORT_STEP_MS",
    whole(100, 60_000, "ms"),
    1000,
    "Time between two checks of what hosts' ports should be. Containers that come and go are told by their engines, and " +
      "wait for no check.",
  ),
  lookMs: setting(
    "PORT_LOOK_SECONDS",
    duration(1, 3600),
    10,
    "Time after which the containers of a host with ports are listed again, whatever its engine has told.",
  ),
  reportMs: setting(
    "PORT_REPORT_SECONDS",
    duration(1, 3600),
    15,
    "Time that a host may take to report its ports as loaded before operators are told.",
  ),
  pullMs: setting(
    "WORKLOAD_PULL_SECONDS",
    duration(1, 3600),
    300,
    "Time that a host's engine may take to get the image of a workload from its registry.",
  ),
};
