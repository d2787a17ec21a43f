/** What the page knows of the fleet: the last picture, kept up by changes. */
export function createFleetState() {
  let picture;
  let hosts = new Map();
  let skewMs = 0;

  return {
    /** Takes over news of the stream. */
    take(kind, data) {
      if (kind === "picture") {
        hosts = new Map(data.hosts.map((host) => [host.name, host]));
        picture = data;
      } else if (kind === "change" && picture) {
        for (const host of data.hosts) hosts.set(host.name, host);
        for (const name of data.gone) hosts.delete(name);
        picture = { ...picture, ...data };
      } else {
        return;
      }
      picture = { ...picture, hosts: [...hosts.values()] };
      skewMs = Date.parse(data.at) - Date.now();
    },

    forget() {
      picture = undefined;
      hosts = new Map();
    },

    /** Undefined until the first picture has come. */
    picture: () => picture,
    host: (name) => hosts.get(name),
    /** The service's time, in milliseconds since 1970: the reader's clock may be wrong by hours. */
    now: () => Date.now() + skewMs,
  };
}
