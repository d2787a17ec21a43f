import { writeFile } from "node:fs/promises";
import { API_TYPES, apiTypes } from "./api-types.ts";

/** The `npm run api-types` program: writes the types of the API's calls for the command line. */
await writeFile(API_TYPES, await apiTypes());
console.log(`✓ ${API_TYPES}`);
