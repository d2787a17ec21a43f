import type { PortMapFacts, PortMaps } from "../core/ports/contract.ts";
import type { PortMapReport } from "../core/ports/port-map-report.ts";
import type { PortMapDocument } from "../core/ports/port-map.ts";
import { inTurns, type Staging } from "./turns.ts";

/** The way to hosts' programs, in memory. */
export function createTwinPortMaps(staging: Staging = {}) {
  const documents = new Map<string, PortMapDocument>();
  const reports = new Map<string, PortMapReport>();
  const portMaps = inTurns<PortMaps>(
    "portMaps.",
    {
      put: (host, document) => void documents.set(host, document),
      readText: (host) => documents.get(host)?.text,
      read: (hosts) =>
        new Map(
          hosts.map((host): [string, PortMapFacts] => [
            host,
            { wanted: documents.get(host)?.revision, report: reports.get(host) },
          ]),
        ),
    },
    staging,
  );
  return {
    ...portMaps,
    documents,
    /** What a host's program says. */
    report: (host: string, report: PortMapReport) => void reports.set(host, report),
  };
}
