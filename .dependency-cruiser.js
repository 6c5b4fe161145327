// The layer rule: protocol ← ethereum ← operator, watcher; protocol ← sdk ← watcher, explorer.
const MAY_IMPORT = {
  protocol: ["protocol"],
  ethereum: ["protocol", "ethereum"],
  operator: ["protocol", "ethereum", "operator"],
  sdk: ["protocol", "sdk"],
  cli: ["protocol", "sdk", "cli"],
  watcher: ["protocol", "ethereum", "sdk", "watcher"],
  explorer: ["protocol", "sdk", "explorer"],
};
const FOLDERS = [...Object.keys(MAY_IMPORT), "examples", "scripts", "test", "bench", "types", "contracts"];

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    {
      name: "no-cycles",
      comment: "types may refer to each other: nothing of them is there at run time",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    { name: "no-unresolved", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "protocol-is-pure",
      comment: "protocol/ runs in browsers too: no I/O, no clock, nothing of Node, no package but the hash",
      severity: "error",
      from: { path: "^protocol/" },
      to: { pathNot: ["^protocol/", "^node_modules/hash-wasm/"] },
    },
    ...Object.entries(MAY_IMPORT).map(([layer, allowed]) => ({
      name: `layer-${layer}`,
      severity: "error",
      from: { path: `^${layer}/` },
      to: { path: `^(${FOLDERS.filter((folder) => !allowed.includes(folder)).join("|")})/` },
    })),
    {
      name: "types-only",
      comment: "TypeChain's files cannot be loaded by Node: import type only",
      severity: "error",
      from: {},
      to: { path: "^types/contracts/", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "no-dev-package-in-sources",
      severity: "error",
      from: { path: `^(${Object.keys(MAY_IMPORT).join("|")})/`, pathNot: "^explorer/[^/]+$" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules|^types/" },
    exclude: { path: "^(sdk/dist|explorer/dist[^/]*)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
    combinedDependencies: false,
  },
};
