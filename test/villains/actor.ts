import { setTimeout } from "node:timers/promises";
import { ZeroAddress, ZeroHash, type TransactionReceipt } from "ethers";
import { depositHash, outputId, PURPOSES, type Deposit, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import type { Proof, SignedAuthorization } from "@plasma-billing/sdk";
import type { Name } from "./accounts.ts";
import { hashOf } from "./payments.ts";
import type { Stage } from "./stage.ts";

const MINED_POLL_MS = 20;
/** Index of a piggyback of output 0. */
export const OUTPUT = 16;
const OWNER_CALLS = { bondOwner: ZeroAddress, deadline: 0, signature: "0x" };
const NO_EXIT = {
  ...{ number: 0, owner: ZeroAddress, token: ZeroAddress, amount: 0 },
  ...{ bondOwner: ZeroAddress, depositRecord: 0 },
};
const NO_PROOF = {
  header: { number: 0, transactionsRoot: ZeroHash, transactionCount: 0, timestamp: 0 },
  ...{ index: 0, siblings: [] },
};

/** An in-flight exit, as it is handed in again. */
export interface Flight {
  payment: SignedTransaction;
  data: { id: string; data: string };
}

/** Somebody who acts on the contract by hand. */
export class Actor {
  private readonly stage: Stage;
  private readonly name: Name;

  constructor(stage: Stage, name: Name) {
    this.stage = stage;
    this.name = name;
  }

  /** Standard exits of outputs of payments that blocks have; for others with their authorization. */
  async exit(ids: readonly OutputId[], authorization?: SignedAuthorization): Promise<void> {
    const requests = [];
    for (const id of ids) {
      const { payment, index: outputIndex } = this.makerOf(id);
      const proof = await this.proofOf(payment);
      const output = { transaction: solidityOf(payment), proof, outputIndex };
      requests.push({ output, authorization: authorization ?? OWNER_CALLS });
    }
    await this.call("startStandardExits", [requests], "standardExitBond", ids.length);
  }

  async exitDeposits(deposits: readonly Deposit[]): Promise<void> {
    const requests = deposits.map((deposit) => ({ deposit, authorization: OWNER_CALLS }));
    await this.call("startDepositExits", [requests], "standardExitBond", deposits.length);
  }

  async startFlight(payment: SignedTransaction): Promise<Flight> {
    const payments: object[] = [];
    const deposits: object[] = [];
    for (const id of payment.inputs) {
      const deposit = this.depositOf(id);
      if (deposit !== undefined) deposits.push({ deposit, exit: NO_EXIT });
      else {
        const maker = this.makerOf(id);
        const proof = await this.proofOf(maker.payment);
        payments.push({ transaction: solidityOf(maker.payment), proof, outputIndex: maker.index });
      }
    }
    const args = [solidityOf(payment), payment.signatures, payments, deposits, "0x"];
    const { logs } = await this.call("startInFlightExit", args, "inFlightExitBond");
    const { args: event } = this.stage.chain.rootChain.interface.parseLog(logs[0]!)!;
    return { payment, data: { id: event["transactionHash"], data: event["data"] } };
  }

  /** @param index - i for input i, 16 + i for output i */
  async piggyback({ data }: Flight, index: number): Promise<void> {
    await this.call("piggyback", [data, index], "piggybackBond");
  }

  /** With a competitor that no block has. */
  async challengeNonCanonical({ data }: Flight, competitor: SignedTransaction): Promise<void> {
    const args = [data, 0, solidityOf(competitor), 0, competitor.signatures[0], NO_PROOF];
    await this.call("challengeNonCanonical", args, "challengeBond");
  }

  private depositOf(id: OutputId): Deposit | undefined {
    const { truth, rootChain } = this.stage;
    return truth.deposits.find((deposit) => outputId(depositHash(rootChain.separator, deposit), 0) === id);
  }

  private makerOf(id: OutputId): { payment: SignedTransaction; index: number } {
    for (const { hash, transaction } of this.stage.truth.payments) {
      const index = transaction.outputs.findIndex((_, i) => outputId(hash, i) === id);
      if (index !== -1) return { payment: transaction, index };
    }
    throw new Error(`no payment made ${id}`);
  }

  private async proofOf(payment: SignedTransaction): Promise<Proof> {
    const proof = await this.stage.client.proof(hashOf(this.stage.rootChain.separator, payment));
    if (proof === null) throw new Error("no block on Ethereum has the payment");
    return proof;
  }

  private async call(name: string, args: unknown[], bond: string, count = 1): Promise<TransactionReceipt> {
    const { chain, provider } = this.stage;
    const value = ((await chain.rootChain[bond]!()) as bigint) * BigInt(count);
    const contract: any = chain.rootChain.connect(this.stage.signer(this.name));
    const { hash } = await contract[name](...args, { value });
    for (;;) {
      const receipt = await provider.getTransactionReceipt(hash);
      if (receipt !== null && receipt.status !== 1) throw new Error(`${name} by ${this.name} reverted`);
      if (receipt !== null) return receipt;
      await setTimeout(MINED_POLL_MS);
    }
  }
}

function solidityOf({ purpose, inputs, outputs, fileHash }: SignedTransaction): object {
  return { purpose: PURPOSES[purpose], inputs, outputs, fileHash };
}
