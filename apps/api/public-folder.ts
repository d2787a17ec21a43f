import { fileURLToPath } from "node:url";

/** Folder of the pages' templates. */
export const publicFolder = fileURLToPath(new URL("../../public", import.meta.url));

/** Folder of the files that pages load. */
export const assetsFolder = `${publicFolder}/assets`;

/** A hash in JavaScript, and the files that it imports: what the page works with where the service wants a proof. */
export const hashLibrary = {
  folder: fileURLToPath(new URL(".", import.meta.resolve("@noble/hashes/sha2.js"))),
  files: ["sha2.js", "_md.js", "_u64.js", "utils.js"],
};

/** The mark of the product. */
export const iconFile = `${assetsFolder}/icon.svg`;
