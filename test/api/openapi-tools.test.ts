import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";
import { projectPath } from "../../infra/process/project-path.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";

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

describe("tools that read the OpenAPI document", () => {
  const folder = projectPath(".getaredis/openapi-client");
  let api: TwinApi;
  let document: string;
  before(async () => {
    api = await createTwinApi({ env: { LEASE_MIN_SECONDS: "60", CONTACT: "ops@example.org" } });
    document = await (await api.call("/docs/json")).text();
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

  it("openapi-typescript makes types by which a client compiles, and takes an instance from hand-out to end", async () => {
    await writeFile(`${folder}/api.ts`, astToString(await openapiTS(document)));
    await writeFile(`${folder}/client.ts`, CLIENT);
    const program = ts.createProgram([`${folder}/client.ts`], {
      ...{
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        noEmit: true,
        skipLibCheck: true,
      },
      ...{ allowImportingTsExtensions: true, verbatimModuleSyntax: true, types: [] },
      ...{ module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext },
      ...{ target: ts.ScriptTarget.ES2024, lib: ["lib.es2024.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"] },
    });
    const faults = ts
      .getPreEmitDiagnostics(program)
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
    assert.deepEqual(faults, []);
    const { life } = (await import(`${folder}/client.ts`)) as { life: (origin: string) => Promise<string[]> };
    assert.deepEqual(await life(await api.listen()), [
      "redis://",
      "running",
      "running",
      "204",
      "urn:getaredis:instance-ended",
    ]);
  });
});
