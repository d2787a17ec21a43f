import { Type } from "typebox";
import type { App } from "../../app.ts";
import { encodings, type Assets } from "../../assets/assets.ts";

const Name = Type.Object({ "*": Type.String() });

/** The files that pages load, in the smallest encoding that the caller takes. */
export function assetRoutes(assets: Assets) {
  return (app: App) => {
    app.get(`${assets.path}*`, { schema: { hide: true, params: Name } }, async (request, reply) => {
      const asset = assets.find(request.params["*"]);
      if (!asset) {
        reply.callNotFound();
        return reply;
      }
      // Clients name what they take in any order: the smallest of it is sent, and identity where none fits.
      const taken = asset.isCompressible ? request.encodings() : [];
      const encoding = encodings.find((each) => taken.includes(each)) ?? "identity";
      if (asset.isCompressible) reply.header("vary", "accept-encoding");
      if (encoding !== "identity") reply.header("content-encoding", encoding);
      return reply
        .type(asset.type)
        .header("cache-control", "public, max-age=31536000, immutable")
        .send(await asset.read(encoding));
    });
  };
}
