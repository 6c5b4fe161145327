import { expect } from "chai";
import { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { systemClock } from "../../ethereum/process/clock.ts";
import { Tokens } from "../../operator/tokens.ts";
import { Chain, ETHER } from "../helpers/chain.ts";
import { MemoryOperator, signPayment, SPENDERS, START_MS } from "../helpers/memoryOperator.ts";
import { startAnvil, type RunningNode } from "../helpers/nodes.ts";

const [alice, bob] = SPENDERS as [(typeof SPENDERS)[0], (typeof SPENDERS)[0]];

describe("HTTP API, for who looks around", () => {
  let operator: MemoryOperator;
  beforeEach(async () => {
    operator = await MemoryOperator.start();
  });
  afterEach(async () => {
    await operator.stop();
  });

  const search = async (q: string): Promise<string[]> => {
    const { status, body } = await operator.get(`/v1/search?q=${encodeURIComponent(q)}`);
    expect(status).to.equal(200);
    return body.items.map(({ kind, id }: { kind: string; id: string }) => `${kind} ${id}`);
  };

  it("a search finds payments, outputs, blocks by number, root and commit, exits and accounts", async () => {
    const input = await operator.deposit(alice.address, 10n);
    const payment = signPayment([input], [{ owner: bob.address, amount: 10n }], [alice]);
    await operator.pay(payment);
    const other = await operator.deposit(alice.address, 1n);
    await operator.pay(signPayment([other], [{ owner: bob.address, amount: 1n }], [alice]));
    await operator.seal();
    await operator.commit(1, "committed");
    const { body: block } = await operator.get("/v1/blocks/1");
    await operator.exit(1, payment.outputId(0));
    const { body: exits } = await operator.get("/v1/exits");

    expect(await search(payment.hash)).to.deep.equal([`transaction ${payment.hash}`]);
    expect(await search(` ${payment.hash.toUpperCase().replace("0X", "0x")} `)).to.deep.equal([
      `transaction ${payment.hash}`,
    ]);
    expect(await search(payment.outputId(0))).to.deep.equal([`output ${payment.outputId(0)}`, "exit 1"]);
    expect(await search(input)).to.deep.equal([`output ${input}`]);
    expect(await search(block.transactionsRoot)).to.deep.equal(["block 1"]);
    expect(await search(block.commitTransaction)).to.deep.equal(["block 1"]);
    expect(await search(exits.items[0].ethereumTransaction)).to.deep.equal(["exit 1"]);
    expect(await search("2")).to.deep.equal(["block 2"]);
    expect(await search(alice.address.toLowerCase())).to.deep.equal([`account ${alice.address}`]);
    for (const nothing of ["3", "0", "0x12", `0x${"ab".repeat(32)}`, "no such file"]) {
      expect(await search(nothing), nothing).to.deep.equal([]);
    }
    for (const query of ["", "?q=", `?q=${"a".repeat(129)}`, "?q=a&r=b"]) {
      expect((await operator.get(`/v1/search${query}`)).body.code, query).to.equal("MALFORMED");
    }
  });

  it("an output tells which payment made it and which spent it", async () => {
    const input = await operator.deposit(alice.address, 10n);
    const first = signPayment([input], [{ owner: bob.address, amount: 10n }], [alice]);
    await operator.pay(first);
    const second = signPayment([first.outputId(0)], [{ owner: alice.address, amount: 10n }], [bob]);
    await operator.pay(second);
    const of = async (id: string): Promise<any> => (await operator.get(`/v1/outputs/${id}`)).body;
    expect(await of(input)).to.deep.include({ created: null, spentBy: first.hash });
    expect((await of(input)).output).to.deep.include({ depositId: 1, state: "spent", owner: alice.address });
    expect(await of(first.outputId(0))).to.deep.include({ created: first.hash, spentBy: second.hash });
    expect(await of(second.outputId(0))).to.deep.include({ created: second.hash, spentBy: null });
    expect((await of(second.outputId(0))).output).to.deep.include({ state: "available", amount: "10" });
    expect((await of(first.outputId(1))).code).to.equal("NOT_FOUND");
  });

  it("payments are chosen by the time they were accepted", async () => {
    const times: number[] = [];
    let input = await operator.deposit(alice.address, 1n);
    for (let i = 0; i < 30; i++) {
      const payment = signPayment([input], [{ owner: alice.address, amount: 1n }], [alice]);
      times.push((await operator.pay(payment)).acceptedAt);
      input = payment.outputId(0);
      if (i % 4 === 0) await operator.deposit(bob.address, 1n);
      if (i % 7 === 0) await operator.seal();
    }
    for (const [since, until] of [
      [times[3]!, times[9]!],
      [times[3]! + 1, times[9]! + 1],
      [0, times[0]! + 1],
      [times.at(-1)!, times.at(-1)! + 1],
      [times.at(-1)! + 1, times.at(-1)! + 2],
      [times[9]!, times[3]!],
      [START_MS - 1, 999_999_999_999_999],
    ] as const) {
      const expected = times.filter((time) => time >= since && time < until).reverse();
      const all = await operator.walk(`/v1/transactions?since=${since}&until=${until}`, 4);
      expect(all.map(({ acceptedAt }: any) => acceptedAt)).to.deep.equal(expected);
      const hers = await operator.walk(`/v1/transactions?since=${since}&until=${until}&address=${alice.address}`, 4);
      expect(hers.map(({ acceptedAt }: any) => acceptedAt)).to.deep.equal(expected);
    }
    expect((await operator.get("/v1/transactions?since=-1")).body.code).to.equal("MALFORMED");
  });

  it("exits are chosen by who is paid", async () => {
    for (let i = 1; i <= 6; i++) {
      await operator.exit(i, await operator.deposit(i % 3 === 0 ? bob.address : alice.address, 1n));
    }
    const seen = await operator.walk(`/v1/exits?address=${bob.address}`, 1);
    expect(seen.map(({ number }: any) => number)).to.deep.equal([6, 3]);
    expect(await operator.walk(`/v1/exits?address=${SPENDERS[2]!.address}`, 1)).to.deep.equal([]);
  });

  it("a payment names everybody who takes part, with their roles, who pays first", async () => {
    const input = await operator.deposit(alice.address, 10n);
    const outputs = [bob, alice, bob].map(({ address }, i) => ({ owner: address, amount: BigInt(i + 2) }));
    const payment = signPayment([input], [...outputs, { owner: bob.address, amount: 1n }], [alice]);
    await operator.pay(payment);
    expect((await operator.get(`/v1/transactions/${payment.hash}`)).body.parties).to.deep.equal([
      { address: alice.address, role: null },
      { address: bob.address, role: null },
    ]);
  });

  it("tokens that were deposited are listed", async () => {
    await operator.deposit(alice.address, 1n);
    await operator.deposit(alice.address, 1n, `0x${"7".repeat(40)}`);
    const { body } = await operator.get("/v1/tokens");
    expect(body).to.deep.equal({
      items: [ETHER, `0x${"7".repeat(40)}`].map((token) => ({ token, symbol: "TEST", decimals: 6 })),
      nextCursor: null,
    });
  });
});

describe("tokens' own names", () => {
  let node: RunningNode;
  let chain: Chain;
  before(async () => {
    node = await startAnvil();
    chain = await Chain.deploy(node.url);
  });
  after(async () => await node.stop());

  /** Code that answers every call with these bytes. */
  async function answering(at: string, answer: string): Promise<Address> {
    const length = (answer.length - 2) / 2;
    const size = length.toString(16).padStart(4, "0");
    // PUSH2 size, PUSH1 14, PUSH1 0, CODECOPY, PUSH2 size, PUSH1 0, RETURN, then the answer.
    const code = `0x61${size}600e6000396` + `1${size}6000f3${answer.slice(2)}`;
    await chain.provider.send("anvil_setCode", [at, code]);
    return at as Address;
  }

  it("are asked of their contracts, ether's is known, and what cannot be shown is null", async () => {
    const word = (value: number): string => value.toString(16).padStart(64, "0");
    const text = (symbol: string): string => {
      const bytes = Buffer.from(symbol);
      const padded = Buffer.concat([bytes, Buffer.alloc((32 - (bytes.length % 32)) % 32)]);
      return `0x${word(32)}${word(bytes.length)}${padded.toString("hex")}`;
    };
    const tokens = new Tokens(new EthereumRpc([chain.rpcUrl]), systemClock);
    const real = chain.tokenAddress.toLowerCase() as Address;
    const at = (digit: string): string => `0x${digit.repeat(40)}`;
    const names = await tokens.view([
      ETHER,
      real,
      await answering(at("1"), text("U\u202eSDC")),
      await answering(at("2"), text("x".repeat(1000))),
      await answering(at("3"), `0x${word(200)}`),
      await answering(at("4"), "0x"),
      at("5") as Address,
    ]);
    expect(names[0]).to.deep.equal({ token: ETHER, symbol: "ETH", decimals: 18 });
    expect(names[1]).to.deep.equal({
      token: real,
      symbol: await chain.token["symbol"]!(),
      decimals: Number(await chain.token["decimals"]!()),
    });
    for (const { token, symbol, decimals } of names.slice(2)) {
      expect({ symbol, decimals: decimals === null || decimals <= 77 }, token).to.deep.equal({
        symbol: null,
        decimals: true,
      });
    }
  });

  it("stay known when no node answers, and are asked again where they were not known", async () => {
    let down = false;
    let now = 1_000_000;
    const real = new EthereumRpc([chain.rpcUrl]);
    const rpc = Object.create(real, {
      call: {
        value: async (...call: Parameters<EthereumRpc["call"]>) => {
          if (down) throw new Error("down");
          return await real.call(...call);
        },
      },
    }) as EthereumRpc;
    const tokens = new Tokens(rpc, { ...systemClock, now: () => now });
    const token = chain.tokenAddress.toLowerCase() as Address;
    down = true;
    expect((await tokens.view([token]))[0]?.symbol).to.equal(null);
    down = false;
    expect((await tokens.view([token]))[0]?.symbol).to.equal(null);
    now += 60_001;
    const [known] = await tokens.view([token]);
    expect(known?.symbol).to.equal(await chain.token["symbol"]!());
    down = true;
    now += 10_000_000;
    expect(await tokens.view([token])).to.deep.equal([known]);
  });
});
