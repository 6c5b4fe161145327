import { Wallet, type BaseWallet } from "ethers";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { encodePayment, hashPayment } from "@plasma-billing/protocol/paymentBytes.ts";
import {
  outputId,
  ZERO_HASH,
  type OutputId,
  type SignedTransaction,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import { encodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Random } from "../adversary/random.ts";
import { devKey } from "../helpers/chain.ts";

const TOKEN: Address = "0x0000000000000000000000000000000000000000";
const OUTPUTS_MAX = 6;
const FORMS = ["json", "binary", "jsonBatch", "binaryBatch"] as const;

/** What the operator told of a payment: what it has to stand by for ever. */
export interface Receipt {
  hash: TransactionHash;
  blockNumber: number;
  transactionIndex: number;
  acceptedAt: number;
}

interface Sending {
  form: (typeof FORMS)[number];
  payments: { hash: TransactionHash; transaction: SignedTransaction }[];
}

class WrongAnswer extends Error {}

/** One payer: pays itself, each payment from outputs of those before, and keeps what it was told. */
export class Lane {
  readonly address: Address;
  readonly receipts: Receipt[] = [];
  /** What it owns if all it sent was taken. */
  outputs: { id: OutputId; amount: bigint }[] = [];
  /** Sent without an answer: the next thing sent is the same again. */
  private sending: Sending | null = null;
  private readonly signer: BaseWallet;
  private readonly separator: Hex;
  private readonly random: Random;

  constructor(index: number, separator: Hex, random: Random) {
    this.signer = new Wallet(devKey(index));
    this.address = this.signer.address.toLowerCase() as Address;
    this.separator = separator;
    this.random = random;
  }

  /** Pays until the connection breaks. */
  async run(url: string): Promise<void> {
    do this.sending ??= this.next();
    while (await this.deliver(url));
  }

  /** Sends again what had no answer. */
  async repeat(url: string): Promise<void> {
    if (this.sending !== null && !(await this.deliver(url))) throw new Error("the connection broke");
  }

  /** Sends until there is an answer; false when the connection broke. */
  private async deliver(url: string): Promise<boolean> {
    for (; this.sending !== null;) {
      const answer = await send(url, this.sending).catch((error: unknown) => {
        if (error instanceof WrongAnswer) throw error;
        return null;
      });
      if (answer === null) return false;
      if (answer === "overloaded") {
        await new Promise((resolve) => setTimeout(resolve, 20));
        continue;
      }
      this.receipts.push(...answer);
      this.sending = null;
    }
    return true;
  }

  private next(): Sending {
    const form = this.random.pick(FORMS)!;
    const count = form.endsWith("Batch") ? this.random.between(1, 12) : 1;
    return { form, payments: Array.from({ length: count }, () => this.pay()) };
  }

  private pay(): Sending["payments"][0] {
    const { outputs, random } = this;
    const merge = outputs.length > 1 && (outputs.length >= OUTPUTS_MAX || random.chance(0.4));
    const inputs = outputs.splice(0, merge ? 2 : 1);
    const total = inputs.reduce((sum, { amount }) => sum + amount, 0n);
    const amounts = total === 1n || random.chance(0.5) ? [total] : [1n, total - 1n];
    const unsigned = {
      ...{ purpose: "transfer" as const, inputs: inputs.map(({ id }) => id), fileHash: ZERO_HASH },
      outputs: amounts.map((amount) => ({ owner: this.address, token: TOKEN, amount })),
    };
    const hash = toHex(hashPayment(this.separator, encodePayment({ ...unsigned, signatures: [] })));
    const signature = this.signer.signingKey.sign(hash).serialized as Hex;
    outputs.push(...amounts.map((amount, i) => ({ id: outputId(hash, i), amount })));
    return { hash, transaction: { ...unsigned, signatures: inputs.map(() => signature) } };
  }
}

/** @throws WrongAnswer for one that must not be; anything else when there is none */
async function send(url: string, { form, payments }: Sending): Promise<Receipt[] | "overloaded"> {
  const batch = form.endsWith("Batch");
  const binary = form.startsWith("binary");
  const response = await fetch(`${url}/v1/transactions${batch ? "/batch" : ""}`, {
    method: "POST",
    headers: { "content-type": binary ? "application/octet-stream" : "application/json" },
    body: binary ? bytesOf(payments, batch) : jsonOf(payments, batch),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  const { status } = response;
  if (status === 503) return "overloaded";
  const body = JSON.parse(text);
  const receipts: Receipt[] = batch ? body.results?.map((item: any) => item.payment) : [body];
  const told = receipts?.map((receipt) => receipt?.hash);
  if (status > 201 || told?.join() !== payments.map(({ hash }) => hash).join()) {
    throw new WrongAnswer(`${form} got ${status} ${text.slice(0, 500)}`);
  }
  return receipts.map(({ hash, blockNumber, transactionIndex, acceptedAt }) => {
    return { hash, blockNumber, transactionIndex, acceptedAt };
  });
}

function jsonOf(payments: Sending["payments"], batch: boolean): string {
  const items = payments.map(({ transaction }) => encodeTransaction(transaction));
  return JSON.stringify(batch ? { transactions: items } : items[0]);
}

function bytesOf(payments: Sending["payments"], batch: boolean): Uint8Array<ArrayBuffer> {
  const encoded = payments.map(({ transaction }) => Buffer.from(encodePayment(transaction)));
  if (!batch) return Uint8Array.from(encoded[0]!);
  const framed = encoded.flatMap((bytes) => [Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
  return Uint8Array.from(Buffer.concat(framed));
}
