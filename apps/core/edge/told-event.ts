import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";

/** What a gateway may say that has happened: nothing that is others' to say. */
export const gatewayEventKinds = [
  "gateway-join",
  "gateway-leave",
  "gateway-drain",
  "plane-start",
  "routes-repaired",
  "host-unroutable",
  "certificate",
  "certificate-expiring",
  "certificate-refused",
  "configuration-refused",
  "member-retired",
  "member-back",
  "pool-refused",
  "pool-changed",
  "announcement-refused",
] as const;

const ToldEvent = Type.Object(
  {
    kind: Type.Enum([...gatewayEventKinds]),
    reason: Type.String({ minLength: 1, maxLength: 500 }),
    alarm: Type.Optional(Type.Boolean()),
    data: Type.Optional(
      Type.Object(
        { service: Type.String({ maxLength: 300 }), member: Type.String({ maxLength: 64 }) },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
const schema = Compile(ToldEvent);

/** An event as a gateway on a droplet tells it. */
export type ToldEvent = Static<typeof ToldEvent>;

/** Whether a value is one. */
export function isToldEvent(value: unknown): value is ToldEvent {
  if (!schema.Check(value)) return false;
  const needsData = value.kind === "member-retired" || value.kind === "member-back";
  return needsData === (value.data !== undefined);
}
