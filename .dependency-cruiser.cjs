/** Import directions: fsm ← grammar ← engine ← server, client ← lang; see ARCHITECTURE.md. */

/** A rule that forbids imports from one folder to the others named. */
const layer = (name, from, forbidden, comment) => ({
  name,
  severity: "error",
  comment,
  from: { path: `^src/${from}/` },
  to: { path: `^src/(${forbidden.join("|")})/` },
});

module.exports = {
  forbidden: [
    layer(
      "fsm-is-the-bottom",
      "fsm",
      ["grammar", "engine", "server", "cli", "client", "lang"],
      "automata know nothing of schemas, models or HTTP",
    ),
    layer(
      "grammar-uses-fsm-only",
      "grammar",
      ["engine", "server", "cli", "client", "lang"],
      "the compiler knows nothing of models or HTTP",
    ),
    layer("engine-knows-no-http", "engine", ["server", "cli", "client", "lang"], "the engine knows nothing of HTTP"),
    layer(
      "server-is-a-library",
      "server",
      ["cli", "client", "lang"],
      "the command line starts the server, not the reverse",
    ),
    layer(
      "client-speaks-http",
      "client",
      ["fsm", "grammar", "engine", "server", "cli", "lang"],
      "clients speak protocol.ts over HTTP",
    ),
    layer(
      "lang-uses-client-only",
      "lang",
      ["fsm", "grammar", "engine", "server", "cli"],
      "the language speaks to a server through the client",
    ),
    {
      name: "contracts-import-nothing",
      severity: "error",
      comment: "errors.ts and protocol.ts are imported by every layer",
      from: { path: "^src/(errors|protocol)\\.ts$" },
      to: {},
    },
    {
      name: "one-loader-of-the-addon",
      severity: "error",
      comment: "only binding.ts touches the native module",
      from: { path: "^src/", pathNot: "^src/engine/binding\\.ts$" },
      to: { path: "\\.node$" },
    },
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    // regexp-tree declares its tree's types in a file without code beside it.
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true, pathNot: "^regexp-tree/ast$" } },
    {
      name: "no-development-packages",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default", "types"],
    },
  },
};
