import { fileURLToPath } from "node:url";

/** Folder of the pages' templates. */
export const publicFolder = fileURLToPath(new URL("../../public", import.meta.url));

/** Folder of the files that pages load, as they are written. */
export const assetsFolder = `${publicFolder}/assets`;

/** Files of npm packages that pages load, by the folder below the assets' path in which they stand there. */
export const libraries: readonly Library[] = [
  // A hash in JavaScript: what the page works with where the service wants a proof.
  { as: "noble", folder: folderOf("@noble/hashes/sha2.js"), files: ["sha2.js", "_md.js", "_u64.js", "utils.js"] },
  // QR codes, without what only other kinds of text need.
  { as: "lean-qr", folder: folderOf("lean-qr/nano"), files: ["nano.mjs"] },
];

type Library = { readonly as: string; readonly folder: string; readonly files: readonly string[] };

/** The mark of the product. */
export const iconFile = `${assetsFolder}/icon.svg`;

function folderOf(module: string): string {
  return fileURLToPath(new URL(".", import.meta.resolve(module)));
}
