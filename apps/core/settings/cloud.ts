import { optional, setting } from "./declaration.ts";
import { secret, url } from "./kinds.ts";

/**
 * The account that droplets are ordered from. A program with a token runs a fleet; a program without one has no
 * cloud.
 */
export const cloud = {
  token: optional(
    "DIGITALOCEAN_TOKEN",
    secret,
    "API token of DigitalOcean that may read the account, and read and write droplets, tags and firewalls, and for an " +
      "edge the records of domains. " +
      "Set: the service runs its own fleet of droplets.",
  ),
  url: setting(
    "DIGITALOCEAN_URL",
    url("https:", "http:"),
    "https://api.digitalocean.com/v2",
    "Where the API of DigitalOcean is.",
  ),
};
