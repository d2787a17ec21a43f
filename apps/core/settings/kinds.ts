import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { validate } from "node-cron";
import { isTableSize, MAX_TABLE_SIZE, MIN_TABLE_SIZE } from "../balance/maglev.ts";
import { ZONE_PATTERN, type Zone } from "../balance/service.ts";
import { gatewayNamePattern } from "../edge/gateway.ts";

/** A kind of value. `parse` throws an error that names what the value must be. */
export type Kind<T> = {
  /** Unit of the value in the environment, or "". */
  readonly unit: string;
  /** Never shown, not even when it is wrong. */
  readonly isSecret?: boolean;
  readonly parse: (input: string) => T;
};

const SECOND = 1000;
const SECRET_LENGTH = 16;

/** Anything. */
export const text: Kind<string> = { unit: "", parse: (input) => input };

/** Buckets of a maglev table. */
export const tableSize: Kind<number> = {
  unit: "buckets",
  parse: (input) =>
    must(
      `be a prime number from ${MIN_TABLE_SIZE} to ${MAX_TABLE_SIZE}, such as 251, 4099, 16381 or 65537`,
      /^\d{1,6}$/.test(input) && isTableSize(Number(input)),
      Number(input),
    ),
};

/** 16 characters or more. */
export const secret: Kind<string> = {
  unit: "",
  isSecret: true,
  parse: (input) => must(`have ${SECRET_LENGTH} characters or more`, input.length >= SECRET_LENGTH, input),
};

const LONGEST_LABEL = 100;
const LONGEST_LINK = 300;

/** A short text that is shown to everybody, on one line. */
export const label: Kind<string> = {
  unit: "",
  parse: (input) =>
    must(
      `have 1 to ${LONGEST_LABEL} characters on one line`,
      input.trim() !== "" && input.length <= LONGEST_LABEL && !/\p{Cc}/u.test(input),
      input.trim(),
    ),
};

/** Where a link leads that everybody sees. */
export const link: Kind<string> = {
  unit: "",
  parse: (input) => must("be a URL such as https://example.org/terms, without a password in it", isLink(input), input),
};

/** Whom to write to: a mail address, or a page that says how. */
export const contact: Kind<string> = {
  unit: "",
  parse: (input) =>
    must(
      "be a mail address such as abuse@example.org, or a URL such as https://example.org/contact",
      MAIL_ADDRESS.test(input) || isLink(input),
      input,
    ),
};

const MAIL_ADDRESS = /^[^\s@<>"',;:?&%]{1,64}@[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?$/i;

/** A mail address. */
export const mailAddress: Kind<string> = {
  unit: "",
  parse: (input) => must("be a mail address such as operator@example.org", MAIL_ADDRESS.test(input), input),
};

/** One mail address or more, separated by commas. */
export const mailAddresses: Kind<readonly string[]> = {
  unit: "",
  parse: (input) => {
    const wrong = entriesOf(input).find((entry) => !MAIL_ADDRESS.test(entry));
    if (wrong !== undefined)
      throw new Error(`must be mail addresses such as operator@example.org, and "${wrong}" is none`);
    return entriesOf(input);
  },
};

/** The key of webhooks' signatures, as the Standard Webhooks specification writes it; its value is the bytes. */
export const webhookSecret: Kind<Buffer> = {
  unit: "",
  isSecret: true,
  parse: (input) => {
    const [, base64 = ""] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(input) ?? [];
    const key = Buffer.from(base64, "base64");
    return must(
      'be whsec_ and 24 to 64 bytes in base64, as made by: echo "whsec_$(openssl rand -base64 32)"',
      key.length >= 24 && key.length <= 64 && key.toString("base64") === base64,
      key,
    );
  },
};

function isLink(input: string): boolean {
  if (input.length > LONGEST_LINK || !/^https?:\/\//i.test(input) || /[\s"<>]/.test(input) || !URL.canParse(input))
    return false;
  const { username, password } = new URL(input);
  return username === "" && password === "";
}

/** A name or an IP address of a machine. */
export const hostName: Kind<string> = {
  unit: "",
  parse: (input) =>
    must("be a host name or an IP address, without scheme and port", isIP(input) !== 0 || isName(input), input),
};

/** A name of a domain in small letters, of two labels or more: no address. */
export const domainName: Kind<string> = {
  unit: "",
  parse: (input) =>
    must(
      "be a domain such as redis.example.org, without a wildcard before it",
      isName(input) && input.includes(".") && isIP(input) === 0 && input.length <= LONGEST_DOMAIN,
      input.toLowerCase(),
    ),
};

/** With the id of an instance before it, it is a name still. */
const LONGEST_DOMAIN = 236;

/** Names of machines in small letters, or "*" alone for all of them. */
export const hostNames: Kind<"*" | readonly string[]> = {
  unit: "",
  parse: (input) => {
    if (input.trim() === "*") return "*";
    const wrong = entriesOf(input).find((entry) => !isName(entry));
    if (wrong !== undefined)
      throw new Error(`must be * or names such as redis.example.org, and "${wrong}" is no host name`);
    return entriesOf(input).map((entry) => entry.toLowerCase());
  },
};

/** One entry or more, separated by commas. */
export const list: Kind<readonly [string, ...string[]]> = {
  unit: "",
  parse: (input) => {
    const [first, ...others] = entriesOf(input).filter(Boolean);
    if (first === undefined) throw new Error("must name one or more, separated by commas");
    return [first, ...others];
  },
};

/** Addresses and networks of proxies, or names that Fastify has for some of them. */
export const proxies: Kind<string[]> = {
  unit: "",
  parse: (input) => {
    const named = ["loopback", "linklocal", "uniquelocal"];
    for (const entry of entriesOf(input)) {
      if (!named.includes(entry) && isIP(entry) === 0 && !ipaddr.isValidCIDR(entry))
        throw new Error(`"${entry}" is neither an address, nor a CIDR, nor one of ${named.join(", ")}`);
    }
    return entriesOf(input);
  },
};

/** One IP address. */
export const address: Kind<string> = {
  unit: "",
  parse: (input) => must("be an IP address such as 203.0.113.7", isIP(input) !== 0, input),
};

/** A folder whose path other programs' configurations can hold as it is. */
export const plainPath: Kind<string> = {
  unit: "",
  parse: (input) =>
    must(
      "be an absolute path of letters, digits, dots, dashes and underscores, 70 characters at most",
      /^\/[\w./-]{0,69}$/.test(input),
      input,
    ),
};

/** One IPv4 address. */
export const ipv4Address: Kind<string> = {
  unit: "",
  parse: (input) => must("be an IPv4 address such as 192.0.2.7", isIP(input) === 4, input),
};

/** A network device of this machine. */
export const deviceName: Kind<string> = {
  unit: "",
  parse: (input) =>
    must("be the name of a network device such as eth0", /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/.test(input), input),
};

/** IP addresses, separated by commas. */
export const addresses: Kind<readonly string[]> = {
  unit: "",
  parse: (input) => {
    const wrong = entriesOf(input).find((entry) => isIP(entry) === 0);
    if (wrong !== undefined) throw new Error(`must be IP addresses such as 203.0.113.7, and "${wrong}" is none`);
    return entriesOf(input);
  },
};

/** What a gateway may be called. */
export const gatewayName: Kind<string> = {
  unit: "",
  parse: (input) =>
    must("have 1 to 63 small letters, digits and dashes, none at its ends", gatewayNamePattern.test(input), input),
};

/** Networks in CIDR notation, separated by commas. */
export const networks: Kind<readonly string[]> = {
  unit: "",
  parse: (input) => {
    const wrong = entriesOf(input).find((entry) => !ipaddr.isValidCIDR(entry));
    if (wrong !== undefined) throw new Error(`must be networks such as 10.0.0.0/8, and "${wrong}" is none`);
    return entriesOf(input);
  },
};

/** Ports, separated by commas. */
export const ports: Kind<readonly number[]> = {
  unit: "",
  parse: (input) => {
    const wrong = entriesOf(input).find((entry) => !/^[1-9]\d{0,4}$/.test(entry) || Number(entry) > 65_535);
    if (wrong !== undefined) throw new Error(`must be ports such as 80,443, and "${wrong}" is none`);
    return entriesOf(input).map(Number);
  },
};

/** Zones with their networks: `fra=10.1.0.0/16`, separated by commas. */
export const zones: Kind<readonly Zone[]> = {
  unit: "",
  parse: (input) => {
    const byName = new Map<string, string[]>();
    for (const entry of entriesOf(input)) {
      const [name = "", cidr = ""] = entry.split("=");
      if (!new RegExp(ZONE_PATTERN).test(name) || !ipaddr.isValidCIDR(cidr))
        throw new Error(`must be zones such as fra=10.1.0.0/16, and "${entry}" is none`);
      byName.set(name, [...(byName.get(name) ?? []), cidr]);
    }
    return [...byName].map(([name, its]) => ({ name, networks: its }));
  },
};

/** A network in CIDR notation. */
export const network: Kind<string> = {
  unit: "",
  parse: (input) => must("be a network such as 10.114.0.0/20", ipaddr.isValidCIDR(input), input),
};

/** Where a server is: `host:port`, IPv6 addresses in brackets there and without them in the value. */
export const hostAndPort: Kind<{ readonly host: string; readonly port: number }> = {
  unit: "",
  parse: (input) => {
    const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):([1-9]\d{0,4})$/.exec(input) ?? [];
    if (host === undefined || Number(port) > 65_535) throw new Error("must be host:port");
    return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
  },
};

/** A cron expression, as node-cron takes it. */
export const cron: Kind<string> = {
  unit: "",
  parse: (input) => must("be a cron expression of five fields, or six with seconds in front", validate(input), input),
};

/** A whole number in digits. */
export function whole(least: number, most: number, unit = ""): Kind<number> {
  return {
    unit,
    parse: (input) => {
      const isOne = /^\d+$/.test(input) && Number(input) >= least && Number(input) <= most;
      return must(`be a whole number from ${least} to ${most}`, isOne, Number(input));
    },
  };
}

/** A time in whole seconds, whose value is in milliseconds. */
export function duration(leastSeconds: number, mostSeconds: number): Kind<number> {
  const { parse } = whole(leastSeconds, mostSeconds);
  return { unit: "s", parse: (input) => parse(input) * SECOND };
}

/** A whole number of megabytes, a million bytes each; its value is in bytes. */
export function megabytes(least: number, most: number, unit: string): Kind<number> {
  const { parse } = whole(least, most);
  return { unit, parse: (input) => parse(input) * 1_000_000 };
}

/** A number in digits, with a point or without. */
export function decimal(least: number, most: number, unit: string): Kind<number> {
  return {
    unit,
    parse: (input) => {
      const isOne = /^\d+(\.\d+)?$/.test(input) && Number(input) >= least && Number(input) <= most;
      return must(`be a number from ${least} to ${most}`, isOne, Number(input));
    },
  };
}

/** One of some words. */
export function oneOf<const Choice extends string>(choices: readonly Choice[]): Kind<Choice> {
  return {
    unit: "",
    parse: (input) => {
      const chosen = choices.find((choice) => choice === input);
      if (chosen === undefined) throw new Error(`must be one of ${choices.join(", ")}`);
      return chosen;
    },
  };
}

/** Some of these words, separated by commas. */
export function someOf<const Choice extends string>(choices: readonly Choice[]): Kind<readonly Choice[]> {
  return {
    unit: "",
    parse: (input) =>
      entriesOf(input).map((entry) => {
        const chosen = choices.find((choice) => choice === entry);
        if (chosen === undefined) throw new Error(`must be some of ${choices.join(", ")}, and "${entry}" is none`);
        return chosen;
      }),
  };
}

/** The same as {@link url}, with a secret in it: it is never shown. */
export function secretUrl(...schemes: readonly string[]): Kind<string> {
  return { ...url(...schemes), isSecret: true };
}

/** Where a webhook goes; its path may be a secret, so it is never shown. */
export const webhookUrl: Kind<string> = {
  unit: "",
  isSecret: true,
  parse: (input) =>
    must("be a URL such as https://example.org/hooks/1, without a user or password in it", isLink(input), input),
};

/** A URL with one of these schemes, e.g. `mysql:`. */
export function url(...schemes: readonly string[]): Kind<string> {
  return {
    unit: "",
    parse: (input) =>
      must(
        `be a URL that starts with ${schemes.map((scheme) => `${scheme}//`).join(" or ")}`,
        URL.canParse(input) && schemes.includes(new URL(input).protocol),
        input,
      ),
  };
}

function isName(text: string): boolean {
  return /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(text);
}

function must<T>(what: string, isSo: boolean, value: T): T {
  if (!isSo) throw new Error(`must ${what}`);
  return value;
}

function entriesOf(input: string): string[] {
  return input.split(",").map((entry) => entry.trim());
}
