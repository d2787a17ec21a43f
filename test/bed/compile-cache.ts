/** The variable that has our programs load modules compiled before, as the tests themselves do; nothing when it is not set. */
export function compileCache(): Record<string, string> {
  const folder = process.env["NODE_COMPILE_CACHE"];
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
}
