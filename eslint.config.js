import tseslint from "typescript-eslint";
import globals from "globals";

const noClock = "The core reads no clock and sets no timer: take `now`, `delay` or `after` as an argument.";

export default tseslint.config(
  { ignores: ["node_modules/**", ".getaredis/**"] },
  {
    files: ["apps/**/*.ts", "infra/**/*.ts", "test/**/*.ts", "public/**/*.{js,ts}"],
    extends: [tseslint.configs.strictTypeChecked],
    // All files at once: a service that opens one after the other, as an editor does, takes a quarter more.
    languageOptions: {
      parserOptions: { project: ["./tsconfig.json", "./public/tsconfig.json"], tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/consistent-type-imports": "error",
    },
  },
  {
    // The type check knows Node's globals, too: the API's types come with them.
    files: ["public/**/*.js"],
    languageOptions: { globals: globals.browser },
    rules: {
      "no-undef": "error",
      // The only way to copy on a page that came by plain http.
      "@typescript-eslint/no-deprecated": ["error", { allow: [{ from: "lib", name: "execCommand" }] }],
    },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      // node:test's describe and it return promises that the runner itself awaits.
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            { from: "package", name: ["describe", "it", "test", "before", "after"], package: "node:test" },
          ],
        },
      ],
    },
  },
  {
    files: ["apps/core/**/*.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            { group: ["node:*", "!node:crypto", "!node:net", "!node:zlib"], message: "The core does no I/O." },
            {
              group: ["fastify", "@fastify/*", "dockerode", "mysql2", "mysql2/*", "ioredis", "pino", "nanoid"],
              message: "The core knows no outside system and no server.",
            },
          ],
        },
      ],
    },
  },
  {
    // Rules and actions take facts, clocks, time-outs, ids and randomness as arguments: virtual time works everywhere.
    // What they may import from other rooms, .dependency-cruiser.js says.
    files: ["apps/core/**/*.ts", "apps/twins/**/*.ts"],
    rules: {
      "no-restricted-globals": ["error", "fetch", "process", "setTimeout", "setInterval", "performance", "console"],
      "no-restricted-syntax": [
        "error",
        { selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']", message: noClock },
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: noClock },
        {
          selector: "CallExpression[callee.object.name='AbortSignal'][callee.property.name='timeout']",
          message: noClock,
        },
        {
          selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']",
          message: "The core draws no random numbers.",
        },
      ],
    },
  },
);
