import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { type Server, createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { eventually, freePort } from "../helpers/operatorProcess.ts";
import { type ScriptRun, runScript } from "../helpers/script.ts";

const START = ["scripts/start.ts"];
const ADMIN_TOKEN = "an-administrator-of-the-tests";

describe("npm start and npm run demo", function () {
  this.timeout(180_000);
  let folder: string;
  let settings: Record<string, string>;
  let running: ScriptRun | null = null;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "plasma-start-"));
    settings = { DATA_DIR: folder, DEVNET_PORT: String(await freePort()), PORT: String(await freePort()) };
  });
  afterEach(async () => {
    running?.signal("SIGKILL");
    running = null;
    await rm(folder, { recursive: true, force: true });
  });

  async function refusal(more: Record<string, string>): Promise<string> {
    const run = runScript(START, { ...settings, ...more });
    expect(await run.exited).to.equal(1);
    const lines = run.stderr().trim().split("\n");
    expect(lines).to.have.length(1);
    return lines[0] ?? "";
  }

  it("starts a devnet, tells where everything is, plays the hour twice on it, and ends at Ctrl-C within seconds", async () => {
    const run = runScript(START, { ...settings, ADMIN_TOKEN });
    running = run;
    await eventually("npm start has told everything", 90_000, async () =>
      run.stdout().includes("Ctrl-C ends everything"),
    );
    const file = join(folder, "devnet", "devnet.json");
    const devnet = JSON.parse(await readFile(file, "utf8"));
    expect((await stat(file)).mode & 0o777).to.equal(0o600);
    expect(devnet).to.include({ chainId: 31_337, adminToken: ADMIN_TOKEN });
    for (const name of ["rpcUrl", "rootChain", "testToken", "deployer", "operator", "operatorUrl", "adminToken"]) {
      expect(run.stdout(), name).to.include(devnet[name]);
    }
    const status: any = await (await fetch(`${devnet.operatorUrl}/v1/status`)).json();
    expect(run.stdout()).to.include(new Date(status.nextCommitAt).toISOString());
    const page = await fetch(devnet.operatorUrl);
    expect([page.status, page.headers.get("content-type")]).to.deep.equal([200, "text/html; charset=utf-8"]);
    expect(await page.text()).to.match(/src="\/assets\/index-[\w-]+\.js"/);

    for (let hour = 1; hour <= 2; hour++) {
      const demo = runScript(["scripts/demo.ts"], { DATA_DIR: folder });
      expect(await demo.exited, demo.stderr()).to.equal(0);
      for (const told of [`block ${hour} is`, "her bond lost", "carol received 71000000000000000 wei"]) {
        expect(demo.stdout()).to.include(told);
      }
    }

    const asked = Date.now();
    run.signal("SIGINT");
    run.signal("SIGINT");
    expect(await run.exited).to.equal(0);
    expect(Date.now() - asked).to.be.below(5_000);
    await fetch(`${devnet.operatorUrl}/healthz`).then(
      () => expect.fail("the operator still answers"),
      () => undefined,
    );
    await fetch(devnet.rpcUrl).then(
      () => expect.fail("the node still answers"),
      () => undefined,
    );
  });

  it("says in one line what to do when a port is in use or half of the settings are there", async () => {
    for (const setting of ["DEVNET_PORT", "PORT"]) {
      const server: Server = createServer().listen(Number(settings[setting]), "127.0.0.1");
      await once(server, "listening");
      expect(await refusal({})).to.match(new RegExp(`port ${settings[setting]} is in use.*set ${setting}`));
      server.close();
      await once(server, "close");
    }
    expect(await refusal({ PORT: "66000" })).to.include("PORT must be");
    expect(await refusal({ L1_RPC_URLS: "http://127.0.0.1:1" })).to.include("ROOT_CHAIN_ADDRESS is not");
    expect(await refusal({ ROOT_CHAIN_ADDRESS: `0x${"11".repeat(20)}` })).to.include("L1_RPC_URLS is not");
  });

  it("runs the operator alone against a chain that is named, whose own words and exit code come through", async () => {
    const rpc = { L1_RPC_URLS: `http://127.0.0.1:${await freePort()}`, ROOT_CHAIN_ADDRESS: `0x${"11".repeat(20)}` };
    expect(await refusal({ ...rpc, OPERATOR_PRIVATE_KEY: `0x${"11".repeat(32)}` })).to.match(/^ETHEREUM_UNREACHABLE: /);
  });

  it("sends whoever plays the demo without it to npm start", async () => {
    const demo = runScript(["scripts/demo.ts"], { DATA_DIR: folder });
    expect(await demo.exited).to.equal(1);
    expect(demo.stderr()).to.match(/^demo: .*npm start/);
  });
});
