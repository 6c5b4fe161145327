import type { ServerResponse } from "node:http";
import { expect } from "chai";
import { encodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import { frame, type Served, type ServedChain } from "../helpers/servedChain.ts";
import { Payers, WatchedChain } from "../helpers/watchedChain.ts";

const COUNT = 40;
const BINARY = { "content-type": "application/octet-stream" };

type Answer = (payments: Served[], from: number, response: ServerResponse) => void;

/** What is not a block, and what is told of it. */
const ANSWERS: [string, RegExp, Answer][] = [
  ["an error", /^HTTP 500$/, (_, __, response) => response.writeHead(500).end("no")],
  ["no block of that number", /^HTTP 404$/, (_, __, response) => response.writeHead(404).end()],
  ["another place", /^no answer/, (_, __, response) => response.writeHead(302, { location: "/elsewhere" }).end()],
  ["a page", /^garbled/, (_, __, response) => response.writeHead(200).end(`<html>${"x".repeat(5000)}</html>`)],
  ["nothing", /^ends after 0 of 40 payments$/, (_, __, response) => response.writeHead(200, BINARY).end()],
  [
    "a part",
    /^ends after 17 of 40 payments$/,
    (payments, from, response) => response.writeHead(200, BINARY).end(frame(payments.slice(from, 17))),
  ],
  [
    "a part, cut within a payment",
    /^ends within a payment$/,
    (payments, from, response) => response.writeHead(200, BINARY).end(frame(payments.slice(from)).subarray(0, 900)),
  ],
  [
    "a part, and the connection breaks",
    /^no answer/,
    (payments, from, response) => {
      response.writeHead(200, BINARY).write(frame(payments.slice(from)).subarray(0, 900), () => response.destroy());
    },
  ],
  [
    "a length no payment has",
    /^garbled: a payment of 65535 bytes$/,
    (payments, from, response) => {
      response.writeHead(200, BINARY).end(Buffer.concat([frame(payments.slice(from, 17)), Buffer.alloc(100, 0xff)]));
    },
  ],
  [
    "a payment of nonsense",
    /^garbled at payment 17$/,
    (payments, from, response) => {
      const nonsense = { bytes: new Uint8Array(300).fill(7) };
      response.writeHead(200, BINARY).end(frame([...payments.slice(from, 17), nonsense, ...payments.slice(18)]));
    },
  ],
  [
    "payments without signatures",
    /^without signatures: payment 0 has 0 of [1-3]$/,
    (payments, from, response) => {
      const bare = payments.map(({ transaction }) => ({ bytes: encodePayment({ ...transaction, signatures: [] }) }));
      response.writeHead(200, BINARY).end(frame(bare.slice(from)));
    },
  ],
  ["silence", /^nothing came for 0\.5 s$/, () => undefined],
  [
    "a head and silence",
    /^nothing came for 0\.5 s$/,
    (_, __, response) => response.writeHead(200, BINARY).flushHeaders(),
  ],
  [
    "a byte now and then",
    /^slow: not at its end after 2 s$/,
    (payments, from, response) => {
      const bytes = frame(payments.slice(from));
      let at = 0;
      response.writeHead(200, BINARY);
      const timer = setInterval(() => response.write(bytes.subarray(at, ++at)), 100);
      response.on("close", () => clearInterval(timer));
    },
  ],
];

describe("the watcher's chain, what is not served", function () {
  this.timeout(60_000);
  let watched: WatchedChain;
  let served: ServedChain;
  let payers: Payers;
  before(async () => {
    watched = await WatchedChain.start({ limits: { requestMs: 2_000, stallMs: 500, stepMs: 20_000 } });
    served = watched.served;
    payers = new Payers(served, 3);
  });
  after(async () => {
    await watched.stop();
  });

  for (const [what, reason, answer] of ANSWERS) {
    it(`${what}: the committed block is missing, until it is served`, async () => {
      const before = watched.chain.height;
      payers.pay(COUNT);
      const number = served.sealAndCommit().number;
      served.lie = (asked, from, response) => {
        if (asked !== number) return false;
        answer(served.blocks[number]!, from, response);
        return true;
      };
      for (let i = 0; i < 2; i++) {
        const { missing, breaches, operator } = await watched.look();
        expect(breaches).to.deep.equal([]);
        expect(missing?.number).to.equal(number);
        expect(missing?.reason).to.match(reason);
        expect(operator.problem).to.include(missing?.reason);
        expect(watched.chain.height).to.equal(before);
      }
      served.lie = () => false;
      expect(await watched.look()).to.deep.include({ breaches: [], missing: null });
      expect(watched.chain.height).to.equal(number);
    });

    it(`${what}: in the open block it is the operator's problem, and no breach`, async () => {
      payers.pay(COUNT);
      const number = served.blocks.length - 1;
      served.lie = (asked, from, response) => {
        if (asked !== number) return false;
        answer(served.blocks[number]!, from, response);
        return true;
      };
      const { breaches, missing, operator } = await watched.look();
      expect([breaches, missing]).to.deep.equal([[], null]);
      // Fewer payments than there are is all that an open block may have.
      if (!reason.source.startsWith("^ends after")) expect(operator.problem).to.match(reason);
      served.lie = () => false;
      await watched.look();
      expect(watched.chain.streamed).to.deep.equal({ blockNumber: number, transactionCount: COUNT });
      served.sealAndCommit();
      expect(await watched.look()).to.deep.include({ breaches: [], missing: null });
    });
  }

  it("nobody answers: missing without an answer, and later served to the end", async () => {
    payers.pay(COUNT);
    served.sealAndCommit();
    const { fetch } = globalThis;
    watched.options = { fetch: async () => await Promise.reject(new TypeError("fetch failed")) };
    await watched.reopen();
    const { missing, operator } = await watched.look();
    expect(missing).to.deep.equal({ number: served.committed.length, reason: "no answer: fetch failed" });
    expect(operator.answered).to.equal(false);
    watched.options = { fetch };
    await watched.reopen();
    expect((await watched.look()).missing).to.equal(null);
    expect(watched.chain.height).to.equal(served.committed.length);
  });

  it("later blocks that are served are kept meanwhile, and not loaded again", async () => {
    const first = served.committed.length + 1;
    for (let i = 0; i < 3; i++) {
      payers.pay(COUNT);
      served.sealAndCommit();
    }
    served.lie = (number, _, response) => {
      if (number === first) response.writeHead(503).end();
      return number === first;
    };
    expect((await watched.look()).missing).to.deep.equal({ number: first, reason: "HTTP 503" });
    served.lie = () => false;
    served.requests.length = 0;
    expect(await watched.look()).to.deep.include({ breaches: [], missing: null });
    expect(watched.chain.height).to.equal(first + 2);
    expect(served.requests.filter((request) => !request.startsWith(`${first + 3} `))).to.deep.equal([`${first} 0`]);
  });

  it("more than was committed is not read", async () => {
    payers.pay(COUNT);
    const number = served.sealAndCommit().number;
    let written = 0;
    served.lie = (asked, from, response) => {
      if (asked !== number) return false;
      const bytes = frame(served.blocks[number]!.slice(from));
      response.writeHead(200, BINARY);
      const more = (): void => {
        while (!response.destroyed && response.write(bytes)) written += bytes.length;
        response.once("drain", more);
      };
      more();
      return true;
    };
    expect(await watched.look()).to.deep.include({ breaches: [], missing: null });
    expect(watched.chain.height).to.equal(number);
    expect(written).to.be.below(64 * 1024 * 1024);
    served.lie = () => false;
  });
});
