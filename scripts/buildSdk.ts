// `npm run build:sdk`: the SDK as it is published, in sdk/dist: plain JavaScript with the protocol inside, and types.
import { execFileSync } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const SDK = join(ROOT, "sdk");
const DIST = join(SDK, "dist");
const TYPES = join(DIST, "types");
const TSC = createRequire(import.meta.url).resolve("typescript/bin/tsc");
/** Installed beside it, not put inside. */
const EXTERNAL = ["ethers", "hash-wasm"];

interface Package {
  name: string;
  version: string;
  description: string;
  license: string;
  dependencies: Record<string, string>;
}

async function readPackage(folder: string): Promise<Package> {
  return JSON.parse(await readFile(join(ROOT, folder, "package.json"), "utf8")) as Package;
}

/** Files of this folder and those below it. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** What the sources import from the protocol's package and as .ts, the declarations import from beside them. */
async function rewriteDeclarations(): Promise<void> {
  for (const file of await filesIn(TYPES)) {
    const text = await readFile(file, "utf8");
    const toProtocol = relative(dirname(file), join(TYPES, "protocol")).replace(/^(?!\.)/, "./");
    const rewritten = text
      .replaceAll(/(["'])@plasma-billing\/protocol\//g, `$1${toProtocol}/`)
      .replaceAll(/(from |import\()(["'])(\.[^"']*)\.ts\2/g, "$1$2$3.js$2");
    await writeFile(file, rewritten);
  }
}

const [sdk, protocol] = await Promise.all([readPackage("sdk"), readPackage("protocol")]);
await rm(DIST, { recursive: true, force: true });
await mkdir(DIST, { recursive: true });
await build({
  entryPoints: { index: join(SDK, "index.ts"), node: join(SDK, "node/index.ts") },
  ...{
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    outdir: DIST,
    external: [...EXTERNAL, "node:*"],
  },
  ...{ sourcemap: true, logLevel: "warning" },
});
execFileSync(
  process.execPath,
  [
    ...[TSC, "-p", join(ROOT, "tsconfig.json"), "--noEmit", "false", "--declaration", "--emitDeclarationOnly"],
    ...["--outDir", TYPES],
  ],
  { stdio: "inherit", cwd: ROOT },
);
for (const folder of await readdir(TYPES)) {
  if (folder !== "sdk" && folder !== "protocol") await rm(join(TYPES, folder), { recursive: true });
}
await rewriteDeclarations();
const { "@plasma-billing/protocol": _, ...dependencies } = sdk.dependencies;
const published = {
  ...{ name: sdk.name, version: sdk.version, description: sdk.description, license: sdk.license, type: "module" },
  exports: {
    ".": { types: "./types/sdk/index.d.ts", default: "./index.js" },
    "./node": { types: "./types/sdk/node/index.d.ts", default: "./node.js" },
  },
  sideEffects: false,
  engines: { node: ">=20" },
  dependencies: { ...dependencies, ...protocol.dependencies },
};
await writeFile(join(DIST, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
for (const file of ["README.md"]) await cp(join(SDK, file), join(DIST, file));
await cp(join(ROOT, "LICENSE"), join(DIST, "LICENSE"));
console.log(`${sdk.name} ${sdk.version} is ready in ${relative(resolve("."), DIST)}: npm publish it from there`);
