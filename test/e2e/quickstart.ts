import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { devnetAccount } from "../../scripts/devnetInfo.ts";
import { eventually, freePort } from "../helpers/operatorProcess.ts";
import { type ScriptRun, runScript } from "../helpers/script.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DAY = 86_400;

describe("the quick starts of docs/QUICKSTART.md", function () {
  this.timeout(400_000);
  let folder: string;
  let start: ScriptRun;
  let devnet: any;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "plasma-quickstart-"));
    const settings = {
      DATA_DIR: join(folder, "data"),
      DEVNET_PORT: String(await freePort()),
      PORT: String(await freePort()),
    };
    start = runScript(["scripts/start.ts"], { ...settings, ETHEREUM_POLL_MS: "100" });
    await eventually("npm start has told everything", 90_000, async () =>
      start.stdout().includes("Ctrl-C ends everything"),
    );
    devnet = JSON.parse(await readFile(join(folder, "data", "devnet", "devnet.json"), "utf8"));
    // A newcomer's folder, with the project's commands.
    for (const name of [
      "node_modules",
      "package.json",
      "scripts",
      "artifacts",
      "protocol",
      "sdk",
      "cli",
      "package-lock.json",
    ]) {
      await symlink(join(ROOT, name), join(folder, name));
    }
    await mkdir(join(folder, "homes"));
  });
  after(async () => {
    start?.signal("SIGINT");
    await start?.exited;
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs commands in one shell that stops at the first that fails. */
  async function shell(commands: string): Promise<{ code: number; output: string }> {
    const script = join(folder, "quickstart.sh");
    await writeFile(script, commands);
    const child = spawn("bash", ["-e", script], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...{ PATH: `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"]}`, HOME: folder },
        ...{ OPERATOR_URL: devnet.operatorUrl, L1_RPC_URL: devnet.rpcUrl, DATA_DIR: join(folder, "data") },
        ...{ TOKEN: devnet.testToken, ADMIN_TOKEN: devnet.adminToken },
      },
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise<number>((resolve) => child.once("close", (status) => resolve(status ?? 1)));
    return { code, output };
  }

  it("every command does what it says, on a devnet of its own", async () => {
    const text = await readFile(join(ROOT, "docs/QUICKSTART.md"), "utf8");
    const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block = ""]) => block);
    expect(blocks.length).to.be.greaterThan(7);
    // What npm start printed is in the environment; everything else runs as it stands, in one shell.
    const commands = blocks.filter((block) => !block.includes("=…"));
    expect(blocks.length - commands.length).to.equal(1);
    expect(text).to.contain(devnetAccount(18).privateKey);
    const { code, output } = await shell(commands.map((block) => `set -x\n${block}`).join("\n"));
    expect(code, output).to.equal(0);
    for (const said of [
      // A GiB for 30 days at 0.01; 100 - 0.3 + 70 % of 12.5 + 0.5; 50 - 12.5; 2 - 0.25.
      "0.3 PTT",
      "12.5 PTT",
      "37.5 PTT",
      "leads to block 1 as the contract has it",
      "1.75 ether",
      "3.125 PTT",
      "exits started",
    ]) {
      expect(output, output).to.contain(said);
    }
  });

  it("and when the exit period has passed, the same command ends it", async () => {
    for (const [method, params] of [
      ["evm_increaseTime", [15 * DAY]],
      ["evm_mine", []],
    ] as const) {
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
      await fetch(devnet.rpcUrl, { method: "POST", headers: { "content-type": "application/json" }, body });
    }
    const { code, output } = await shell(
      [
        "export PLASMA_PASSWORD_FILE=password PLASMA_HOME=homes/validator OPERATOR_URL=http://nobody.invalid",
        "npx plasma exit --kit validator.kit.json --json",
      ].join("\n"),
    );
    expect(code, output).to.equal(0);
    const { items } = JSON.parse(output.slice(output.indexOf("{")));
    expect(items.length).to.be.greaterThan(0);
    expect(new Set(items.map((item: any) => item.state)), output).to.deep.equal(new Set(["finalized"]));
  });

  it("what is wrong is said in one line, with an exit code", async () => {
    const plasma = async (...args: string[]): Promise<string> => {
      const { code, output } = await shell(
        `export PLASMA_PASSWORD_FILE=password PLASMA_HOME=homes/mart\nnpx plasma ${args.join(" ")}`,
      );
      expect(code, output).to.equal(1);
      return output.trim();
    };
    const to = devnet.operator;
    expect(await plasma("send", to, "0")).to.match(/^USAGE: no amount of ether: 0/);
    expect(await plasma("send", to, "1e3")).to.match(/^USAGE: no amount/);
    expect(await plasma("send", "0x12", "1")).to.match(/^USAGE: no address/);
    expect(await plasma("send", to, "1000000", devnet.testToken)).to.match(/^INSUFFICIENT_FUNDS: /);
    expect(await plasma("purchase", "nothing")).to.match(/^NOT_FOUND: /);
    expect(await plasma("keys", "new")).to.match(/^USAGE: .* is there already/);
    expect(await plasma("--operator", "http://127.0.0.1:9", "balance")).to.match(/^UNREACHABLE: /);
    expect(await plasma("exit", "--kit", "password")).to.match(/^KIT_DAMAGED: /);
    expect(await plasma("frobnicate")).to.match(/^error: unknown command/);
    expect(await plasma("--json", "send", to, "0")).to.match(/^\{"code":"USAGE"/);
  });
});
