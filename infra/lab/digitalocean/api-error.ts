/** A request that the stand-in refuses, in the words of DigitalOcean. */
export class ApiError extends Error {
  override readonly name = "ApiError";
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

export const apiErrors = {
  unauthorized: () => new ApiError(401, "unauthorized", "Unable to authenticate you"),
  notFound: () => new ApiError(404, "not_found", "The resource you requested could not be found."),
  badRequest: () => new ApiError(400, "bad_request", "error parsing request body"),
  unprocessable: (message: string) => new ApiError(422, "unprocessable_entity", message),
  duplicateName: () => new ApiError(409, "conflict", "duplicate name"),
  tooMany: (retryAfterSeconds?: number) =>
    new ApiError(429, "too_many_requests", "API rate limit exceeded.", retryAfterSeconds),
  serverError: () => new ApiError(500, "server_error", "Unexpected server-side error"),
  dropletLimit: () => apiErrors.unprocessable("creating this/these droplet(s) will exceed your droplet limit"),
  outOfStock: () => apiErrors.unprocessable("Size is not available in this region."),
  pendingEvent: () => apiErrors.unprocessable("Droplet already has a pending event."),
};
