// The ABI the processes load is the compiled contract's: `node scripts/checks/abi.ts`, `--write` brings it up to date.
import { readFile, writeFile } from "node:fs/promises";

const ARTIFACT = new URL("../../artifacts/contracts/RootChain.sol/RootChain.json", import.meta.url);
const COMMITTED = new URL("../../protocol/RootChain.abi.json", import.meta.url);

const { abi } = JSON.parse(await readFile(ARTIFACT, "utf8")) as { abi: unknown[] };
// One entry a line, so that a change shows in its diff.
const expected = `[\n${abi.map((entry) => `  ${JSON.stringify(entry)}`).join(",\n")}\n]\n`;
const committed = await readFile(COMMITTED, "utf8").catch(() => null);
if (committed === expected) {
  console.log("protocol/RootChain.abi.json is the contract's ABI");
} else if (process.argv.includes("--write")) {
  await writeFile(COMMITTED, expected);
  console.log("protocol/RootChain.abi.json written");
} else {
  console.error("protocol/RootChain.abi.json is not the contract's ABI: run node scripts/checks/abi.ts --write");
  process.exitCode = 1;
}
