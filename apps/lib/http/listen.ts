import type { FastifyInstance } from "fastify";

/**
 * Has a server listen.
 * @param setting the setting that chooses the port, for the message
 * @throws when it cannot, with advice when the port is taken
 */
export async function listen(
  app: Pick<FastifyInstance, "listen">,
  { host, port, setting }: { host: string; port: number; setting: string },
): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const isTaken = (cause as NodeJS.ErrnoException).code === "EADDRINUSE";
    throw new Error(
      isTaken
        ? `port ${port} of ${host} is taken: set ${setting} to a free one`
        : `cannot listen on port ${port} of ${host}`,
      { cause },
    );
  }
}
