import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { AbiCoder, Interface, keccak256, Wallet } from "ethers";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { fileHashOf, type SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import type { Address, Domain } from "@plasma-billing/protocol/typedData.ts";
import type { Payment, Proof } from "../../explorer/src/shapes.ts";
import { checkPath, headerHash } from "../../explorer/src/verify/checks.ts";
import type { Call } from "../../explorer/src/verify/ethereum.ts";
import { recoverSigner } from "../../explorer/src/verify/recover.ts";
import {
  STEPS,
  verdictOf,
  verify,
  type StepName,
  type Steps,
  type Verification,
} from "../../explorer/src/verify/verify.ts";
import { devKey } from "../helpers/chain.ts";
import {
  DOMAIN,
  MemoryOperator,
  signPayment,
  SERVICE_NODE,
  SPENDERS,
  type SignedJson,
} from "../helpers/memoryOperator.ts";

const [alice, bob, carol] = SPENDERS as [Wallet, Wallet, Wallet];
const domain: Domain = { chainId: 31_337n, verifyingContract: DOMAIN.verifyingContract as Address };
const TOKEN = `0x${"70".repeat(20)}`;
const rootChain = new Interface(["function blockHashes(uint64 number) view returns (bytes32)"]);

/** Another value of the same form, and other ones. */
function tampered(value: unknown): unknown[] {
  if (typeof value === "number") return [value + 1, -1, 0.5, String(value), null].filter((other) => other !== value);
  if (value === null) return ["x", 7];
  if (typeof value !== "string") throw new Error("no leaf");
  if (/^0x[0-9a-fA-F]+$/.test(value)) {
    const last = value.at(-1) === "0" ? "1" : "0";
    return [value.slice(0, -1) + last, value.slice(0, -2), `${value}00`, "0x", 7, null];
  }
  if (/^[0-9]+$/.test(value)) return [`${value}0`, "0", `-${value}`, `0${value}`, Number(value), null];
  return [`${value}x`, "", null];
}

type Path = (string | number)[];

/** Every leaf of a value, by its path. */
function leaves(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([name, inner]) => leaves(inner, [...path, name]));
}

function replaced<T>(value: T, path: Path, make: (old: unknown) => unknown): T {
  const copy = structuredClone(value) as any;
  const last = path.at(-1)!;
  const holder = path.slice(0, -1).reduce((inner, name) => inner[name], copy);
  holder[last] = make(holder[last]);
  return copy as T;
}

/** What no hash and no signature covers: docs/EXPLORER.md says so. */
const NOT_COVERED =
  /^(state|acceptedAt|finalizedAt|commitTransaction|parties\..*|(inputs|outputs)\.\d+\.state|inputs\.\d+\.(blockNumber|transactionIndex))$/;

describe("verifying in the reader's own code", () => {
  let operator: MemoryOperator;
  let purchase: SignedJson;
  let shown: Payment;
  let proof: Proof;
  before(async () => {
    operator = await MemoryOperator.start();
    const deposits = [await operator.deposit(alice.address, 900n), await operator.deposit(bob.address, 50n, TOKEN)];
    const first = signPayment([deposits[0]!], [{ owner: bob.address, amount: 900n }], [alice]);
    await operator.pay(first);
    purchase = signPayment(
      [first.outputId(0), deposits[1]!],
      [
        { owner: carol.address, amount: 400n },
        { owner: alice.address, amount: 500n },
        { owner: bob.address, token: TOKEN, amount: 50n },
      ],
      [bob, bob],
    );
    await operator.pay(purchase);
    await operator.pay(signPayment([purchase.outputId(0)], [{ owner: bob.address, amount: 400n }], [carol]));
    await operator.seal();
    await operator.commit(1, "committed");
    shown = (await operator.get(`/v1/transactions/${purchase.hash}`)).body;
    proof = (await operator.get(`/v1/transactions/${purchase.hash}/proof`)).body;
  });
  after(async () => await operator.stop());

  /** What the contract holds of a block, made by ethers alone. */
  function heldOf({ header }: Proof): string {
    const { number, transactionsRoot, transactionCount, timestamp } = header;
    const types = ["uint64", "bytes32", "uint32", "uint64"];
    return keccak256(AbiCoder.defaultAbiCoder().encode(types, [number, transactionsRoot, transactionCount, timestamp]));
  }

  /** A node that has one block hash in the contract, at the tags given. */
  function node({ held = heldOf(proof), tags = ["finalized", "latest"], chainId = "0x7a69" } = {}): Call {
    return async (method, params) => {
      if (method === "eth_chainId") return chainId;
      expect(method).to.equal("eth_call");
      const [{ to, data }, tag] = params as [{ to: string; data: string }, string];
      expect(to).to.equal(domain.verifyingContract);
      const [number] = rootChain.decodeFunctionData("blockHashes", data);
      return number === 1n && tags.includes(tag) ? held : `0x${"0".repeat(64)}`;
    };
  }

  async function run(changed: Partial<Verification> = {}): Promise<Steps> {
    const told: [StepName, string][] = [];
    const steps = await verify(
      {
        ...{ asked: purchase.hash, payment: shown, domain, ethereum: node() },
        operator: {
          creator: async (id) => {
            const { created } = (await operator.get(`/v1/outputs/${id}`)).body;
            return (await operator.get(`/v1/transactions/${created}`)).body;
          },
          proof: async () => proof,
        },
        ...changed,
      },
      (name, step) => told.push([name, step.state]),
    );
    expect(told.map(([name]) => name)).to.have.members(Object.keys(STEPS));
    expect(told).to.have.deep.members(Object.entries(steps).map(([name, { state }]) => [name, state]));
    return steps;
  }

  function failing(steps: Steps): string[] {
    return Object.entries(steps).flatMap(([name, { state }]) => (state === "failed" ? [name] : []));
  }

  it("says yes when everything agrees, and whether Ethereum can still take it back", async () => {
    expect(verdictOf(await run())).to.equal("final");
    expect(verdictOf(await run({ asked: purchase.hash.toUpperCase().replace("0X", "0x") }))).to.equal("final");
    const landed = await run({ ethereum: node({ tags: ["latest"] }) });
    expect(verdictOf(landed)).to.equal("landed");
    const old: Call = async (method, params) => {
      if (params[1] === "finalized") throw new Error("unknown block tag");
      return await node()(method, params);
    };
    const steps = await run({ ethereum: old });
    expect(verdictOf(steps)).to.equal("landed");
    expect(steps.contract.facts.find(([name]) => name === "As of")![1]).to.contain("unknown block tag");
  });

  it("says no when anything of the payment is not as it was, wherever something covers it", async () => {
    let changes = 0;
    for (const path of leaves(shown)) {
      if (NOT_COVERED.test(path.join("."))) continue;
      for (const other of tampered(path.reduce((inner: any, name) => inner[name], shown))) {
        const payment = replaced(shown, path, () => other);
        // Nothing said is nothing claimed.
        if (other === null && /committedAt|fileId/.test(path.join("."))) continue;
        const steps = await run({ payment });
        expect(verdictOf(steps), `${path.join(".")} = ${String(other)}`).to.equal("failed");
        changes++;
      }
    }
    expect(changes).to.be.above(150);
    for (const list of ["inputs", "outputs", "signatures"] as const) {
      for (const change of [
        (all: any[]) => all.slice(1),
        (all: any[]) => [...all, all[0]],
        (all: any[]) => all.toReversed(),
      ]) {
        // Both of bob's signatures are the same.
        if (list === "signatures" && change([1, 2])[0] === 2 && change([1, 2]).length === 2) continue;
        const payment = replaced(shown, [list], (all) => change(all as any[]));
        expect(verdictOf(await run({ payment })), list).to.equal("failed");
      }
    }
    for (const payment of [null, {}, [], "no", { ...shown, inputs: null }, { ...shown, outputs: 7 }]) {
      expect(verdictOf(await run({ payment: payment as unknown as Payment }))).to.equal("failed");
    }
  });

  it("says yes however the operator tells what nothing covers", async () => {
    const payment = { ...shown, state: "finalized" as const, acceptedAt: 1, finalizedAt: 2, commitTransaction: null };
    expect(verdictOf(await run({ payment: { ...payment, parties: [] } }))).to.equal("final");
  });

  it("says no when another payment is shown than the one that was asked for", async () => {
    const other = (await operator.get("/v1/transactions?limit=1")).body.items[0] as Payment;
    expect(other.hash).not.to.equal(purchase.hash);
    const otherProof = (await operator.get(`/v1/transactions/${other.hash}/proof`)).body as Proof;
    const steps = await run({ payment: other, operator: { ...asking(), proof: async () => otherProof } });
    expect(failing(steps)).to.include.members(["content", "path"]);
    // By itself it is a right one.
    const own = await run({
      asked: other.hash,
      payment: other,
      operator: { ...asking(), proof: async () => otherProof },
    });
    expect(verdictOf(own)).to.equal("final");
  });

  function asking(): Verification["operator"] {
    return {
      creator: async (id) => {
        const { created } = (await operator.get(`/v1/outputs/${id}`)).body;
        return (await operator.get(`/v1/transactions/${created}`)).body;
      },
      proof: async () => proof,
    };
  }

  it("says no when anything of the proof is not as it was", async () => {
    for (const path of leaves(proof)) {
      for (const other of tampered(path.reduce((inner: any, name) => inner[name], proof))) {
        const changed = replaced(proof, path, () => other);
        const steps = await run({ operator: { ...asking(), proof: async () => changed } });
        expect(verdictOf(steps), `${path.join(".")} = ${String(other)}`).to.equal("failed");
      }
    }
    for (const siblings of [[], proof.siblings.slice(1), [...proof.siblings, proof.siblings[0]!], null]) {
      const changed = { ...proof, siblings } as Proof;
      expect(verdictOf(await run({ operator: { ...asking(), proof: async () => changed } }))).to.equal("failed");
    }
  });

  it("says no when the payments that made its inputs are others, or not shown", async () => {
    const creator = await asking().creator(shown.inputs[0]!.id);
    for (const path of leaves(creator)) {
      const name = path.join(".");
      if (!/^(purpose|fileHash|inputs\.\d+\.id|outputs\.\d+\.(owner|token|amount))$/.test(name)) continue;
      for (const other of tampered(path.reduce((inner: any, each) => inner[each], creator))) {
        const changed = replaced(creator, path, () => other);
        const steps = await run({ operator: { ...asking(), creator: async () => changed } });
        expect(failing(steps), `${name} = ${String(other)}`).to.deep.equal(["inputs"]);
        expect([steps.signatures.state, steps.balance.state]).to.deep.equal(["impossible", "impossible"]);
      }
    }
    const hidden = async (): Promise<never> => await Promise.reject(new Error("no such output"));
    expect(failing(await run({ operator: { ...asking(), creator: hidden } }))).to.deep.equal(["inputs"]);
  });

  it("says no when somebody else signed", async () => {
    const json = signPayment(
      shown.inputs.map(({ id }) => id),
      shown.outputs.map(({ owner, token, amount }) => ({ owner, token, amount: BigInt(amount) })),
      [bob, alice],
    ).json as unknown as SignedTransaction;
    const steps = await run({ payment: { ...shown, signatures: json.signatures } });
    expect(failing(steps)).to.deep.equal(["signatures"]);
  });

  it("says no when more goes out than comes in, though all of it is signed", async () => {
    const input = shown.inputs[0]!;
    const forged = signPayment([input.id], [{ owner: bob.address, amount: 901n }], [bob]);
    const output = { ...shown.outputs[0]!, id: forged.outputId(0), owner: bob.address, amount: "901" };
    const payment = {
      ...shown,
      hash: forged.hash,
      inputs: [input],
      outputs: [output],
      signatures: forged.json.signatures,
    };
    const one = {
      header: { ...proof.header, transactionCount: 1, transactionsRoot: forged.hash },
      index: 0,
      siblings: [],
    };
    const first = { ...payment, transactionIndex: 0, outputs: [{ ...output, transactionIndex: 0 }] };
    const steps = await run({
      ...{ asked: forged.hash, payment: first, ethereum: node({ held: heldOf(one) }) },
      operator: { ...asking(), proof: async () => one },
    });
    expect(failing(steps)).to.deep.equal(["balance"]);
  });

  it("says no when Ethereum says otherwise, or cannot be asked", async () => {
    const nothing = `0x${"0".repeat(64)}`;
    const wrong: [string, Call, string][] = [
      ["another hash", node({ held: keccak256("0x01") }), "contract"],
      ["nothing", node({ held: nothing }), "contract"],
      ["no contract", node({ held: "0x" }), "contract"],
      ["half a hash", node({ held: "0x1234" }), "contract"],
      ["another chain", node({ chainId: "0x1" }), "chain"],
      ["no chain", node({ chainId: "" }), "chain"],
      ["no node", async () => await Promise.reject(new Error("the node does not answer")), "chain"],
    ];
    for (const [what, ethereum, step] of wrong) {
      const steps = await run({ ethereum });
      expect([failing(steps), verdictOf(steps)], what).to.deep.equal([[step], "failed"]);
      expect(steps[step as StepName].why, what).to.match(/^[A-Z].*\.$/);
    }
  });

  it("says no under another contract or chain than the one that was signed for", async () => {
    for (const other of [
      { ...domain, chainId: 1n },
      { ...domain, verifyingContract: `0x${"c1".repeat(20)}` as Address },
    ]) {
      const call: Call = async (method) =>
        method === "eth_chainId" ? `0x${other.chainId.toString(16)}` : heldOf(proof);
      expect(failing(await run({ domain: other, ethereum: call }))).to.include("content");
    }
  });

  it("says not yet, and never yes, while the hour is not on Ethereum or no node is named", async () => {
    const open = await run({ operator: { ...asking(), proof: async () => null } });
    expect([open.path.state, open.contract.state, verdictOf(open)]).to.deep.equal(["waiting", "waiting", "waiting"]);
    const unnamed = await run({ ethereum: null });
    expect([unnamed.chain.state, unnamed.contract.state, verdictOf(unnamed)]).to.deep.equal([
      ...["waiting", "waiting", "waiting"],
    ]);
    expect(unnamed.contract.facts).to.deep.equal([["Computed from the header", heldOf(proof)]]);
    const refused = async (): Promise<never> => await Promise.reject(new Error("the operator is gone"));
    const gone = await run({ operator: { ...asking(), proof: refused } });
    expect([failing(gone), gone.contract.state]).to.deep.equal([["path"], "impossible"]);
  });

  it("holds a file's name against its hash", async () => {
    const fileId = "maps/zürich.json";
    const options = { purpose: "purchase" as const, fileHash: fileHashOf(fileId) };
    const signed = signPayment([shown.inputs[0]!.id], [{ owner: SERVICE_NODE.address, amount: 900n }], [bob], options);
    const output = { ...shown.outputs[0]!, id: signed.outputId(0), owner: SERVICE_NODE.address, amount: "900" };
    const payment: Payment = {
      ...{ ...shown, hash: signed.hash, purpose: "purchase", fileHash: options.fileHash, fileId },
      ...{ inputs: [shown.inputs[0]!], outputs: [output], signatures: signed.json.signatures },
    };
    const contentOf = async (fileName: string | null): Promise<string> =>
      (await run({ asked: signed.hash, payment: { ...payment, fileId: fileName } })).content.state;
    expect(await contentOf(fileId)).to.equal("ok");
    expect(await contentOf(null)).to.equal("ok");
    expect(await contentOf("maps/zurich.json")).to.equal("failed");
  });
});

describe("the explorer's verification on vectors made with ethers alone", () => {
  const vectors = async (): Promise<any> =>
    JSON.parse(await readFile(new URL("../vectors/protocol.json", import.meta.url), "utf8"));

  it("recovers the signers, and nobody from what no key can have signed", async () => {
    const { transactions } = await vectors();
    for (const { transactionHash, signature, signer } of transactions) {
      expect(recoverSigner(transactionHash, signature)).to.equal(signer.toLowerCase());
      const other = recoverSigner(`0x${"11".repeat(32)}`, signature);
      expect(other).not.to.equal(signer.toLowerCase());
      // The same point with s in the upper half: a second signature that the contract refuses.
      const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
      const s = (order - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, "0");
      const v = String(signature).endsWith("1b") ? "1c" : "1b";
      const refused = [
        ...[`${signature.slice(0, 66)}${s}${v}`, `${signature.slice(0, 130)}00`, `${signature.slice(0, 130)}01`],
        ...[`0x${"00".repeat(64)}1b`, `0x${"ff".repeat(64)}1b`, signature.slice(0, 130), `${signature}00`, "0x"],
      ];
      for (const each of refused) expect(recoverSigner(transactionHash, each as Hex), each).to.equal(null);
    }
    const digest = keccak256("0x1234") as Hex;
    const wallet = new Wallet(devKey(7));
    expect(recoverSigner(digest, wallet.signingKey.sign(digest).serialized as Hex)).to.equal(
      wallet.address.toLowerCase(),
    );
  });

  it("follows every path, and computes every header's hash", async () => {
    const { blocks } = await vectors();
    let paths = 0;
    for (const { header: text, blockHash, proofs } of blocks) {
      const header = { ...text, number: Number(text.number), timestamp: Number(text.timestamp) };
      for (const { leaf, index, siblings } of proofs) {
        const proof: Proof = { header, index, siblings };
        const place = { blockNumber: header.number, transactionIndex: index, committedAt: header.timestamp * 1000 };
        expect(checkPath(leaf, place as Payment, proof).fault).to.equal(null);
        expect(headerHash(proof)).to.equal(blockHash);
        const beside = { ...place, transactionIndex: index + 1 } as Payment;
        expect(checkPath(leaf, beside, { ...proof, index: index + 1 }).fault).not.to.equal(null);
        paths++;
      }
    }
    expect(paths).to.be.above(20);
  });
});
