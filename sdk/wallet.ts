import {
  MAX_INPUTS,
  MAX_OUTPUTS,
  transactionHash,
  ZERO_HASH,
  type Output,
  type OutputId,
  type SignedTransaction,
  type Transaction,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import { isHexOfLength, type Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Signer } from "ethers";
import {
  Book,
  isComplete,
  NO_SIGNATURE,
  paymentNote,
  readLine,
  writeLine,
  type KnownPayment,
  type Note,
  type OwnOutput,
} from "./book.ts";
import { typedDataOf } from "./checks.ts";
import { chooseCoins, partsOf } from "./coins.ts";
import { depositTokens, type DepositRequest, type Deposited } from "./deposits.ts";
import { LyingOperatorError, OperatorError, WalletError } from "./errors.ts";
import { Evidence } from "./evidence.ts";
import { ExitHistory, type ExitProgress } from "./exitHistory.ts";
import { followExit, processExits, startExits, type StartedExit } from "./exits.ts";
import { Guarding } from "./guarding.ts";
import { encodeKit, kitOf, type ExitKit } from "./kit.ts";
import { Market } from "./market.ts";
import { OperatorClient, type Balance, type ShownOutput } from "./operatorClient.ts";
import { RootChain } from "./rootChain.ts";
import { memoryStore, type TextStore, type WalletStore } from "./store.ts";
import type { Paid, PayRequest, WalletOptions } from "./walletOptions.ts";

const LANES = 8;
const ADDRESS_BYTES = 20;
const AMOUNT_LIMIT = 2n ** 256n;
/** So many payments must wait for one output before it is split. */
const WAITING_FOR_LANES = 3;
/** Smaller outputs are put together when there are more of a token than this. */
const DUST_OUTPUTS = 16;
const POLL_MS = 500;
const COMMIT_MS_MAX = 2 * 3_600_000;

/**
 * An account on the child chain. It keeps its outputs and all it signed, proves what it is paid, and believes the operator
 * nothing that can be checked.
 */
export class Wallet {
  readonly address: Address;
  readonly operator: OperatorClient;
  readonly rootChain: RootChain;
  readonly signer: Signer;
  readonly book: Book;
  readonly market: Market;
  /** Keeps the watcher authorized that the options name; null without one. */
  readonly guarding: Guarding | null;
  private readonly store: WalletStore;
  private readonly kitStore: TextStore | null;
  private readonly fromBlock: number;
  private readonly lanes: number;
  private readonly evidence: Evidence;
  private turn: Promise<unknown> = Promise.resolve();
  private unsaved: Note[] = [];
  private saving: Promise<void> = Promise.resolve();
  private kitSaving: Promise<unknown> = Promise.resolve();
  private nextKit: Promise<void> | null = null;
  private waiting = 0;
  private answers = Promise.withResolvers<void>();
  private answering = 0;

  private constructor(options: WalletOptions, operator: OperatorClient, rootChain: RootChain, address: Address) {
    this.operator = operator;
    this.rootChain = rootChain;
    this.signer = options.signer;
    this.address = address;
    this.book = new Book(address, rootChain.separator);
    this.store = options.store ?? memoryStore();
    this.kitStore = options.kitStore ?? null;
    this.fromBlock = options.fromBlock ?? 0;
    this.lanes = options.lanes ?? LANES;
    this.evidence = new Evidence(operator, rootChain, this.book, this.fromBlock, async (note) => await this.note(note));
    this.market = new Market(this, options.serviceNode ?? null);
    this.guarding = options.guard === undefined ? null : new Guarding(this, options.guard);
  }

  /**
   * Opens a wallet on what its store has, without asking the operator for more than which contract it is of.
   * @throws WalletError WRONG_NETWORK, WRONG_SIGNER, STORE_DAMAGED; OperatorError
   */
  static async open(options: WalletOptions): Promise<Wallet> {
    const operator = typeof options.operator === "string" ? new OperatorClient(options.operator) : options.operator;
    const { chainId, contract } = await operator.status();
    const pinned = options.contract?.toLowerCase() as Address | undefined;
    if (pinned !== undefined && pinned !== contract) {
      throw new LyingOperatorError("the operator is of another contract", contract, `the wallet's is ${pinned}`);
    }
    const rootChain = await RootChain.connect(options.provider, contract, chainId);
    const address = (await options.signer.getAddress()).toLowerCase() as Address;
    const wallet = new Wallet(options, operator, rootChain, address);
    await wallet.load();
    return wallet;
  }

  /** What it can spend, and what the operator shows as on its way in or out. */
  async balances(): Promise<Balance[]> {
    const shown = await this.operator.account(this.address);
    const tokens = new Set([
      ...shown.balances.map(({ token }) => token),
      ...this.book.free().map(({ token }) => token),
    ]);
    return [...tokens].map((token) => {
      const { pending, exiting } = shown.balances.find((one) => one.token === token) ?? { pending: 0n, exiting: 0n };
      return { token, available: total(this.book.free(token)), exiting, pending };
    });
  }

  /** Its outputs: what it can spend, or else also what it spent and what is leaving. */
  outputs(which: "free" | "all" = "free"): OwnOutput[] {
    return which === "free" ? this.book.free() : [...this.book.outputs.values()];
  }

  /** Payments it signed or was paid by and knows, newest first: what became of each, and its proof. */
  history(): KnownPayment[] {
    return [...this.book.payments.values()]
      .filter((payment) => payment.signed || this.book.paysOwner(payment))
      .reverse();
  }

  /** Pays somebody. @throws as `pay` */
  async transfer(
    to: { to: Address; token: Address; amount: bigint } & Pick<PayRequest, "preferCommitted">,
  ): Promise<Paid> {
    const outputs = [
      { owner: to.to.toLowerCase() as Address, token: to.token.toLowerCase() as Address, amount: to.amount },
    ];
    return await this.pay({ outputs, preferCommitted: to.preferCommitted ?? false });
  }

  /**
   * Pays from outputs that it chooses. Calls may overlap: they take different outputs, wait for each other's change, and
   * split an output into lanes when many wait for it. What got no answer is sent again, the same bytes, by `sync`.
   * @throws WalletError MALFORMED, TOO_MANY_OUTPUTS, INSUFFICIENT_FUNDS; OperatorError with the reason for which it was refused
   */
  async pay(request: PayRequest): Promise<Paid> {
    this.waiting++;
    return await this.signAndSubmit(async () => {
      try {
        return await this.sign(request);
      } finally {
        this.waiting--;
      }
    });
  }

  /**
   * Spends to itself what a payment that was refused, or never answered, would spend. What comes back can be spent when a block
   * has it: until then the other payment could still take its place.
   */
  async cancel(hash: TransactionHash): Promise<Paid> {
    const payment = this.book.payments.get(hash);
    if (payment === undefined || !payment.signed || payment.status === "accepted") {
      throw new WalletError("NOT_MINE", "only an own payment that was not accepted can be cancelled", { hash });
    }
    const inputs = payment.transaction.inputs.flatMap((id) => this.book.outputs.get(id) ?? []);
    const sums = new Map<Address, bigint>();
    for (const { token, amount } of inputs) sums.set(token, (sums.get(token) ?? 0n) + amount);
    const outputs = [...sums].map(([token, amount]) => ({ owner: this.address, token, amount }));
    const transaction = {
      purpose: "transfer" as const,
      inputs: inputs.map(({ id }) => id),
      outputs,
      fileHash: ZERO_HASH,
    };
    return await this.signAndSubmit(async () => await this.signAll(transaction));
  }

  /**
   * Brings the wallet up to date: sends again what got no answer, takes in what it was paid, collects proofs of hours that
   * landed, and writes the exit kit. Everything is checked first. Last the watcher that guards it is told: `guarding.problem`.
   * @throws LyingOperatorError; OperatorError
   */
  async sync(): Promise<void> {
    for (const payment of this.book.unproven) {
      if (payment.signed && payment.status === "unsent" && isComplete(payment.transaction)) await this.resend(payment);
    }
    // What comes in while the operator answers is not missing in its answer.
    const counted = this.book.free();
    const available = await this.operator.outputs(this.address, "available");
    for (const output of available) if (!this.book.outputs.has(output.id)) await this.evidence.learn(output);
    const ids = new Set(available.map(({ id }) => id));
    await this.evidence.missing(counted.filter(({ id }) => !ids.has(id)));
    await this.evidence.returned(ids);
    await this.evidence.collectProofs();
    await this.saveKit();
    await this.guarding?.keep();
  }

  /** Proofs of all it has, of blocks that Ethereum has by now, and again of those that it undid. @throws LyingOperatorError */
  async collectProofs(): Promise<void> {
    await this.evidence.collectProofs();
  }

  /** Puts small outputs together, 16 at a time, where there are more than 16 of a token. Gives how many payments that took. */
  async mergeDust(): Promise<number> {
    let merges = 0;
    for (const token of new Set(this.book.free().map((output) => output.token))) {
      while (this.book.free(token).length > DUST_OUTPUTS) {
        await this.signAndSubmit(async () => {
          const smallest = this.book
            .free(token)
            .sort((a, b) => (a.amount < b.amount ? -1 : 1))
            .slice(0, MAX_INPUTS);
          return await this.merge(token, smallest);
        });
        merges++;
      }
    }
    return merges;
  }

  /** Deposits on Ethereum, with the signer's account as owner. */
  async deposit(request: DepositRequest): Promise<Deposited> {
    return await depositTokens(this.rootChain, this.signer, request);
  }

  /** Resolves when the operator has credited a deposit and the wallet has checked it. */
  async credited({ id }: Deposited, timeoutMs = COMMIT_MS_MAX): Promise<void> {
    await this.until("the deposit is credited", timeoutMs, () => this.book.deposits.has(id));
  }

  /** Resolves when Ethereum has the payment's block and the wallet its proof. */
  async committed(hash: TransactionHash, timeoutMs = COMMIT_MS_MAX): Promise<void> {
    await this.until("its hour is committed", timeoutMs, () => this.book.payments.get(hash)?.proof != null);
  }

  /**
   * Starts to take tokens to Ethereum: all that is committed of a token, or an amount, for which it may first have to pay
   * itself and wait for the hour. Follow it with `exitOf`, end it with `process`. After an interruption it takes up, too, what
   * an earlier call did not bring as far as Ethereum.
   * @throws WalletError INSUFFICIENT_FUNDS; REVERTED when the contract refuses all
   */
  async withdraw(request: { token: Address; amount?: bigint }): Promise<StartedExit[]> {
    const token = request.token.toLowerCase() as Address;
    const { amount } = request;
    if (amount !== undefined) await this.setApart(token, amount);
    // In turn, and noted before anything reaches Ethereum: a payment of what is leaving would cost the bond.
    const outputs = await this.inTurn(async () => {
      const ready = (await this.withdrawable(token)).filter(
        (output) => amount === undefined || output.amount === amount,
      );
      const chosen = amount === undefined ? ready : ready.slice(0, 1);
      for (const { id } of chosen) await this.note({ kind: "leaving", id });
      return chosen;
    });
    if (outputs.length === 0) {
      throw new WalletError("INSUFFICIENT_FUNDS", "nothing of this token is committed yet", { token });
    }
    const { started, refused } = await startExits(this.rootChain, this.signer, this.book, outputs);
    for (const { id } of refused) await this.note({ kind: "staying", id });
    await this.saveKit();
    const [first] = refused;
    if (started.length === 0 && first !== undefined) throw new WalletError("REVERTED", first.reason, { refused });
    return started;
  }

  /** How far the way out of an output is. */
  async exitOf(id: OutputId): Promise<ExitProgress> {
    const progress = await followExit(this.rootChain, id, this.fromBlock);
    if (progress.state === "finalized" && this.book.outputs.get(id)?.leaving === true) {
      await this.note({ kind: "left", id });
    }
    return progress;
  }

  /** Pays what is due in a token's queue, whoever's it is. Gives how many entries that were. */
  async process(token: Address): Promise<number> {
    return await processExits(this.rootChain, this.signer, token.toLowerCase() as Address, this.fromBlock);
  }

  /** Takes what could not be pushed to this account. Gives the amount, 0 when nothing is credited. */
  async claim(token: Address, to: Address = this.address): Promise<bigint> {
    const amount = await this.rootChain.claimable(token, this.address);
    if (amount > 0n) await this.rootChain.send(this.signer, "claim", [token, to]);
    return amount;
  }

  /** Lets another process have the store. */
  async close(): Promise<void> {
    await Promise.allSettled([this.saving, this.kitSaving, this.guarding?.settled]);
    await this.store.close?.();
  }

  kit(): ExitKit {
    return kitOf(this.book, this.rootChain.domain.chainId, this.rootChain.address, Date.now());
  }

  /** Writes the kit; while one is being written, one more waits, with all that came meanwhile. */
  async saveKit(): Promise<void> {
    const { kitStore } = this;
    if (kitStore === null) return;
    this.nextKit ??= this.kitSaving.then(async () => {
      this.nextKit = null;
      await kitStore.save(encodeKit(this.kit()));
    });
    this.kitSaving = this.nextKit.catch(() => undefined);
    await this.nextKit;
  }

  /**
   * Signs a transaction of several owners for this wallet's inputs: only when it can show where every input comes from, and
   * what it gets is what it meant. Kept before it is given out.
   * @throws WalletError NOT_PROVEN, NOT_READY; LyingOperatorError
   */
  async signShared(transaction: Transaction, inputs: readonly ShownOutput[]): Promise<(Hex | null)[]> {
    const hash = transactionHash(this.rootChain.separator, transaction);
    if (inputs.map(({ id }) => id).join() !== transaction.inputs.join()) {
      throw new WalletError("NOT_PROVEN", "these are not the inputs of the transaction", { hash });
    }
    for (const input of inputs) {
      await this.evidence.learnSource(input);
      if (!this.book.hasSource(input.id)) {
        const context = { input: input.id, owner: input.owner };
        throw new WalletError("NOT_PROVEN", "an input's hour is not committed: its exit could not be started", context);
      }
    }
    return await this.inTurn(async () => {
      for (const { id, owner } of inputs) {
        const own = owner === this.address ? this.book.outputs.get(id) : null;
        // Two spends of one output would be held against each other.
        if (own === undefined || own?.leaving === true || (own?.spentBy ?? hash) !== hash) {
          throw new WalletError("NOT_READY", "an input is signed away already, or leaving", { input: id });
        }
      }
      const signature = (await this.signer.signTypedData(...typedDataOf(this.rootChain.domain, transaction))) as Hex;
      const signatures = inputs.map(({ owner }) => (owner === this.address ? signature : null));
      await this.note(paymentNote({ ...transaction, signatures: signatures.map((one) => one ?? NO_SIGNATURE) }, true));
      this.guarding?.soon();
      return signatures;
    });
  }

  /** Sends a payment that is fully signed, and takes in what becomes of it. */
  async submit(signed: SignedTransaction): Promise<Paid> {
    const hash = transactionHash(this.rootChain.separator, signed);
    const known = this.book.payments.get(hash);
    // Of a swap the wallet has its own signature only.
    if (known !== undefined && !isComplete(known.transaction)) await this.note(paymentNote(signed, known.signed));
    try {
      const receipt = await this.operator.submit(signed);
      if (receipt.hash !== hash) throw new LyingOperatorError("a receipt has another hash", receipt.hash, hash);
      this.evidence.expect(hash, receipt.blockNumber);
      await this.note({ kind: "answer", hash, status: "accepted" });
      // It is paid, whatever becomes of the kit: the next `sync` says so if that cannot be written.
      await this.saveKit().catch(() => undefined);
      return { ...receipt, transaction: signed };
    } catch (error) {
      if (error instanceof OperatorError && isFinal(error)) {
        await this.note({ kind: "answer", hash, status: "refused" });
        if (["INPUT_SPENT", "UNKNOWN_INPUT", "INPUT_EXITING"].includes(error.code)) await this.sync();
      }
      throw error;
    }
  }

  /** Signs in turn, sends beside others; whoever finds nothing to spend waits for the change. */
  private async signAndSubmit(sign: () => Promise<SignedTransaction>): Promise<Paid> {
    const signed = await this.inTurn(async () => {
      const made = await sign();
      this.guarding?.soon();
      this.answering++;
      return made;
    });
    try {
      return await this.submit(signed);
    } finally {
      this.answering--;
      this.answers.resolve();
      this.answers = Promise.withResolvers();
    }
  }

  private async load(): Promise<void> {
    const lines = await this.store.load();
    const { chainId } = this.rootChain.domain;
    const own = { chainId: chainId.toString(), contract: this.rootChain.address, owner: this.address };
    for (const [i, line] of lines.entries()) {
      const note = readLine(line, i + 1);
      if (
        note.kind === "wallet" &&
        (note.owner !== own.owner || note.contract !== own.contract || note.chainId !== own.chainId)
      ) {
        const { owner, contract } = note;
        throw new WalletError("WRONG_SIGNER", `the store is of ${owner} on the contract ${contract}`, {
          ...own,
          store: note,
        });
      }
      this.book.apply(note);
    }
    if (lines.length === 0) await this.note({ kind: "wallet", version: 1, ...own });
  }

  /** Chooses inputs, adds the change, signs, and keeps what was signed, before anybody else sees it. */
  private async sign({
    purpose = "transfer",
    fileHash = ZERO_HASH,
    outputs: asked,
    preferCommitted,
  }: PayRequest): Promise<SignedTransaction> {
    const outputs = checkedOutputs(asked);
    const sums = new Map<Address, bigint>();
    for (const { token, amount } of outputs) sums.set(token, (sums.get(token) ?? 0n) + amount);
    const inputs: OwnOutput[] = [];
    const change: Output[] = [];
    for (const [token, amount] of sums) {
      const chosen = await this.choose(token, amount, preferCommitted ?? false);
      inputs.push(...chosen);
      const rest = total(chosen) - amount;
      if (rest > 0n) change.push({ owner: this.address, token, amount: rest });
    }
    if (inputs.length > MAX_INPUTS || outputs.length + change.length > MAX_OUTPUTS) {
      const context = { inputs: inputs.length, outputs: outputs.length + change.length };
      throw new WalletError("TOO_MANY_OUTPUTS", "a payment has at most 16 inputs, and 16 outputs with change", context);
    }
    return await this.signAll({
      purpose,
      inputs: inputs.map(({ id }) => id),
      outputs: [...outputs, ...change],
      fileHash,
    });
  }

  private async choose(token: Address, amount: bigint, preferCommitted: boolean): Promise<OwnOutput[]> {
    for (;;) {
      await this.openLanes(token, amount);
      const coins = this.book.free(token).map((output) => ({ ...output, committed: this.book.isCommitted(output) }));
      const choice = chooseCoins(coins, amount, preferCommitted);
      if (choice.kind === "inputs") return choice.inputs;
      if (choice.kind === "merge") await this.submit(await this.merge(token, choice.inputs));
      else if (this.answering > 0) await this.answers.promise;
      else {
        const context = { token, needed: amount.toString(), available: choice.available.toString() };
        throw new WalletError(
          "INSUFFICIENT_FUNDS",
          `${choice.available} of ${token} are there, ${amount} are needed`,
          context,
        );
      }
    }
  }

  /** When many payments wait for one output it is split, so that they need not wait for each other's change. */
  private async openLanes(token: Address, amount: bigint): Promise<void> {
    const lanes = Math.min(this.lanes, this.waiting);
    if (lanes < 2 || this.waiting < WAITING_FOR_LANES || this.answering > 0) return;
    const [only, ...others] = this.book.free(token);
    if (only === undefined || others.length > 0 || only.amount < amount * BigInt(2 * lanes)) return;
    const outputs = partsOf(only.amount, lanes).map((part) => ({ owner: this.address, token, amount: part }));
    const split = { purpose: "transfer" as const, inputs: [only.id], outputs, fileHash: ZERO_HASH };
    await this.submit(await this.signAll(split));
  }

  private async merge(token: Address, outputs: readonly OwnOutput[]): Promise<SignedTransaction> {
    return await this.signAll({
      ...{ purpose: "transfer", inputs: outputs.map(({ id }) => id), fileHash: ZERO_HASH },
      outputs: [{ owner: this.address, token, amount: total(outputs) }],
    });
  }

  private async signAll(transaction: Transaction): Promise<SignedTransaction> {
    const signature = (await this.signer.signTypedData(...typedDataOf(this.rootChain.domain, transaction))) as Hex;
    const signed = { ...transaction, signatures: transaction.inputs.map(() => signature) };
    await this.note(paymentNote(signed, true));
    return signed;
  }

  /** What is refused for good is noted; what gets no answer is sent again at the next call. */
  private async resend({ transaction }: KnownPayment): Promise<void> {
    try {
      await this.submit(transaction);
    } catch (error) {
      if (!(error instanceof OperatorError) || error.status === null) throw error;
    }
  }

  /** Committed outputs, and those whose exits never came as far as Ethereum. */
  private async withdrawable(token: Address): Promise<OwnOutput[]> {
    const free = this.book.free(token).filter((output) => this.book.isCommitted(output));
    const departing = this.book.departing().filter((output) => output.token === token && this.book.isCommitted(output));
    if (departing.length === 0) return free;
    const history = await ExitHistory.read(this.rootChain, this.fromBlock);
    const states = new Map(departing.map(({ id }) => [id, history.progressOf(id).state]));
    for (const [id, state] of states) if (state === "finalized") await this.note({ kind: "left", id });
    return [...departing.filter(({ id }) => ["none", "unpayable"].includes(states.get(id) as string)), ...free];
  }

  /** Makes an output of exactly that amount, if there is none whose hour is committed. */
  private async setApart(token: Address, amount: bigint): Promise<void> {
    if ((await this.withdrawable(token)).some((output) => output.amount === amount)) return;
    const { hash } = await this.transfer({ to: this.address, token, amount });
    await this.committed(hash);
  }

  private async until(what: string, timeoutMs: number, holds: () => boolean): Promise<void> {
    for (const end = Date.now() + timeoutMs; !holds();) {
      if (Date.now() > end) throw new WalletError("TIMED_OUT", `not within ${timeoutMs / 1000} s: ${what}`, { what });
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      await this.sync();
    }
  }

  /** One after another: no two payments choose the same output. */
  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.turn.then(work);
    this.turn = mine.catch(() => undefined);
    return await mine;
  }

  /** Takes a note; resolves when it cannot be lost. Notes of one moment are written together. */
  private async note(note: Note): Promise<void> {
    this.book.apply(note);
    this.unsaved.push(note);
    const before = this.saving;
    this.saving = before
      .catch(() => undefined)
      .then(async () => {
        const { length } = this.unsaved;
        if (length === 0) return;
        await this.store.append(this.unsaved.map(writeLine));
        // Others may have come meanwhile.
        this.unsaved = this.unsaved.slice(length);
      });
    await this.saving;
  }
}

/** The same bytes may be taken later; what something before the operator says, such as a proxy, is no answer either. */
function isFinal({ status, code }: OperatorError): boolean {
  return status !== null && status >= 400 && status < 500 && code !== "BAD_ANSWER";
}

/**
 * Before anything is signed: what the operator would refuse stays valid for ever all the same, and keeps its inputs.
 * @throws WalletError MALFORMED, TOO_MANY_OUTPUTS
 */
function checkedOutputs(outputs: readonly Output[]): Output[] {
  if (outputs.length === 0) throw new WalletError("MALFORMED", "a payment pays somebody");
  if (outputs.length > MAX_OUTPUTS) {
    throw new WalletError("TOO_MANY_OUTPUTS", "a payment has at most 16 outputs", { outputs: outputs.length });
  }
  return outputs.map(({ owner, token, amount }, index) => {
    const context = { index, owner, token, amount: String(amount) };
    if (!isHexOfLength(owner, ADDRESS_BYTES) || !isHexOfLength(token, ADDRESS_BYTES) || BigInt(owner) === 0n) {
      throw new WalletError("MALFORMED", "an owner or a token is no address", context);
    }
    if (typeof amount !== "bigint" || amount <= 0n || amount >= AMOUNT_LIMIT) {
      throw new WalletError("MALFORMED", "an amount is above 0 and below 2^256", context);
    }
    return { owner: owner.toLowerCase() as Address, token: token.toLowerCase() as Address, amount };
  });
}

function total(outputs: readonly { amount: bigint }[]): bigint {
  return outputs.reduce((sum, { amount }) => sum + amount, 0n);
}
