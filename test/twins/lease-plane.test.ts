import { describe } from "node:test";
import { createTwinLeasePlane } from "../../apps/twins/lease-plane.ts";
import { describeLeasePlaneContract } from "../contracts/lease-plane.ts";

describe("routes in memory", () => {
  describeLeasePlaneContract(() => {
    const twin = createTwinLeasePlane();
    return Promise.resolve({
      plane: twin,
      targets: ["10.0.0.1 20000", "10.0.0.1 20001"] as const,
      connect: (id) => {
        let isOpen = true;
        const target = twin.connect(id, () => (isOpen = false));
        return Promise.resolve({ target, isOpen: () => isOpen && target !== undefined });
      },
      close: () => Promise.resolve(),
    });
  });
});
