import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";

const Report = Type.Object(
  {
    /** Of the document that the program has judged last. */
    revision: Type.String({ pattern: "^[0-9a-f]{1,64}$" }),
    result: Type.Enum(["loaded", "refused"]),
    /** Why it was refused, or empty. */
    reason: Type.String({ maxLength: 200 }),
  },
  { additionalProperties: false },
);
const schema = Compile(Report);

/** What a host's program says of the document that it was left: told after it is in force, or refused. */
export type PortMapReport = Static<typeof Report>;

/** Reads a report. One that cannot be read is no report: whoever holds the host may write there what they like. */
export function readPortMapReport(text: string): PortMapReport | undefined {
  try {
    const report: unknown = JSON.parse(text);
    return schema.Check(report) ? report : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether a host does what it should, as far as it has said so: null when it has reported nothing of late, or was told
 * nothing yet; and why it refuses that.
 */
export function portStanding({
  wanted,
  report,
}: {
  readonly wanted?: string | undefined;
  readonly report?: PortMapReport | undefined;
}): { readonly inForce: boolean | null; readonly fault: string | null } {
  if (wanted === undefined || report === undefined) return { inForce: null, fault: null };
  const isOfNow = report.revision === wanted;
  return {
    inForce: isOfNow && report.result === "loaded",
    fault: isOfNow && report.result === "refused" ? report.reason : null,
  };
}
