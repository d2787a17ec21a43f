import { createRequire, Module } from "node:module";
import type Docker from "dockerode";

const require = createRequire(import.meta.url);
const library = createRequire(require.resolve("dockerode"));
const modem = createRequire(library.resolve("docker-modem"));

// Engines over SSH, and logins to registries while BuildKit builds: nothing here asks for either, and dockerode loads
// what they need with itself, which is a quarter of all files that a program of ours would read at its start.
for (const file of [modem.resolve("ssh2"), library.resolve("@grpc/grpc-js"), library.resolve("@grpc/proto-loader")]) {
  require.cache[file] ??= Object.assign(new Module(file), { filename: file, loaded: true });
}

/** dockerode, for everything but its types. */
export const DockerClient = require("dockerode") as typeof Docker;
