import tseslint from "typescript-eslint";
import globals from "globals";

const clocks = ["Date.now", "new Date() without an argument", "performance.now"];

export default tseslint.config(
  { ignores: ["node_modules/**", ".getaredis/**"] },
  {
    files: ["apps/**/*.ts", "infra/**/*.ts", "test/**/*.ts", "public/**/*.{js,ts}"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
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
    // Decisions are pure: facts, clocks, ids and randomness come in as arguments.
    files: ["apps/core/domain/**/*.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            { group: ["node:*", "!node:crypto", "!node:net"], message: "core/domain does no I/O." },
            {
              group: ["fastify", "@fastify/*", "dockerode", "mysql2", "mysql2/*", "ioredis", "pino", "nanoid"],
              message: "core/domain does no I/O.",
            },
            {
              group: ["**/adapters/**", "**/actions/**", "**/api/**", "**/jobs/**", "**/infra/**"],
              message: "core/domain imports only core/domain.",
            },
          ],
        },
      ],
      "no-restricted-globals": ["error", "fetch", "process", "setTimeout", "setInterval", "performance", "console"],
      "no-restricted-syntax": [
        "error",
        {
          selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
          message: `core/domain reads no clock (${clocks.join(", ")}).`,
        },
        {
          selector: "NewExpression[callee.name='Date'][arguments.length=0]",
          message: `core/domain reads no clock (${clocks.join(", ")}).`,
        },
        {
          selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']",
          message: "core/domain draws no random numbers.",
        },
      ],
    },
  },
  {
    files: ["apps/core/adapters/**/*.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              group: ["**/actions/**", "**/api/**", "**/jobs/**", "**/infra/**"],
              message: "Adapters know only domain types.",
            },
          ],
        },
      ],
    },
  },
  {
    files: ["apps/core/actions/**/*.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              group: [
                "**/adapters/**",
                "**/api/**",
                "**/jobs/**",
                "**/infra/**",
                "fastify",
                "dockerode",
                "mysql2",
                "mysql2/*",
                "ioredis",
              ],
              message: "Actions declare the ports they need; a main.ts picks the adapters.",
            },
          ],
        },
      ],
    },
  },
  {
    files: ["apps/**/*.ts"],
    ignores: ["apps/core/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ group: ["**/infra/**", "**/test/**"], message: "apps/ know neither infra/ nor test/." }] },
      ],
    },
  },
);
