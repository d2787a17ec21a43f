import { reasonOfRefusal } from "../services/refused-commands.ts";

/**
 * Our words for an error whose own ones help nobody here: they tell of settings and restarts, which only the service
 * can change, or name commands that are refused. Undefined for all others.
 * @param error as the server has sent it
 */
export function explainError(error: string): string | undefined {
  const command =
    /^ERR (DEBUG|MODULE) command not allowed/.exec(error)?.[1] ??
    /^NOPERM .*no permissions to run the '([\w|-]+)' command/.exec(error)?.[1];
  if (command !== undefined) return notAvailable(command.replace("|", " "));
  const [, code, kill] = /^(BUSY|UNKILLABLE) .*?(FUNCTION KILL|$)/.exec(error) ?? [];
  if (code === "BUSY")
    return (
      "A script is running, and the instance runs nothing else until it ends. " +
      `${kill || "SCRIPT KILL"} stops it, unless it has written data.`
    );
  if (code === "UNKILLABLE")
    return (
      "The script has written data, so it cannot be stopped any more. " +
      "Wait until it ends, or end this instance and get another one."
    );
  return undefined;
}

/** That a command is refused to an instance's owner, and why. */
export function notAvailable(command: string): string {
  const name = command.toUpperCase();
  return `${name} is not available here: ${reasonOfRefusal(name)}.`;
}
