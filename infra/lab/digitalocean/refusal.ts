/** A request that the stand-in refuses, in the words of DigitalOcean. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly id: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, id: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.status = status;
    this.id = id;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export const refusals = {
  unauthorized: () => new Refusal(401, "unauthorized", "Unable to authenticate you"),
  notFound: () => new Refusal(404, "not_found", "The resource you requested could not be found."),
  badRequest: () => new Refusal(400, "bad_request", "error parsing request body"),
  unprocessable: (message: string) => new Refusal(422, "unprocessable_entity", message),
  duplicateName: () => new Refusal(409, "conflict", "duplicate name"),
  tooMany: (retryAfterSeconds?: number) =>
    new Refusal(429, "too_many_requests", "API rate limit exceeded.", retryAfterSeconds),
  serverError: () => new Refusal(500, "server_error", "Unexpected server-side error"),
  dropletLimit: () => refusals.unprocessable("creating this/these droplet(s) will exceed your droplet limit"),
  outOfStock: () => refusals.unprocessable("Size is not available in this region."),
  pendingEvent: () => refusals.unprocessable("Droplet already has a pending event."),
};
