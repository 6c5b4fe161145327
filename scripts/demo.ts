// `npm run demo`: an hour of the child chain with real wallets, against the operator of `npm start`. It uses nothing but
// the operator's HTTP API, an Ethereum node, and the protocol; what the operator says is checked, not believed.
import { AbiCoder, type BaseWallet, Contract, formatEther, formatUnits, parseEther, parseUnits, Wallet } from "ethers";
import { type BlockHeader, blockHash } from "@plasma-billing/protocol/header.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { verifyProof } from "@plasma-billing/protocol/merkle.ts";
import { ETHER, depositHash, outputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Chain, DemoError, Operator, type Payment, eventually, readDemoSettings } from "./demoClient.ts";
import { readArtifact } from "./deployment.ts";

const FUNDS = parseEther("1");
const ETHER_DEPOSIT = parseEther("0.5");
const TOKEN_DEPOSIT = parseUnits("1000", 18);
const DEVNET_CHAIN_ID = 31337n;
const CREDIT_MS_MAX = 30 * 60_000;
const COMMIT_MS_MAX = 70 * 60_000;
const NOTICE_MS_MAX = 60_000;
const STANDARD_EXIT =
  "tuple(uint40 number,address owner,address token,uint256 amount,address bondOwner,uint216 depositRecord)";
// The exit's time in a queue key of 34 bits time, 30 block, 23 index + 1, 1 kind, 40 number.
const PRIORITY_TIME_SHIFT = 94n;

let step = 0;
const title = (text: string): void => console.log(`\n${++step}. ${text}`);
const say = (text: string): void => console.log(`   ${text}`);
const ether = (wei: bigint): string => `${formatEther(wei)} ether`;
const tokens = (units: bigint): string => `${formatUnits(units, 18)} PTT`;
const lower = (wallet: BaseWallet): Address => wallet.address.toLowerCase() as Address;

const settings = await readDemoSettings(process.env).catch(fail);
const operator = new Operator(settings.operatorUrl);

interface Cast {
  chain: Chain;
  alice: BaseWallet;
  bob: BaseWallet;
  carol: BaseWallet;
  token: Contract | null;
}

async function meet(): Promise<Cast> {
  title("Who is there");
  const status = await operator.get("/v1/status");
  const chain = await Chain.connect(settings.rpcUrl, status);
  say(`operator ${operator.url}, contract ${String(status["contract"])}, chain ${chain.chainId}`);
  say(`open block ${JSON.stringify(status["openBlock"])}`);
  const funder = new Wallet(settings.funderKey, chain.provider);
  const create = async (name: string): Promise<BaseWallet> => {
    const wallet = Wallet.createRandom(chain.provider);
    await (await funder.sendTransaction({ to: wallet.address, value: FUNDS })).wait();
    say(`${name.padEnd(5)} ${wallet.address}, a new wallet with ${ether(FUNDS)} on Ethereum`);
    return wallet;
  };
  const [alice, bob, carol] = [await create("alice"), await create("bob"), await create("carol")];
  if (settings.testToken === null) return { chain, alice, bob, carol, token: null };
  const { abi } = await readArtifact("mocks/TestToken.sol/TestToken");
  return { chain, alice, bob, carol, token: new Contract(settings.testToken, abi, chain.provider) };
}

/** Alice deposits; resolves with the ids of the outputs the child chain gives her. */
async function deposit({ chain, alice, token }: Cast): Promise<{ ether: Hex; token: Hex | null }> {
  title("Alice deposits");
  const credited = async (id: bigint, tokenAddress: Address, amount: bigint, what: string): Promise<Hex> => {
    say(`${what}: deposit ${id}; waiting until the operator credits it`);
    await eventually(`deposit ${id} is credited`, CREDIT_MS_MAX, async () => {
      const items = await operator.items("/v1/deposits?limit=1000");
      return items.find((item) => BigInt(item["id"] as number) === id && item["state"] === "credited") ?? null;
    });
    const output = outputId(depositHash(chain.separator, { id, owner: lower(alice), token: tokenAddress, amount }), 0);
    say(`credited: output ${output}`);
    return output;
  };
  const receipt = await chain.send(alice, "depositEther", [alice.address, { value: ETHER_DEPOSIT }]);
  const etherId = chain.event(receipt, "Deposited")["id"] as bigint;
  const etherOutput = await credited(etherId, ETHER, ETHER_DEPOSIT, ether(ETHER_DEPOSIT));
  if (token === null) return { ether: etherOutput, token: null };

  const tokenAddress = (await token.getAddress()).toLowerCase() as Address;
  await chain.send(alice, "mint", [alice.address, TOKEN_DEPOSIT], token);
  await chain.send(alice, "approve", [chain.address, TOKEN_DEPOSIT], token);
  const second = await chain.send(alice, "deposit", [tokenAddress, TOKEN_DEPOSIT, alice.address]);
  const tokenId = chain.event(second, "Deposited")["id"] as bigint;
  return { ether: etherOutput, token: await credited(tokenId, tokenAddress, TOKEN_DEPOSIT, tokens(TOKEN_DEPOSIT)) };
}

async function submit(payment: Payment, what: string): Promise<void> {
  const { status, body } = await operator.post("/v1/transactions", payment.json);
  if (status !== 201) throw new DemoError(`${what}: ${status} ${JSON.stringify(body)}`);
  if (body["hash"] !== payment.hash) throw new DemoError(`the operator's hash of it is ${String(body["hash"])}`);
  say(what);
  say(
    `  → ${String(body["state"])}: block ${String(body["blockNumber"])}, place ${String(body["transactionIndex"])}, ${payment.hash}`,
  );
}

async function refused(payment: Payment, code: string, what: string): Promise<void> {
  const { status, body } = await operator.post("/v1/transactions", payment.json);
  if (body["code"] !== code) throw new DemoError(`${what}: expected ${code}, got ${status} ${JSON.stringify(body)}`);
  say(`${what}\n     → refused: ${status} ${code}`);
}

/** Payments of one hour; resolves with the one to Carol. */
async function pay(cast: Cast, outputs: { ether: Hex; token: Hex | null }): Promise<Payment> {
  const { chain, alice, bob, carol, token } = cast;
  title("They pay each other: signed, durable and answered at once, with nothing on Ethereum");
  const [toBob, toCarol] = [parseEther("0.2"), parseEther("0.05")];
  const to = (
    wallet: BaseWallet,
    amount: bigint,
    of: Address = ETHER,
  ): { owner: Address; token: Address; amount: bigint } => ({
    owner: lower(wallet),
    token: of,
    amount,
  });
  const first = await chain.pay([outputs.ether], [to(bob, toBob), to(alice, ETHER_DEPOSIT - toBob)], [alice]);
  await submit(first, `alice pays bob ${ether(toBob)} and keeps the change`);
  const second = await chain.pay([outputId(first.hash, 0)], [to(carol, toCarol), to(bob, toBob - toCarol)], [bob]);
  await submit(second, `bob pays carol ${ether(toCarol)} out of that, which no block holds yet`);
  if (token !== null && outputs.token !== null) {
    const of = (await token.getAddress()).toLowerCase() as Address;
    const part = parseUnits("400", 18);
    const third = await chain.pay([outputs.token], [to(carol, part, of), to(alice, TOKEN_DEPOSIT - part, of)], [alice]);
    await submit(third, `alice pays carol ${tokens(part)}`);
  }
  const again = await operator.post("/v1/transactions", first.json);
  say(`the first payment sent again → ${again.status}, the same answer, no second effect`);
  const twice = await chain.pay([outputs.ether], [to(alice, ETHER_DEPOSIT)], [alice]);
  await refused(twice, "INPUT_SPENT", "alice tries to spend her deposit a second time");
  return second;
}

async function commit(payment: Payment): Promise<void> {
  title("The hour ends: one Merkle root goes to Ethereum");
  if (settings.adminToken === null) {
    say("no ADMIN_TOKEN: waiting for the hour");
  } else {
    const { status, body } = await operator.post(
      "/v1/admin/commit",
      {},
      { authorization: `Bearer ${settings.adminToken}` },
    );
    if (status >= 300) throw new DemoError(`POST /v1/admin/commit: ${status} ${JSON.stringify(body)}`);
    say("an administrator asked for it now (POST /v1/admin/commit)");
  }
  const landed = await eventually("the block is committed", COMMIT_MS_MAX, async () => {
    const shown = await operator.get(`/v1/transactions/${payment.hash}`);
    return shown["state"] === "accepted" ? null : shown;
  });
  say(`block ${String(landed["blockNumber"])} is ${String(landed["state"])} by ${String(landed["commitTransaction"])}`);
}

interface Proof {
  header: BlockHeader;
  index: number;
  siblings: Hex[];
}

async function prove({ chain }: Cast, payment: Payment): Promise<Proof> {
  title("Carol takes her proof and checks it");
  const proof = (await operator.get(`/v1/transactions/${payment.hash}/proof`)) as unknown as Proof;
  const { header, index, siblings } = proof;
  if (!verifyProof(header.transactionsRoot, payment.hash, index, header.transactionCount, siblings)) {
    throw new DemoError("the proof does not lead to the block's root");
  }
  say(`leaf ${index} of ${header.transactionCount}, ${siblings.length} siblings: leads to ${header.transactionsRoot}`);
  const kept = await chain.view<string>("blockHashes", header.number);
  if (kept !== blockHash(header)) throw new DemoError(`the contract keeps ${kept} for block ${header.number}`);
  say(`the header's hash is what the contract keeps: ${kept}`);
  return proof;
}

/** Carol leaves with her proof; the operator is not asked. */
async function exit({ chain, bob, carol }: Cast, payment: Payment, proof: Proof): Promise<Record<string, unknown>> {
  title("Carol leaves: she starts an exit on Ethereum, without the operator");
  const bond = await chain.view<bigint>("standardExitBond");
  const receipt = await chain.send(carol, "startStandardExit", [payment.solidity, proof, 0, { value: bond }]);
  const started = chain.event(receipt, "ExitStarted");
  say(
    `exit ${String(started["number"])} of ${ether(started["amount"] as bigint)}, bond ${ether(bond)}, ${receipt.gasUsed} gas`,
  );
  const id = outputId(payment.hash, 0);
  await eventually("the operator sees the exit", NOTICE_MS_MAX, () => outputIn(carol, id, "exiting"));
  const spend = await chain.pay(
    [id],
    [{ owner: lower(bob), token: ETHER, amount: started["amount"] as bigint }],
    [carol],
  );
  await refused(spend, "INPUT_EXITING", "the operator saw it; carol tries to pay bob with the same output");
  return started;
}

/** What an exit of a spent output comes to where somebody challenges: the devnet's operator does. */
async function cheat({ chain, alice }: Cast): Promise<void> {
  title("Alice tries to take out her deposit, which she has spent");
  if (chain.chainId !== DEVNET_CHAIN_ID) {
    say("left out here: it costs her bond if the operator challenges, and if nobody does somebody else's money");
    return;
  }
  const bond = await chain.view<bigint>("standardExitBond");
  const [id] = (await operator.items("/v1/deposits?limit=1000"))
    .filter((item) => item["owner"] === alice.address && item["token"] === ETHER)
    .map((item) => BigInt(item["id"] as number));
  const terms = { id, owner: alice.address, token: ETHER, amount: ETHER_DEPOSIT };
  const receipt = await chain.send(alice, "startDepositExit", [terms, { value: bond }]);
  const { number } = chain.event(receipt, "ExitStarted");
  say(`exit ${String(number)} of ${ether(ETHER_DEPOSIT)}, bond ${ether(bond)}`);
  await eventually("the exit is challenged", NOTICE_MS_MAX, async () => {
    const items = await operator.items("/v1/exits?limit=1000");
    return items.find((item) => item["number"] === Number(number) && item["state"] === "challenged") ?? null;
  });
  say("the operator showed Ethereum the payment she signed: the exit is cancelled, her bond lost");
}

async function outputIn(owner: BaseWallet, id: Hex, state: string): Promise<true | null> {
  const items = await operator.items(`/v1/accounts/${owner.address}/outputs?limit=1000`);
  return items.some((item) => item["id"] === id && item["state"] === state) ? true : null;
}

async function withdraw({ chain, bob, carol }: Cast, started: Record<string, unknown>): Promise<void> {
  title("The exit period passes, and the exit is paid");
  const exitableAt = Number((started["priority"] as bigint) >> PRIORITY_TIME_SHIFT);
  const now = (await chain.provider.getBlock("latest"))?.timestamp ?? 0;
  if (chain.chainId !== DEVNET_CHAIN_ID) {
    say(
      `on this chain nobody can move the clock: processExits pays it from ${new Date(exitableAt * 1000).toISOString()} on`,
    );
    return;
  }
  await chain.provider.send("evm_increaseTime", [Math.max(exitableAt - now, 0) + 1]);
  await chain.provider.send("evm_mine", []);
  say(`the devnet's clock moved on by ${((exitableAt - now) / 86_400).toFixed(1)} days`);
  const exits = await queueUpTo(chain, started);
  const before = await chain.provider.getBalance(carol.address);
  const receipt = await chain.send(bob, "processExits", [ETHER, exits]);
  const received = (await chain.provider.getBalance(carol.address)) - before;
  const [bond, bounty] = [await chain.view<bigint>("standardExitBond"), await chain.view<bigint>("bounty")];
  if (received !== (started["amount"] as bigint) + bond - bounty)
    throw new DemoError(`carol received ${ether(received)}`);
  say(`bob called processExits (${receipt.gasUsed} gas) and earned the bounty of ${ether(bounty)}`);
  say(`carol received ${received} wei: ${ether(started["amount"] as bigint)} and her bond less the bounty`);
  await eventually("the operator shows it", NOTICE_MS_MAX, () =>
    outputIn(carol, started["outputId"] as Hex, "withdrawn"),
  );
  say("the operator shows the output as withdrawn");
}

/** The queue's entries up to this exit, in its order: those of earlier runs may stand before it. */
async function queueUpTo(chain: Chain, started: Record<string, unknown>): Promise<{ id: string; data: string }[]> {
  const events = async (name: string): Promise<Record<string, unknown>[]> =>
    (await chain.rootChain.queryFilter(name, 0)).map(
      (log) => chain.rootChain.interface.parseLog(log)?.args.toObject() as Record<string, unknown>,
    );
  const ended = new Set<unknown>();
  for (const name of ["ExitFinalized", "ExitUnpayable", "ExitChallenged"]) {
    for (const event of await events(name)) ended.add(event["number"]);
  }
  const priority = (event: Record<string, unknown>): bigint => event["priority"] as bigint;
  return (await events("ExitStarted"))
    .filter((event) => event["token"] === ETHER && !ended.has(event["number"]) && priority(event) <= priority(started))
    .sort((a, b) => (priority(a) < priority(b) ? -1 : 1))
    .map((event) => ({
      id: event["outputId"] as string,
      data: AbiCoder.defaultAbiCoder().encode([STANDARD_EXIT], [event]),
    }));
}

function fail(error: unknown): never {
  const reason = error instanceof Error ? error.message : String(error);
  console.error(`demo: ${reason.replaceAll(/\s*\n\s*/g, " ")}`);
  process.exit(1);
}

async function demo(): Promise<void> {
  const cast = await meet();
  const outputs = await deposit(cast);
  const payment = await pay(cast, outputs);
  await commit(payment);
  const proof = await prove(cast, payment);
  const started = await exit(cast, payment, proof);
  await cheat(cast);
  await withdraw(cast, started);
  cast.chain.provider.destroy();
  console.log("\nDone: deposited, paid, committed, proven, withdrawn.");
}

await demo().catch(fail);
