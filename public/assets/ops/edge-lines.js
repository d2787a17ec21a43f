/**
 * @import {
 *   AnnouncedOverview, EdgeOverview, GatewayOverview, MemberOverview, PortOverview, ServiceOverview, WorkloadOverview,
 * } from "../../api-types.ts"
 */
import { counted } from "./words.js";

/**
 * A part of a line: a member of a service, or something that is wrong, which has no state of its own.
 * @typedef {{ readonly name: string, readonly state: string | null, readonly facts: string, readonly why: string }} Part
 */

/**
 * A line of a list: what it is about, its host where it has one, its state, facts, what is wrong, and its parts.
 * @typedef {object} Line
 * @property {string} name
 * @property {string} [host]
 * @property {string} state
 * @property {readonly string[]} facts
 * @property {string} why
 * @property {readonly Part[]} [parts]
 * @property {number} [morePartsCount]  Parts that are not listed.
 */

/**
 * Whether there is anything at the edge, or should be.
 * @param {EdgeOverview} edge
 */
export function isWorthShowing({ hasEdge, services, ports, workloads }) {
  return hasEdge || services.length > 0 || ports.length > 0 || workloads.length > 0;
}

/**
 * The edge in a few words.
 * @param {EdgeOverview} edge
 */
export function summaryOf({ gateways, services }) {
  const live = (gateways ?? []).filter(({ state }) => state === "live" || state === "draining");
  const connections = live.reduce((sum, gateway) => sum + (gateway.connections ?? 0), 0);
  return [
    gateways === null ? "gateways unknown" : counted(live.length, "gateway"),
    ...(live.length > 0 ? [counted(connections, "connection")] : []),
    ...(services.length > 0 ? [counted(services.length, "service")] : []),
  ].join(", ");
}

/**
 * @param {GatewayOverview} gateway
 * @returns {Line}
 */
export function gatewayLine({ name, state, addresses, routes, unroutable, connections, mostConnections, version }) {
  const facts = [
    ...addresses,
    ...(routes === null ? [] : [counted(routes, "route")]),
    ...(connections === null
      ? []
      : [`${connections.toLocaleString("en")} of ${counted(mostConnections ?? 0, "connection")}`]),
    ...(version === null ? [] : [`version ${version}`]),
  ];
  const why =
    state === "unreadable"
      ? "What it tells of itself cannot be read. It may run another version."
      : unroutable
        ? `It cannot lead to ${counted(unroutable, "instance")}: the host is known by a name and no IP address.`
        : "";
  return { name, state, facts, why };
}

/**
 * @param {ServiceOverview} service
 * @returns {Line}
 */
export function serviceLine({ name, kind, port, protocol, names, policy, poolKey, state, ...told }) {
  const { gateways, connections, members, up, memberList } = told;
  const isCarried = state !== "unknown" && state !== "not-carried";
  const facts = [
    ...(kind === "announced" ? ["application, announced"] : []),
    `${protocol} ${port}`,
    ...names,
    ...(policy === null ? [] : [policy]),
    ...(poolKey === null ? [] : [`pool ${poolKey}`]),
    ...(isCarried && state !== "untold"
      ? [`${up} of ${counted(members, "member")} up`, counted(connections, "connection")]
      : [counted(members, "member")]),
    ...(isCarried ? [`on ${counted(gateways, "gateway")}`] : []),
  ];
  const parts = memberList.map((member) => memberPart(member, gateways));
  return { name, state, facts, why: "", parts, morePartsCount: isCarried ? Math.max(members - parts.length, 0) : 0 };
}

/**
 * @param {MemberOverview} member
 * @param {number} all  Gateways that carry its service.
 * @returns {Part}
 */
function memberPart({ address, state, fault, sessions, gateways }, all) {
  const where = gateways.length < all ? `on ${gateways.join(", ")}` : "";
  return {
    name: address,
    state,
    facts: state === "unknown" ? "" : counted(sessions, "connection"),
    why: [fault ?? "", where].filter(Boolean).join(", "),
  };
}

/**
 * What hosts announce, as one line; none while nobody announces anything.
 * @param {AnnouncedOverview | null} announced
 * @returns {Line[]}
 */
export function announcedLines(announced) {
  if (announced === null || announced.hosts === 0) return [];
  const { hosts, applications, refusedCount, refused, conflictCount, conflicts } = announced;
  const faults = [...conflicts, ...refused];
  return [
    {
      name: `${counted(hosts, "host")} announce${hosts === 1 ? "s" : ""} ${counted(applications, "application")}`,
      state: faults.length === 0 ? "followed" : "partly",
      facts: [
        ...(conflictCount > 0 ? [counted(conflictCount, "conflict")] : []),
        ...(refusedCount > 0 ? [`${refusedCount} refused`] : []),
      ],
      why: "",
      parts: faults.map((text) => ({ name: "", state: null, facts: "", why: text })),
      morePartsCount: conflictCount + refusedCount - faults.length,
    },
  ];
}

/**
 * @param {PortOverview} port
 * @returns {Line}
 */
export function portLine({ host, port, image, imagePort, children, state, fault }) {
  const facts = [
    ...(image === null ? [] : [`${image} port ${imagePort}`]),
    ...(children === 0 ? [] : [`and ${counted(children, "port")} of other hosts`]),
  ];
  return { name: `port ${port}`, host, state, facts, why: fault ?? "" };
}

/**
 * @param {WorkloadOverview} workload
 * @returns {Line}
 */
export function workloadLine({ host, name, image, copies, state, fault }) {
  return { name, host, state, facts: [counted(copies, "container"), image], why: fault ?? "" };
}
