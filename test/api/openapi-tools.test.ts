import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { createClient } from "@hey-api/openapi-ts";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { Spectral, type RulesetDefinition } from "@stoplight/spectral-core";
import { oas } from "@stoplight/spectral-rulesets";
import openapiTS, { astToString } from "openapi-typescript";
import { projectPath } from "../../infra/process/project-path.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { TSC } from "../checks.ts";

const run = promisify(execFile);

/** What a person writes with the generated types: it compiles only while they tell each body and each refusal. */
const CLIENT = `
import createClient from "openapi-fetch";
import type { paths } from "./api.ts";

export async function life(baseUrl: string): Promise<string[]> {
  const api = createClient<paths, \`application/\${string}\`>({ baseUrl });
  const made = await api.POST("/instances", { body: { ttlSeconds: 600 } });
  if (made.error !== undefined) throw new Error(made.error.detail);
  const { id, token, url } = made.data;
  const headers = { authorization: "Bearer " + token };
  const params = { path: { id } };
  const read = await api.GET("/instances/{id}", { params, headers });
  const changed = await api.PATCH("/instances/{id}", { params, headers, body: { ttlSeconds: 3600 } });
  const ended = await api.DELETE("/instances/{id}", { params, headers });
  const refused = await api.PATCH("/instances/{id}", { params, headers, body: { ttlSeconds: 3600 } });
  const type: "urn:getaredis:instance-ended" | undefined =
    refused.error?.type === "urn:getaredis:instance-ended" ? refused.error.type : undefined;
  return [url.slice(0, 8), read.data?.state ?? "", changed.data?.state ?? "", String(ended.response.status), type ?? ""];
}
`;

/** The same life by a client that is generated whole: a function for each operation, by its id. */
const GENERATED = `
import { createClient, type Auth } from "./generated/client/index.ts";
import { changeLease, createInstance, endInstance, readInstance } from "./generated/index.ts";

export async function life(baseUrl: string): Promise<string[]> {
  const client = createClient({ baseUrl });
  const made = await createInstance({ client, body: { ttlSeconds: 600 } });
  if (made.data === undefined || typeof made.data === "string") throw new Error("no instance");
  const { id, token, url } = made.data;
  const call = { client, path: { id }, auth: ({ scheme }: Auth) => (scheme === "bearer" ? token : undefined) };
  const read = await readInstance(call);
  const changed = await changeLease({ ...call, body: { ttlSeconds: 3600 } });
  const ended = await endInstance(call);
  const refused = await changeLease({ ...call, body: { ttlSeconds: 3600 } });
  const type = refused.error !== undefined && "type" in refused.error ? refused.error.type : "";
  return [url.slice(0, 8), read.data?.state ?? "", changed.data?.state ?? "", String(ended.response?.status), type];
}
`;

/** What both lives tell. */
const LIFE = ["redis://", "running", "running", "204", "urn:getaredis:instance-ended"];

/** As in a compiler's configuration file. */
const STRICT = {
  strict: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  verbatimModuleSyntax: true,
  types: [],
  module: "nodenext",
  target: "es2024",
  lib: ["es2024", "dom", "dom.iterable"],
};

describe("tools that read the OpenAPI document", () => {
  const folder = projectPath(".getaredis/openapi-client");
  let api: TwinApi;
  let document: string;
  let origin: string;
  before(async () => {
    api = await createTwinApi({ env: { LEASE_MIN_SECONDS: "60", CONTACT: "ops@example.org" } });
    document = await (await api.call("/docs/json")).text();
    origin = await api.listen();
    await mkdir(folder, { recursive: true });
  });
  after(async () => {
    await api.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("Redocly finds nothing, by its strict rules", async () => {
    const config = await createConfig({ extends: ["recommended-strict"] });
    const found = await lintFromString({ source: document, config, absoluteRef: "openapi.json" });
    assert.deepEqual(
      found.map(({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer ?? ""}`),
      [],
    );
  });

  it("Spectral finds nothing, by its rules for OpenAPI", async () => {
    const spectral = new Spectral();
    // Their types say that each set of rules extends another, which the first one cannot.
    spectral.setRuleset(oas as RulesetDefinition);
    const found = await spectral.run(document);
    assert.deepEqual(
      found.map(({ code, message, path }) => `${code}: ${message} ${path.join(".")}`),
      [],
    );
  });

  it("openapi-typescript makes types by which a client compiles, and takes an instance from hand-out to end", async () => {
    await writeFile(`${folder}/api.ts`, astToString(await openapiTS(document)));
    assert.deepEqual(await lifeBy("client.ts", CLIENT, { ...STRICT, exactOptionalPropertyTypes: true }), LIFE);
  });

  it("openapi-ts makes a client of functions that compiles, and takes an instance from hand-out to end", async () => {
    await createClient({
      input: JSON.parse(document) as Record<string, unknown>,
      output: { path: `${folder}/generated`, module: { extension: ".ts" } },
      plugins: ["@hey-api/client-fetch"],
      logs: { level: "silent" },
    });
    assert.deepEqual(await lifeBy("functions.ts", GENERATED, STRICT), LIFE);
  });

  /** Writes a program beside what was generated, compiles it strictly, and has it live against the service. */
  async function lifeBy(name: string, text: string, compilerOptions: object): Promise<string[]> {
    await writeFile(`${folder}/${name}`, text);
    await writeFile(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions, files: [name] }));
    // A process of its own: this one serves, and must close idle connections in time.
    const { stdout } = await run(process.execPath, [projectPath(`node_modules/${TSC}`), "-p", folder]).catch(
      (fault: unknown) => {
        if (fault instanceof Error && "stdout" in fault) return { stdout: String(fault.stdout) };
        throw fault;
      },
    );
    assert.equal(stdout, "");
    const { life } = (await import(`${folder}/${name}`)) as { life: (origin: string) => Promise<string[]> };
    return life(origin);
  }
});
