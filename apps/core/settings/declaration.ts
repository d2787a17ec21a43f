import type { Kind } from "./kinds.ts";

/**
 * A setting: its environment variable, its kind of value, its default and its meaning. docs/settings.md has a row
 * for each.
 */
export type Setting<Name extends string = string, T = unknown> = {
  readonly name: Name;
  readonly kind: Kind<T>;
  /**
   * As it would stand in the environment; "" when there is no default: the value is undefined then when it is
   * not set.
   */
  readonly default: string;
  readonly meaning: string;
};

/** The settings of a room, by the names that programs know them by. */
export type Room = Readonly<Record<string, Setting>>;

/** The values of a room. Those whose variables are `Needed` are set. */
export type ValuesOf<R extends Room, Needed extends string = never> = {
  readonly [Key in keyof R]: R[Key] extends Setting<infer Name, infer T>
    ? Name extends Needed
      ? Exclude<T, undefined>
      : T
    : never;
};

/** Declares a setting with a default, written as it would stand in the environment. */
export function setting<Name extends string, T>(
  name: Name,
  kind: Kind<T>,
  fallback: string | number,
  meaning: string,
): Setting<Name, T> {
  return { name, kind, default: String(fallback), meaning };
}

/** Declares a setting without a default: its value is undefined when it is not set. */
export function optional<Name extends string, T>(
  name: Name,
  kind: Kind<T>,
  meaning: string,
): Setting<Name, T | undefined> {
  return { name, kind, default: "", meaning };
}
