import { describeServices } from "./services.ts";
import type { OpenStore } from "./bed.ts";
import { describeDroplets } from "./droplets.ts";
import { describeEvents } from "./events.ts";
import { describeGatewayDroplets } from "./gateway-droplets.ts";
import { describeBudgets } from "./budgets.ts";
import { describeHandouts } from "./handouts.ts";
import { describeHistory } from "./history.ts";
import { describeHosts } from "./hosts.ts";
import { describeLeases } from "./leases.ts";
import { describeNotifications } from "./notifications.ts";
import { describeOperator } from "./operator.ts";
import { describePorts } from "./ports.ts";
import { describeRoutes } from "./routes.ts";
import { describeSearch } from "./search.ts";
import { describeTransfers } from "./transfers.ts";
import { describeWarmPool } from "./warm-pool.ts";

/** Holds a store to its whole contract, noun by noun. */
export function describeStoreContract(open: OpenStore): void {
  describeHandouts(open);
  describeBudgets(open);
  describeLeases(open);
  describeWarmPool(open);
  describeTransfers(open);
  describeHosts(open);
  describeDroplets(open);
  describeGatewayDroplets(open);
  describeEvents(open);
  describeServices(open);
  describeNotifications(open);
  describeOperator(open);
  describePorts(open);
  describeRoutes(open);
  describeSearch(open);
  describeHistory(open);
}
