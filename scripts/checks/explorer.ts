// The explorer builds, and what a reader loads before anything is seen stays small: the page, what it names, and the charts that
// its first page asks for.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildExplorer } from "../../explorer/build.ts";

/** Compressed with gzip, which every browser takes. */
const FIRST_LOAD_BYTES_MAX = 200_000;

const folder = await mkdtemp(join(tmpdir(), "plasma-explorer-"));
try {
  const out = join(folder, "dist");
  await buildExplorer({ out });
  const html = await readFile(join(out, "index.html"), "utf8");
  const named = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map(([, path = ""]) => path);
  const charts = (await readdir(join(out, "assets"))).filter((name) => /^Charts-.*\.(js|css)$/.test(name));
  const loaded = new Set(["index.html", ...named, ...charts.map((name) => `assets/${name}`)]);
  // What these import, and theirs.
  for (const path of loaded) {
    if (!path.endsWith(".js")) continue;
    for (const [, name = ""] of (await readFile(join(out, path), "utf8")).matchAll(/from"\.\/([\w-]+\.js)"/g)) {
      loaded.add(`assets/${name}`);
    }
  }
  const sizes = await Promise.all([...loaded].map(async (path) => (await readFile(join(out, `${path}.gz`))).length));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const told = `the first load is ${bytes} bytes in ${loaded.size} files (${[...loaded].join(", ")})`;
  if (named.length < 2 || charts.length < 2) throw new Error(`something is missing of the page: ${told}`);
  if (bytes > FIRST_LOAD_BYTES_MAX) throw new Error(`${told}: at most ${FIRST_LOAD_BYTES_MAX} are allowed`);
  console.log(told);
} finally {
  await rm(folder, { recursive: true });
}
