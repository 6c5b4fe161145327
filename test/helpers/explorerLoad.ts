// Very many payments for a stage of the explorer: signed here, accepted by its operator in batches.
import { setImmediate } from "node:timers/promises";
import { Wallet } from "ethers";
import { duesOf } from "@plasma-billing/protocol/market/shares.ts";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { encodePayment, hashPayment } from "@plasma-billing/protocol/paymentBytes.ts";
import {
  depositHash,
  fileHashOf,
  outputId,
  ZERO_HASH,
  type Output,
  type OutputId,
  type SignedTransaction,
} from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import { frame } from "../../bench/operator/framing.ts";
import { laneKey } from "../../bench/operator/lanes.ts";
import { addressOf, sign } from "../../bench/operator/signing.ts";
import { FILES, type ExplorerStage, type TokenName } from "./explorerStage.ts";
import { register } from "./market.ts";
import { eventually } from "./operatorProcess.ts";

const BATCH = 1_000;
/** Payers of one lane spend one output after the other: their payments go one batch after the other. */
const LANES = 4;
const PAYERS = 20;
const DEPOSIT = 10n ** 15n;
const WAIT_MS = 120_000;

export interface LoadedPayment {
  hash: Hex;
  payer: Address;
  purpose: "purchase" | "transfer";
  fileId: string | null;
  blockNumber: number;
  transactionIndex: number;
  acceptedAt: number;
}

interface Payer {
  key: Uint8Array;
  address: Address;
  isMart: boolean;
  token: Address;
  output: { id: OutputId; amount: bigint };
}

/** Of two payers one buys files, the other pays anybody. */
export class ExplorerLoad {
  /** In the order of their places. */
  readonly payments: LoadedPayment[] = [];
  private readonly stage: ExplorerStage;
  private readonly payers: Payer[];
  private readonly separator: Hex;
  private readonly receivers: Address[];
  private made = 0;

  private constructor(stage: ExplorerStage, payers: Payer[], separator: Hex) {
    this.stage = stage;
    this.payers = payers;
    this.separator = separator;
    this.receivers = payers.map(({ address }) => address);
  }

  /** Deposits for the payers, registers those that buy. The files are there already. */
  static async prepare(stage: ExplorerStage): Promise<ExplorerLoad> {
    const { chain, operator } = stage.market;
    const separator = domainSeparator({
      chainId: chain.chainId,
      verifyingContract: chain.address.toLowerCase() as Address,
    });
    const money = chain.token.attach(stage.tokens.money) as typeof chain.token;
    await chain.mined(money["mint"]!(await chain.deployer.getAddress(), DEPOSIT * BigInt(PAYERS)));
    await chain.mined(money["approve"]!(chain.address, DEPOSIT * BigInt(PAYERS)));
    const payers: Payer[] = [];
    for (let i = 0; i < PAYERS; i++) {
      const key = laneKey(i);
      const address = addressOf(key);
      const isMart = i % 2 === 0;
      const name: TokenName = isMart ? "money" : "ether";
      const token = stage.tokens[name];
      const { rootChain } = chain;
      const receipt = await chain.mined(
        isMart
          ? rootChain["deposit"]!(token, DEPOSIT, address)
          : rootChain["depositEther"]!(address, { value: DEPOSIT }),
      );
      const id: bigint = receipt.logs
        .map((log) => rootChain.interface.parseLog(log))
        .find((event) => event?.name === "Deposited")!.args["id"];
      const terms = { id, owner: address, token, amount: DEPOSIT };
      const output = { id: outputId(depositHash(separator, terms), 0), amount: DEPOSIT };
      payers.push({ key, address, isMart, token, output });
      if (!isMart) continue;
      const market = { post: async (path: string, body: unknown): Promise<any> => await operator.post(path, body) };
      const answer = await register(market, new Wallet(toHex(key)), "mart", { domain: chain.domain() });
      if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
    }
    await chain.mine(3);
    const last = payers.at(-1)!.output.id;
    await eventually("the deposits are credited", WAIT_MS, async () => {
      return (await operator.get(`/v1/outputs/${last}`)).body.output?.state === "available";
    });
    return new ExplorerLoad(stage, payers, separator);
  }

  /** Has so many payments accepted. */
  async run(count: number): Promise<void> {
    const perLane = count / LANES;
    await Promise.all(
      Array.from({ length: LANES }, async (_, lane) => {
        const payers = this.payers.filter((_payer, i) => i % LANES === lane);
        for (let done = 0; done < perLane; done += BATCH) await this.send(payers, Math.min(BATCH, perLane - done));
      }),
    );
    this.payments.sort((a, b) => a.blockNumber - b.blockNumber || a.transactionIndex - b.transactionIndex);
  }

  private async send(payers: Payer[], count: number): Promise<void> {
    const made: Omit<LoadedPayment, "blockNumber" | "transactionIndex" | "acceptedAt">[] = [];
    const bytes: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      const { payment, ...known } = this.sign(payers[i % payers.length]!);
      made.push(known);
      bytes.push(payment);
    }
    await setImmediate();
    const response = await fetch(`${this.stage.url}/v1/transactions/batch`, {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: frame(bytes),
    });
    const { results } = (await response.json()) as { results: any[] };
    for (const [i, { payment, problem }] of results.entries()) {
      if (problem !== undefined) throw new Error(JSON.stringify(problem));
      const { hash, blockNumber, transactionIndex, acceptedAt } = payment;
      if (hash !== made[i]!.hash) throw new Error(`${hash} instead of ${made[i]!.hash}`);
      this.payments.push({ ...made[i]!, blockNumber, transactionIndex, acceptedAt });
    }
  }

  private sign(payer: Payer): Omit<LoadedPayment, "blockNumber" | "transactionIndex" | "acceptedAt"> & {
    payment: Uint8Array;
  } {
    const { token, address } = payer;
    const number = this.made++;
    const file = payer.isMart ? FILES[number % 2]! : null;
    const outputs: Output[] = [];
    if (file === null) outputs.push({ owner: this.receivers[number % PAYERS]!, token, amount: 1n });
    else {
      const { people } = this.stage;
      const offer = {
        ...{ validator: people.validator.address, owner: people.owner.address, token, price: file.price },
        ...{ ownerShareBps: 2_500, serviceShareBps: 333 },
      };
      for (const [owner, amount] of duesOf(offer, people.serviceNode.address)) outputs.push({ owner, token, amount });
    }
    const rest = outputs.reduce((left, { amount }) => left - amount, payer.output.amount);
    outputs.push({ owner: address, token, amount: rest });
    const purpose = file === null ? "transfer" : "purchase";
    const fileHash = file === null ? ZERO_HASH : fileHashOf(file.fileId);
    const unsigned: SignedTransaction = { purpose, inputs: [payer.output.id], outputs, fileHash, signatures: [] };
    const digest = hashPayment(this.separator, encodePayment(unsigned));
    const hash = toHex(digest);
    const payment = encodePayment({ ...unsigned, signatures: [toHex(sign(digest, payer.key))] });
    // The outputs before it go to others.
    payer.output = { id: outputId(hash, outputs.length - 1), amount: rest };
    return { hash, payer: address, purpose, fileId: file?.fileId ?? null, payment };
  }
}
