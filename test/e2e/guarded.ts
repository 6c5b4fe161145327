import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import { decodeKit, Guarding } from "@plasma-billing/sdk";
import { devKey } from "../helpers/chain.ts";
import { EXIT_PERIOD_SECONDS, MarketStage } from "../helpers/marketStage.ts";
import { type OperatorProcess, eventually, freePort, startWatcher } from "../helpers/operatorProcess.ts";

const WAIT_MS = 60_000;
/** Development accounts; the operator commits with 1. */
const [ALICE, BOB, WATCHER] = [2, 3, 8] as const;

describe("a holder who is asleep while the operator withholds a block", function () {
  this.timeout(240_000);
  let stage: MarketStage;
  let folder: string;
  let watcher: OperatorProcess | undefined;
  before(async () => {
    stage = await MarketStage.start();
    folder = await mkdtemp(join(tmpdir(), "plasma-guarded-"));
  });
  after(async () => {
    await watcher?.kill();
    await stage?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  it("has all of it on Ethereum in the end, the watcher killed in between", async () => {
    const [alice, bob] = [await stage.wallet(ALICE), await stage.wallet(BOB)];
    const settings = {
      ...{ L1_RPC_URLS: stage.node.url, ROOT_CHAIN_ADDRESS: stage.chain.address, DEPOSIT_FINALITY: "1" },
      ...{ ETHEREUM_POLL_MS: "100", OPERATOR_POLL_MS: "100", OPERATOR_URL: stage.operator.url },
      ...{
        ROOT_CHAIN_FROM_BLOCK: String(stage.chain.deploymentBlock),
        DATA_DIR: folder,
        PORT: String(await freePort()),
      },
      ...{ WATCHER_PRIVATE_KEY: devKey(WATCHER), GUARD_EXITS: "yes", GUARDED_ADDRESSES: alice.address },
    };
    watcher = await startWatcher(settings);
    const shown = async (): Promise<any> => (await watcher!.get("/v1/guarded")).body.items[0];

    await stage.fund(alice, ETHER, 1_000n);
    await stage.fund(alice, ETHER, 50n);
    await stage.fund(alice, stage.token, 7_000n);
    await stage.fund(bob, ETHER, 500n);
    // Of the 1,000 she has 600 in a block; of what bob has there he pays her 150 in the open hour.
    await alice.transfer({ to: bob.address, token: ETHER, amount: 400n });
    await stage.commitHour();
    await bob.sync();
    await bob.transfer({ to: alice.address, token: ETHER, amount: 150n });
    await alice.sync();
    await eventually("the watcher knows what she has", WAIT_MS, async () => {
      const { outputs, proven } = await shown();
      return outputs === 4 && proven === 3;
    });
    const { outputs } = await new Guarding(alice, { watcher: watcher.url }).refresh();
    // Beside what she has, what her payment spent: should its block be bad, it leaves in flight.
    expect(outputs).to.equal(5);
    expect(await shown()).to.include({ authorized: 4, unauthorized: 0 });
    const kit = decodeKit(await readFile((await shown()).kit, "utf8"));
    expect([...kit.outputs].sort()).to.deep.equal([...alice.kit().outputs].sort());
    expect((await watcher.get("/v1/findings")).body.items).to.deep.equal([]);

    // She sleeps from here on. Whoever has the operator's key commits what nobody is shown.
    const { provider, chain } = stage;
    const before = [await provider.getBalance(alice.address), await chain.token["balanceOf"]!(alice.address)];
    await stage.operator.kill();
    const operator = chain.rootChain.connect(chain.wallet(1)) as any;
    await chain.mined(operator.commitBlock(await operator.nextBlockNumber(), `0x${"ab".repeat(32)}`, 7));
    const open = async (): Promise<string[]> => {
      const { items } = (await watcher!.get("/v1/findings?state=open")).body;
      return items.map(({ name }: { name: string }) => name);
    };
    // Were it old when it is first missed, the operator would get longer.
    await eventually("the block is missed", WAIT_MS, async () => (await open()).includes("withheldBlock"));
    await chain.passTime(EXIT_PERIOD_SECONDS / 8 + 1);
    const count = async (name: string): Promise<number> =>
      (await chain.rootChain.queryFilter(chain.rootChain.filters[name]!())).length;
    await eventually("an exit is started", WAIT_MS, async () => {
      await chain.mine();
      return (await count("ExitStarted")) > 0;
    });
    await watcher.kill();
    watcher = await startWatcher(settings);
    await eventually("all exits are started", WAIT_MS, async () => {
      await chain.mine();
      return (await count("ExitStarted")) + (await count("Piggybacked")) === 4;
    });
    await eventually("it tells why, and what is on its way", WAIT_MS, async () => {
      const names = await open();
      return names.includes("withheldBlock") && names.includes("guardedExit");
    });
    expect(await open()).not.to.include("guardedExitMissing");

    await chain.passTime(3 * EXIT_PERIOD_SECONDS);
    await eventually("she is paid", WAIT_MS, async () => {
      await chain.mine();
      return (await shown()).outputs === 0;
    });
    expect((await provider.getBalance(alice.address)) - before[0]).to.equal(800n);
    expect((await chain.token["balanceOf"]!(alice.address)) - before[1]).to.equal(7_000n);
    expect([await count("ExitStarted"), await count("InFlightExitStarted"), await count("Piggybacked")]).to.deep.equal([
      ...[3, 1, 1],
    ]);
  });
});
