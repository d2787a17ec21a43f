/**
 * @import { EdgeOverview, GatewayOverview, PortOverview, ServiceOverview, WorkloadOverview } from "../../api-types.ts"
 */
import { counted } from "./words.js";

/**
 * A line of a list: what it is about, its host where it has one, its state, facts, and what is wrong.
 * @typedef {object} Line
 * @property {string} name
 * @property {string} [host]
 * @property {string} state
 * @property {readonly string[]} facts
 * @property {string} why
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
export function gatewayLine({ name, state, addresses, routes, connections, mostConnections, version }) {
  const facts = [
    ...addresses,
    ...(routes === null ? [] : [counted(routes, "route")]),
    ...(connections === null
      ? []
      : [`${connections.toLocaleString("en")} of ${counted(mostConnections ?? 0, "connection")}`]),
    ...(version === null ? [] : [version]),
  ];
  const why = state === "unreadable" ? "What it tells of itself cannot be read. It may run another version." : "";
  return { name, state, facts, why };
}

/**
 * @param {ServiceOverview} service
 * @returns {Line}
 */
export function serviceLine({ name, kind, port, protocol, names, policy, poolKey, state, ...told }) {
  const { gateways, members, up, retired } = told;
  const facts = [
    ...(kind === "announced" ? ["application, announced"] : []),
    `${protocol} ${port}`,
    ...names,
    ...(policy === null ? [] : [policy]),
    ...(poolKey === null ? [] : [`pool ${poolKey}`]),
    ...(state === "unknown" || state === "not-carried" || state === "untold"
      ? [counted(members, "member")]
      : [`${up} of ${counted(members, "member")} up`]),
    ...(state === "unknown" || state === "not-carried" ? [] : [`on ${counted(gateways, "gateway")}`]),
  ];
  const others = members - up - retired.length;
  const more = others > 0 && retired.length >= 10 ? " and others" : "";
  return { name, state, facts, why: retired.length === 0 ? "" : `Not answering: ${retired.join(", ")}${more}` };
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
