import { fileURLToPath } from "node:url";

/** Folder of the pages' templates. */
export const publicFolder = fileURLToPath(new URL("../../public", import.meta.url));

/** Folder of the files that pages load. */
export const assetsFolder = `${publicFolder}/assets`;

/** The mark of the product. */
export const iconFile = `${assetsFolder}/icon.svg`;
