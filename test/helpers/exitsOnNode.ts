import type { BaseWallet, EventLog, TransactionReceipt } from "ethers";
import { Wallet } from "ethers";
import { devKey, ETHER, type Chain, type SignedPayment } from "./chain.ts";
import { NO_EXIT, NO_PROOF } from "./inFlight.ts";

export interface MadeDeposit {
  terms: { id: bigint; owner: string; token: string; amount: bigint };
  outputId: string;
}

/** An in-flight exit that was started, as it is handed in again. */
export interface StartedFlight {
  number: bigint;
  data: { id: string; data: string };
}

/** Exits and challenges on a real node, each by the development account with an index. */
export class ExitsOnNode {
  readonly chain: Chain;
  private deposits = 0;

  constructor(chain: Chain) {
    this.chain = chain;
  }

  static owner(account: number): Wallet {
    return new Wallet(devKey(account));
  }

  async deposit(account: number, amount: bigint): Promise<MadeDeposit> {
    const { address: owner } = ExitsOnNode.owner(account);
    await this.chain.mined(this.chain.rootChain["depositEther"]!(owner, { value: amount }));
    const terms = { id: BigInt(++this.deposits), owner, token: ETHER, amount };
    return { terms, outputId: this.chain.depositOutputId(terms) };
  }

  /** Moves a whole output from one account to another. */
  async transfer(input: string, amount: bigint, from: number, to: number): Promise<SignedPayment> {
    const signer: BaseWallet = ExitsOnNode.owner(from);
    return await this.chain.payment(
      [input],
      [{ owner: ExitsOnNode.owner(to).address, token: ETHER, amount }],
      [signer],
    );
  }

  async exitDeposit(account: number, { terms }: MadeDeposit): Promise<TransactionReceipt> {
    return await this.mined(account, "startDepositExit", [terms], await this.bond("standardExitBond"));
  }

  /** Starts an in-flight exit of a payment that spends this deposit. */
  async startFlight(account: number, payment: SignedPayment, { terms }: MadeDeposit): Promise<StartedFlight> {
    const args = [payment.solidity, payment.json.signatures, [], [{ deposit: terms, exit: NO_EXIT }], "0x"];
    const { logs } = await this.mined(account, "startInFlightExit", args, await this.bond("inFlightExitBond"));
    const event = this.chain.rootChain.interface.parseLog(logs[0]!)!;
    return { number: event.args["number"], data: { id: payment.hash, data: event.args["data"] } };
  }

  async piggyback(account: number, { data }: StartedFlight, index: number): Promise<void> {
    await this.mined(account, "piggyback", [data, index], await this.bond("piggybackBond"));
  }

  /** Shows the competitor, in no block, of the flight's first input. */
  async challengeNonCanonical(account: number, { data }: StartedFlight, competitor: SignedPayment): Promise<void> {
    const args = [data, 0, competitor.solidity, 0, competitor.json.signatures[0], NO_PROOF];
    await this.mined(account, "challengeNonCanonical", args, await this.bond("challengeBond"));
  }

  async events(name: string): Promise<EventLog[]> {
    return (await this.chain.rootChain.queryFilter(this.chain.rootChain.filters[name]!())) as EventLog[];
  }

  /** Nonce of an account: how many transactions of it are in blocks. */
  async sentBy(account: number): Promise<number> {
    return await this.chain.provider.getTransactionCount(ExitsOnNode.owner(account).address, "latest");
  }

  private async bond(name: string): Promise<bigint> {
    return await this.chain.rootChain[name]!();
  }

  private async mined(account: number, name: string, args: unknown[], value: bigint): Promise<TransactionReceipt> {
    const contract: any = this.chain.rootChain.connect(this.chain.wallet(account));
    return await this.chain.mined(contract[name](...args, { value }));
  }
}
