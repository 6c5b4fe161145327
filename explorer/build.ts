// The explorer as static files: `npm run build:explorer`, and by itself before `npm start` when its sources changed.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "vite";

const FOLDER = import.meta.dirname;
const ROOT = join(FOLDER, "..");
const DIST = join(FOLDER, "dist");
/** What the files were built from; beside them, so that it comes and goes with them. */
const STAMP = ".sources";
const COMPRESSED = /\.(html|js|css|svg|json)$/;
const OPERATOR_META = '<meta name="operator" content="" />';

/** Hash of everything that goes into the files. */
async function sourcesHash(): Promise<string> {
  const folders = ["explorer/src", "protocol"];
  const listed = await Promise.all(
    folders.map(async (folder) => {
      const entries = await readdir(join(ROOT, folder), { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    }),
  );
  const single = ["explorer/index.html", "explorer/vite.config.ts", "explorer/build.ts", "package-lock.json"];
  const files = [
    ...listed.flat().filter((file) => !file.includes("node_modules")),
    ...single.map((file) => join(ROOT, file)),
  ];
  const hash = createHash("sha256");
  for (const file of files.sort())
    hash.update(relative(ROOT, file)).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

/**
 * Builds the files into a folder, each text also compressed with brotli and gzip beside it.
 * @param operator Where the API is when another server has the files, such as https://billing.example; empty: where they are.
 */
export async function buildExplorer({ out = DIST, operator = "" } = {}): Promise<void> {
  const stamp = await sourcesHash();
  // Made beside and put in place as a whole: whoever serves the old files meanwhile finds them all.
  const made = await mkdtemp(`${out}.`);
  try {
    await build({ root: FOLDER, logLevel: "warn", build: { outDir: made, emptyOutDir: true } });
    const index = join(made, "index.html");
    const html = await readFile(index, "utf8");
    if (!html.includes(OPERATOR_META)) throw new Error(`${index} lacks ${OPERATOR_META}`);
    await writeFile(index, html.replace(OPERATOR_META, `<meta name="operator" content="${operator}" />`));
    for (const name of await readdir(made, { recursive: true })) {
      if (COMPRESSED.test(name)) await compress(join(made, name));
    }
    await writeFile(join(made, STAMP), stamp);
    // A temporary folder is its maker's alone; whoever serves it may be somebody else.
    await chmod(made, 0o755);
    await rm(out, { recursive: true, force: true });
    await rename(made, out);
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

async function compress(file: string): Promise<void> {
  const bytes = await readFile(file);
  const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
  await writeFile(`${file}.br`, brotliCompressSync(bytes, { params }));
  await writeFile(`${file}.gz`, gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }));
}

/** Builds the files unless they are there as the sources would make them. */
export async function ensureExplorer(): Promise<void> {
  const built = await readFile(join(DIST, STAMP), "utf8").catch(() => null);
  if (built !== (await sourcesHash())) await buildExplorer();
}

/** @throws Error for what is no address of an operator */
function readOperator(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "" || /["<>&]/.test(text)) {
    throw new Error(`--operator must be an http(s) URL, not ${text}`);
  }
  return text.replace(/\/+$/, "");
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { operator: { type: "string" }, out: { type: "string" } } });
  const out = values.out === undefined ? DIST : resolve(values.out);
  await buildExplorer({ out, operator: values.operator === undefined ? "" : readOperator(values.operator) });
  process.stdout.write(`the explorer is ready in ${relative(".", out)}\n`);
}
