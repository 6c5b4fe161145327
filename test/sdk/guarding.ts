import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { encryptKeystoreJson, Wallet as Key } from "ethers";
import { pino } from "pino";
import { Guarding, WatcherError, type SignedAuthorization, type Wallet } from "@plasma-billing/sdk";
import { encodeStartDepositExits, encodeStartStandardExits } from "@plasma-billing/ethereum/exitStarts.ts";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import { Guard } from "../../watcher/guard/guard.ts";
import { FindingStream } from "../../watcher/http/stream.ts";
import { createServer } from "../../watcher/http/server.ts";
import { devKey } from "../helpers/chain.ts";
import { HandmadeChain } from "../helpers/guardStage.ts";
import { MarketStage } from "../helpers/marketStage.ts";

const [ALICE, BOB, WATCHER] = [2, 3, 8] as const;
const CLI = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const DAY = 86_400;

describe("sdk: a watcher is authorized to exit for a wallet", function () {
  this.timeout(240_000);
  let stage: MarketStage;
  let folder: string;
  let guard: Guard;
  let server: ReturnType<typeof createServer>;
  let url: string;
  let alice: Wallet;
  let status: Record<string, unknown>;
  /** What the watcher was handed, each time. */
  let handed: SignedAuthorization[][] = [];
  /** First amounts of the payments it was told. */
  const told: string[] = [];

  before(async () => {
    stage = await MarketStage.start();
    folder = await mkdtemp(join(tmpdir(), "plasma-guarding-"));
    alice = await stage.wallet(ALICE);
    const { domain, separator } = alice.rootChain;
    const watcher = new Key(devKey(WATCHER)).address;
    const log = pino({ level: "silent" });
    const chain = new HandmadeChain();
    guard = Guard.open({
      ...{ dataDir: folder, domain, separator, addresses: [alice.address], exits: true, log, chain: () => chain },
      signerAddress: watcher.toLowerCase() as `0x${string}`,
    });
    // As main.ts of the watcher has it: addresses with checksums.
    status = { chainId: Number(domain.chainId), contract: stage.chain.address, challenger: watcher };
    status["guarded"] = [new Key(devKey(ALICE)).address];
    server = createServer({
      ...{ status: () => status, unready: () => [], metrics: async () => await Promise.resolve("") },
      ...{
        findings: () => [],
        openFindings: () => [],
        guarded: () => guard.describe(),
        kit: async () => await Promise.resolve(null),
      },
      authorize: (list) => {
        const taken = guard.authorize(list);
        handed.push([...list]);
        return taken;
      },
      tell: (payments) => {
        const taken = guard.tell(payments);
        told.push(...payments.map((payment) => (payment as { outputs: { amount: string }[] }).outputs[0]!.amount));
        return taken;
      },
      ...{ stream: new FindingStream(), log },
    });
    url = await server.listen({ port: 0, host: "127.0.0.1" });

    await stage.fund(alice, ETHER, 1_000n);
    await stage.fund(alice, ETHER, 70n);
    const bob = await stage.wallet(BOB);
    await stage.fund(bob, ETHER, 500n);
    await alice.transfer({ to: bob.address, token: ETHER, amount: 900n });
    await stage.commitHour();
    await bob.transfer({ to: alice.address, token: ETHER, amount: 30n });
    await alice.sync();
  });
  after(async () => {
    await server?.close();
    guard?.close();
    await stage?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const codeOf = async (work: Promise<unknown>): Promise<string> => {
    const error = await work.catch((caught: unknown) => caught);
    return error instanceof WatcherError ? error.code : String(error);
  };

  it("for what it has: deposits, what blocks have, and what no block has yet; and only what is new the next time", async () => {
    handed = [];
    const guarding = new Guarding(alice, { watcher: `${url}/`, days: 10 });
    const { outputs, sent, bondOwner, deadline } = await guarding.refresh();
    expect({ outputs, sent, bondOwner }).to.deep.equal({
      ...{ outputs: 4, sent: 6, bondOwner: new Key(devKey(WATCHER)).address.toLowerCase() },
    });
    const blocks = handed
      .flat()
      .map(({ outputId, blockNumber }) => [alice.book.outputs.get(outputId)!.amount, blockNumber]);
    // The 30 in flight: for a piggyback, and for a standard exit once the open block has landed.
    expect(blocks).to.have.deep.members([
      [70n, 0],
      [100n, 1],
      // Should block 1 be bad, her payment leaves in flight: what it spends, or what it pays her.
      [1_000n, 0],
      [100n, 0],
      [30n, 0],
      [30n, 2],
    ]);
    expect(deadline - (await alice.rootChain.now())).to.be.closeTo(10 * DAY, 60);
    expect((await guarding.refresh()).sent).to.equal(0);

    await alice.transfer({ to: new Key(devKey(BOB)).address as `0x${string}`, token: ETHER, amount: 5n });
    // It pays out of the 30, which was authorized for its piggyback already.
    expect((await guarding.refresh()).sent).to.equal(2);
    const amounts = handed.at(-1)!.map(({ outputId }) => alice.book.outputs.get(outputId)!.amount);
    expect(amounts).to.deep.equal([25n, 25n]);
  });

  it("and the contract takes them from anybody, funds to the owner, the bond to the watcher", async () => {
    const all = handed.flat();
    const wordOf = (amount: bigint, block: number): SignedAuthorization =>
      all.find((one) => one.blockNumber === block && alice.book.outputs.get(one.outputId)!.amount === amount)!;
    const [committed, deposited] = [wordOf(100n, 1), wordOf(70n, 0)];
    const source = alice.book.outputs.get(committed.outputId)!.source as { hash: `0x${string}`; index: number };
    const { transaction, proof } = alice.book.payments.get(source.hash)!;
    const deposit = alice.book.deposits.get(deposited.outputId)!;
    const bond = await stage.chain.rootChain["standardExitBond"]!();
    for (const data of [
      encodeStartStandardExits([
        { output: { transaction, proof: proof!, outputIndex: source.index }, word: committed },
      ]),
      encodeStartDepositExits([{ deposit, word: deposited }]),
    ]) {
      const sent = stage.chain.wallet(7).sendTransaction({ to: stage.chain.address, data, value: bond });
      const { logs } = await stage.chain.mined(sent);
      const { owner, bondOwner } = stage.chain.rootChain.interface.parseLog(logs[0]!)!.args;
      expect([owner, bondOwner]).to.deep.equal([ALICE, WATCHER].map((index) => new Key(devKey(index)).address));
    }
  });

  it("what the watcher refuses is told by its code, and nothing of such a list is kept", async () => {
    const good = handed.flat()[0]!;
    const code = async (changes: Partial<SignedAuthorization>, list = [good]): Promise<string> => {
      const response = await fetch(`${url}/v1/authorizations`, {
        ...{ method: "POST", headers: { "content-type": "application/json" } },
        body: JSON.stringify({ authorizations: [...list, { ...good, ...changes }] }),
      });
      const { code: answered, context } = (await response.json()) as any;
      if (answered !== undefined && answered !== "MALFORMED") expect(context.index).to.equal(list.length);
      return answered ?? "taken";
    };
    const bob = new Key(devKey(BOB)).address as `0x${string}`;
    expect(await code({})).to.equal("taken");
    expect(await code({ owner: bob })).to.equal("UNAUTHORIZED");
    expect(await code({ bondOwner: bob })).to.equal("WRONG_BOND_OWNER");
    expect(await code({ deadline: 1 })).to.equal("EXPIRED");
    expect(await code({ deadline: good.deadline + 1 })).to.equal("BAD_SIGNATURE");
    expect(await code({ blockNumber: good.blockNumber + 1 })).to.equal("BAD_SIGNATURE");
    // The same signature with a v that the contract does not take.
    const v = good.signature.endsWith("1b") ? "00" : "01";
    expect(await code({ signature: `${good.signature.slice(0, -2)}${v}` as `0x${string}` })).to.equal("BAD_SIGNATURE");
    expect(await code({ signature: "0x12" })).to.equal("MALFORMED");
    expect(await code({}, Array<SignedAuthorization>(1_000).fill(good))).to.equal("MALFORMED");
  });

  it("a watcher of another contract, one that does not guard, one without a key, or none at all", async () => {
    const right = status;
    const refresh = async (changes: object, watcher = url): Promise<string> => {
      status = { ...right, ...changes };
      return await codeOf(new Guarding(alice, { watcher }).refresh());
    };
    expect(await refresh({ contract: `0x${"12".repeat(20)}` })).to.equal("WRONG_CONTRACT");
    expect(await refresh({ chainId: 1 })).to.equal("WRONG_CONTRACT");
    expect(await refresh({ guarded: [] })).to.equal("UNAUTHORIZED");
    expect(await refresh({ challenger: null })).to.equal("NO_KEY");
    expect(await refresh({}, "http://127.0.0.1:1")).to.equal("UNREACHABLE");
    status = right;
  });

  it("a wallet that is told of a watcher keeps it authorized by itself, and goes on without it", async () => {
    handed = [];
    const wallet = await stage.wallet(ALICE, { guard: { watcher: url } });
    await wallet.sync();
    expect(wallet.guarding!.problem).to.equal(null);
    const first = handed.flat().length;
    expect(first).to.be.greaterThan(0);
    await wallet.sync();
    expect(handed.flat().length).to.equal(first);
    told.length = 0;
    const { hash } = await wallet.transfer({
      to: new Key(devKey(BOB)).address as `0x${string}`,
      token: ETHER,
      amount: 3n,
    });
    await wallet.guarding!.settled;
    expect(told).to.deep.equal(["3"]);
    await stage.commitHour();
    await wallet.sync();
    expect(told).to.deep.equal(["3"]);
    expect(guard.describe()[0]!.inFlight, hash).to.equal(0);
    const alone = await stage.wallet(ALICE, { guard: { watcher: "http://127.0.0.1:1" } });
    await alone.sync();
    expect(alone.guarding!.problem!.code).to.equal("UNREACHABLE");
  });

  it("plasma guard does it from a terminal", async () => {
    handed = [];
    const keystore = join(folder, "key.json");
    const password = join(folder, "password");
    await writeFile(password, "a password\n");
    const { address, privateKey } = new Key(devKey(ALICE));
    // Quick to open: what it costs is not what is tried here.
    const quick = { scrypt: { N: 2 ** 10 }, progressCallback: (): void => undefined };
    await writeFile(keystore, await encryptKeystoreJson({ address, privateKey }, "a password", quick));
    const run = async (...args: string[]): Promise<any> => {
      const globals = ["--operator", stage.operator.url, "--rpc", stage.node.url, "--home", folder, "--json"];
      const files = ["--keystore", keystore, "--password-file", password];
      const command = [CLI, ...globals, ...files, "guard", ...args];
      return await promisify(execFile)(process.execPath, ["--no-warnings", ...command]);
    };
    const { outputs, authorizations, bondOwner } = JSON.parse((await run("--watcher", url, "--days", "7")).stdout);
    expect(authorizations).to.equal(handed.flat().length);
    expect(outputs).to.be.greaterThan(0);
    expect(bondOwner).to.equal(new Key(devKey(WATCHER)).address);
    for (const wrong of [
      ["--watcher", url, "--days", "0"],
      ["--watcher", "nowhere"],
    ]) {
      const { stderr } = await run(...wrong).catch((error: unknown) => error);
      expect(JSON.parse(stderr).code).to.equal("USAGE");
    }
  });
});
