import { expect } from "chai";
import fc from "fast-check";
import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import { Nodes } from "@plasma-billing/ethereum/nodes.ts";
import { quantity } from "@plasma-billing/ethereum/answers.ts";
import type { Transport } from "@plasma-billing/ethereum/transport.ts";

/** A node's chain: the letter of each block's fork by height; null: it does not answer. */
interface Chain {
  head: number;
  final: number;
  /** From this height on its blocks are its own. */
  forkedFrom: number;
  silent: boolean;
  /** Its answer to anything else. */
  answer: string;
}

const GOOD: Chain = { head: 100, final: 60, forkedFrom: Infinity, silent: false, answer: "0x1" };

function nodesOf(chains: readonly Partial<Chain>[]): Nodes {
  const all = chains.map((chain) => ({ ...GOOD, ...chain }));
  const transport: Transport = async (url, method, params) => {
    const at = Number(new URL(url).hostname.slice(4));
    const chain = all[at]!;
    if (chain.silent) throw new EthereumError("UNREACHABLE", `node ${at} is silent`);
    if (method !== "eth_getBlockByNumber") return await Promise.resolve(chain.answer);
    const [tag] = params as [string];
    const number = tag === "latest" ? chain.head : tag === "finalized" ? chain.final : Number(tag);
    if (number > chain.head) return null;
    const hash = (height: number): string =>
      `0x${(height * 16 + (height >= chain.forkedFrom ? at + 1 : 0)).toString(16).padStart(64, "0")}`;
    return {
      ...{ number: `0x${number.toString(16)}`, hash: hash(number), parentHash: hash(number - 1), timestamp: "0x1" },
      ...{ baseFeePerGas: "0x1", logsBloom: `0x${"00".repeat(256)}` },
    };
  };
  return new Nodes(
    all.map((_, i) => `http://node${i}`),
    transport,
  );
}

describe("several Ethereum nodes read as one", () => {
  const code = async (promise: Promise<unknown>): Promise<string> => {
    return await promise.then(
      () => "answered",
      (error: unknown) => (error as EthereumError).code,
    );
  };
  const problems = (nodes: Nodes): boolean[] => nodes.health.map(({ problem }) => problem !== null);

  it("looks at the highest block they share; final is what more than half call so", async () => {
    const cases: [Partial<Chain>[], number, number][] = [
      [[{}], 100, 60],
      [[{ head: 97 }, {}], 97, 60],
      [[{ final: 10 }, { final: 90 }], 100, 10],
      [[{ final: 10 }, { final: 90 }, { final: 50 }], 100, 50],
      [[{ head: 98 }, { head: 99 }, {}], 98, 60],
      // At different forks of the tip: back to where they were one.
      [[{ forkedFrom: 98 }, { forkedFrom: 99 }], 97, 60],
      [[{ forkedFrom: 98 }, {}, {}], 100, 60],
    ];
    for (const [chains, head, finalized] of cases) {
      const view = await nodesOf(chains).look();
      expect([view.head.number, view.finalized], JSON.stringify(chains)).to.deep.equal([head, finalized]);
    }
  });

  it("leaves out who lags, is silent, or is of another opinion than most; one of three far ahead pushes nobody out", async () => {
    const cases: [Partial<Chain>[], boolean[]][] = [
      [
        [{ head: 94 }, {}],
        [true, false],
      ],
      [
        [{ silent: true }, {}],
        [true, false],
      ],
      [
        [{ head: 5000, forkedFrom: 50 }, {}, {}],
        [true, false, false],
      ],
      [
        [{ forkedFrom: 90 }, {}, {}],
        [true, false, false],
      ],
      [
        [{ silent: true }, { head: 94 }, {}, {}],
        [true, true, false, false],
      ],
    ];
    for (const [chains, left] of cases) {
      const nodes = nodesOf(chains);
      expect((await nodes.look()).head.number, JSON.stringify(chains)).to.equal(100);
      expect(problems(nodes), JSON.stringify(chains)).to.deep.equal(left);
    }
  });

  it("says so when too few answer, or none of their answers has more than half", async () => {
    expect(await code(nodesOf([{ silent: true }]).look())).to.equal("UNREACHABLE");
    expect(await code(nodesOf([{ silent: true }, { silent: true }, {}]).look())).to.equal("UNREACHABLE");
    expect(await code(nodesOf([{ forkedFrom: 40 }, {}]).look())).to.equal("NODES_DISAGREE");
    expect(await code(nodesOf([{ answer: "0x2" }, {}]).agreed("eth_call", [], quantity))).to.equal("NODES_DISAGREE");
    const three = nodesOf([{ answer: "0x2" }, {}, { silent: true }]);
    expect(await code(three.agreed("eth_call", [], quantity))).to.equal("NODES_DISAGREE");
  });

  it("an answer counts exactly when more than half of those that answer give it, and half of those configured", async () => {
    const answers = fc.array(fc.constantFrom("0x1", "0x2", "0x3", null), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(answers, async (given) => {
        const nodes = nodesOf(given.map((answer) => (answer === null ? { silent: true } : { answer })));
        const told = given.filter((answer) => answer !== null);
        const most = Math.max(0, ...["0x1", "0x2", "0x3"].map((one) => told.filter((answer) => answer === one).length));
        const counts = 2 * most > told.length && 2 * most >= given.length;
        expect((await code(nodes.agreed("eth_call", [], quantity))) === "answered").to.equal(counts);
      }),
    );
  });
});
