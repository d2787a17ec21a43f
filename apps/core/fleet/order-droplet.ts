import { messageOf } from "../../lib/errors.ts";
import { hashSecret } from "../../lib/secrets.ts";
import type { Happening } from "../events/event.ts";
import { CloudFault, type CloudDroplet, type DropletOrder } from "./cloud.ts";
import type { Cloud, Droplets } from "./contract.ts";

/** What ordering a droplet needs. */
export type OrderPorts = {
  readonly cloud: Pick<Cloud, "createDroplet" | "deleteDroplet">;
  readonly droplets: Pick<Droplets, "closeOrder" | "adopt">;
  /** The script of a droplet's first boot. The token can be used once, by this droplet. */
  readonly userData: (name: string, token: string) => string;
  readonly token: () => string;
  readonly note: (event: Happening) => Promise<void>;
  readonly clock: () => Date;
  readonly plan: Pick<DropletOrder, "tag" | "region" | "image" | "vpc" | "sshKeys">;
};

/**
 * The intent is written first: however the call ends, the droplet can be found by its name.
 * @param write writes the intent of the order and gives it its name; undefined when there is to be none
 * @returns whether the cloud has accepted it
 */
export async function orderDroplet(
  ports: OrderPorts,
  write: (tokenHash: Buffer) => Promise<string | undefined>,
  size: string,
  reason: string,
): Promise<boolean> {
  const { cloud, droplets, note, clock, plan } = ports;
  const { tag, region, image, vpc, sshKeys } = plan;
  const token = ports.token();
  const name = await write(hashSecret(token));
  if (name === undefined) return false;
  await note({ kind: "order", host: name, reason, data: { size } });
  const refuse = async (fault: unknown, isOutOfStock: boolean) => {
    const message = messageOf(fault);
    await droplets.closeOrder(name, message, isOutOfStock, clock());
    await note({ kind: "order-refused", host: name, reason: message });
  };
  let userData: string;
  try {
    userData = ports.userData(name, token);
  } catch (fault) {
    await refuse(fault, false);
    throw fault;
  }
  let droplet: CloudDroplet;
  try {
    droplet = await cloud.createDroplet({ tag, region, image, vpc, sshKeys, name, size, userData });
  } catch (fault) {
    if (!(fault instanceof CloudFault)) throw fault;
    // A missing answer is not a refusal: the next runs search for the droplet by name.
    if (fault.effect === "unknown") await note({ kind: "order-unanswered", host: name, reason: fault.message });
    else await refuse(fault, fault.reason === "out-of-stock");
    return false;
  }
  if (await droplets.adopt(name, droplet.id, droplet.hourlyPrice)) return true;
  // Another leader has given the order up meanwhile: the droplet belongs to no order.
  try {
    await cloud.deleteDroplet(droplet.id);
  } catch (fault) {
    if (!(fault instanceof CloudFault)) throw fault;
    // The next runs sweep it.
    await note({ kind: "delete-failed", host: name, reason: fault.message });
  }
  return false;
}
