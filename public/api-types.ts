import type { Static } from "typebox";
import type { ProblemBody } from "../apps/api/problems/problem-body.ts";
import type { InstanceState as InstanceStateSchema } from "../apps/api/routes/schemas.ts";

/*
 * The answers of the HTTP API as the server itself types them, for the pages' scripts. Types only: no
 * browser loads this file, and it is the only one below public/ that knows where the server's types are.
 */
export type { ConsoleAnswer, ConsoleCommand, ConsoleFigures } from "../apps/api/routes/console/schemas.ts";
export type { NewOpsBlock, OpsBlock, OpsBlockMade, OpsHoldings } from "../apps/api/routes/ops/blocks.ts";
export type { OpsEvent, OpsEventQuery } from "../apps/api/routes/ops/events.ts";
export type { OpsFigures } from "../apps/api/routes/ops/figures.ts";
export type { OpsInstance, OpsSearch } from "../apps/api/routes/ops/instances.ts";
export type {
  NewOpsOperator,
  OpsOperator,
  OpsOperatorChange,
  OpsOperatorCreated,
} from "../apps/api/routes/ops/operators.ts";
export type { OpsSession } from "../apps/api/routes/ops/schemas.ts";
export type { OpsNotifications, OpsNotificationTest } from "../apps/api/routes/ops/notifications.ts";
export type { StreamNews } from "../apps/api/routes/ops/overview-feed.ts";
export type { Stats } from "../apps/api/routes/stats/index.ts";
export type { SwitchName } from "../apps/core/events/names.ts";
export type { Values } from "../apps/core/figures/figures.ts";
export type { Handout } from "../apps/core/instances/handout.ts";
export type {
  AnnouncedOverview,
  EdgeOverview,
  GatewayOverview,
  PortOverview,
  WorkloadOverview,
} from "../apps/core/operator/edge-overview.ts";
export type { MemberOverview, ServiceOverview } from "../apps/core/operator/service-overview.ts";
export type { FleetOverview, HostOverview } from "../apps/core/operator/fleet-overview.ts";

export type InstanceState = Static<typeof InstanceStateSchema>;
export type Problem = Static<typeof ProblemBody>;
