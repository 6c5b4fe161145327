import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { build } from "esbuild";
import { runScript } from "../helpers/script.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TSC = createRequire(import.meta.url).resolve("typescript/bin/tsc");

describe("sdk: as it is published", function () {
  this.timeout(180_000);
  let folder: string;

  before(async () => {
    const built = runScript(["scripts/buildSdk.ts"], {});
    expect(await built.exited, built.stderr()).to.equal(0);
    // Somebody else's project, with nothing of ours but the package.
    folder = await mkdtemp(join(tmpdir(), "plasma-consumer-"));
    await mkdir(join(folder, "node_modules", "@plasma-billing"), { recursive: true });
    await cp(join(ROOT, "sdk", "dist"), join(folder, "node_modules", "@plasma-billing", "sdk"), { recursive: true });
    for (const name of ["ethers", "hash-wasm"]) {
      await symlink(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
    }
    await writeFile(join(folder, "package.json"), '{"type":"module"}');
  });
  after(async () => await rm(folder, { recursive: true, force: true }));

  it("runs in Node as plain JavaScript", async () => {
    const code = `
      import { decodeKit, encodeKit, memoryStore, OperatorClient, Wallet, WalletError } from "@plasma-billing/sdk";
      import { fileStore } from "@plasma-billing/sdk/node";
      const refused = await new OperatorClient("http://127.0.0.1:9", { retries: 0 }).status().catch((error) => error.code);
      let kit = "none";
      try { decodeKit("{}"); } catch (error) { kit = error instanceof WalletError ? error.code : "another"; }
      console.log(refused, kit, typeof Wallet.open, typeof fileStore, typeof memoryStore, typeof encodeKit);`;
    await writeFile(join(folder, "main.mjs"), code);
    const said = execFileSync(process.execPath, ["--no-experimental-strip-types", "main.mjs"], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(said.trim()).to.equal("UNREACHABLE KIT_DAMAGED function function function function");
  });

  it("has types of its own", async () => {
    const code = `
      import { Wallet, type ExitKit, type Paid } from "@plasma-billing/sdk";
      import { fileStore } from "@plasma-billing/sdk/node";
      export async function pay(wallet: Wallet): Promise<bigint> {
        const paid: Paid = await wallet.transfer({ to: "0x00", token: "0x00", amount: 1n });
        const kit: ExitKit = wallet.kit();
        return BigInt(kit.outputs.length) + paid.transaction.outputs[0]!.amount;
      }
      // @ts-expect-error an amount is a bigint
      export const wrong = async (wallet: Wallet) => await wallet.transfer({ to: "0x00", token: "0x00", amount: 1 });
      export const store = fileStore("file");`;
    await writeFile(join(folder, "main.ts"), code);
    const flags = [
      "--strict",
      "--noEmit",
      "--module",
      "nodenext",
      "--target",
      "es2022",
      "--skipLibCheck",
      "--preserveSymlinks",
    ];
    execFileSync(process.execPath, [TSC, ...flags, "main.ts"], { cwd: folder, stdio: "pipe" });
  });

  it("fits a browser: nothing of Node in it", async () => {
    const { outputFiles, warnings } = await build({
      ...{ stdin: { contents: 'export * from "@plasma-billing/sdk"', resolveDir: folder } },
      ...{ bundle: true, write: false, format: "esm", platform: "browser", minify: true },
      ...{ logLevel: "silent", target: "es2022" },
    });
    expect(warnings).to.deep.equal([]);
    expect(outputFiles[0]!.text).to.not.match(/from"node:|require\("node:/);
    const { exports } = JSON.parse(await readFile(join(ROOT, "sdk", "dist", "package.json"), "utf8"));
    expect(Object.keys(exports)).to.deep.equal([".", "./node"]);
  });
});
