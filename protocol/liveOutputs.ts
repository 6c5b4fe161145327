import { DEPOSIT_ORIGIN } from "./entryBytes.ts";
import { InvariantError } from "./errors.ts";
import { fromHex, toHex, type Hex } from "./hex.ts";
import type { LedgerOutput } from "./output.ts";
import {
  AMOUNT_WORD,
  DEPOSIT_FLAG,
  FLAGS_WORD,
  ORIGIN_WORD,
  OutputTable,
  OWNER_WORD,
  STATE_MASK,
  STATE_SHIFT,
  TOKEN_WORD,
  type TableCopy,
  type TableSecret,
} from "./outputTable.ts";
import { ADDRESS_BYTES, HASH_BYTES, OUTPUT_BYTES, putOutput } from "./paymentBytes.ts";
import { StateHash } from "./stateHash.ts";
import { MAX_OUTPUTS, type Output, type OutputId } from "./transaction.ts";
import type { Address } from "./typedData.ts";

/** What moved of a token: deposited = live + withdrawn, always. */
export interface Totals {
  deposited: bigint;
  live: bigint;
  withdrawn: bigint;
}

interface Token {
  address: Address;
  words: Int32Array;
  /** The same whatever number the token has. */
  key: number;
  totals: Totals;
}

type State = LedgerOutput["state"];
const STATES: readonly State[] = ["available", "exiting", "withdrawn"];
const AMOUNT_WORDS = 8;
const LIMB = 2 ** 32;

/** The outputs that are not spent, with what follows from them: totals by token, and the state hash. */
export class LiveOutputs {
  private readonly table: OutputTable;
  private readonly tokenNumbers = new Map<Address, number>();
  /** By their numbers. */
  private readonly tokens: Token[] = [];
  private readonly hash = new StateHash();
  private readonly sums = new Float64Array(AMOUNT_WORDS);
  /** Numbers of the tokens of the outputs that were balanced last. */
  private readonly outputTokens = new Int32Array(MAX_OUTPUTS);

  /** @param pages those of an earlier `beginCopy`, with its totals in their order */
  constructor(
    secret: TableSecret,
    totals: readonly [Address, Totals][] = [],
    pages: readonly Int32Array<ArrayBuffer>[] = [],
  ) {
    for (const [token, ofToken] of totals) Object.assign(this.addToken(token).totals, ofToken);
    this.table = OutputTable.of(pages, secret);
    for (const record of this.table.records()) {
      if (this.tokenNumber(record) >= this.tokens.length) throw new InvariantError("an output of no token", { record });
      if (this.state(record) !== "withdrawn") this.hashIn(record);
    }
  }

  get size(): number {
    return this.table.size;
  }

  get bytes(): number {
    return this.table.bytes;
  }

  get totals(): ReadonlyMap<Address, Readonly<Totals>> {
    return new Map(this.tokens.map(({ address, totals }) => [address, totals]));
  }

  beginCopy(): TableCopy {
    return this.table.beginCopy();
  }

  stateHash(openBlockNumber: number): Hex {
    return this.hash.value(openBlockNumber);
  }

  /** Number of the output with the id that stands there, -1 when there is none. */
  find(view: DataView, at: number): number {
    return this.table.find(view, at);
  }

  findId(id: OutputId): number {
    return this.table.find(new DataView(fromHex(id).buffer), 0);
  }

  ids(): OutputId[] {
    return Array.from(this.table.records(), (record) => this.read(record).id);
  }

  state(record: number): State {
    return STATES[(this.flags(record) & STATE_MASK) >> STATE_SHIFT] as State;
  }

  ownerIs(record: number, view: DataView, at: number): boolean {
    const page = this.table.pageOf(record);
    const word = this.table.wordOf(record) + OWNER_WORD;
    for (let i = 0; i < 5; i++) if (page[word + i] !== view.getInt32(at + 4 * i)) return false;
    return true;
  }

  read(record: number): LedgerOutput {
    const page = this.table.pageOf(record);
    const word = this.table.wordOf(record);
    const flags = this.flags(record);
    const deposit = (flags & DEPOSIT_FLAG) !== 0;
    const origin = [page[word + ORIGIN_WORD] as number, page[word + ORIGIN_WORD + 1] as number].map(
      (half) => half >>> 0,
    );
    const [high, low] = origin as [number, number];
    return {
      id: hexOf(page, word, 8),
      owner: hexOf(page, word + OWNER_WORD, 5),
      token: this.tokenOf(record).address,
      amount: BigInt(hexOf(page, word + AMOUNT_WORD, AMOUNT_WORDS)),
      state: this.state(record),
      blockNumber: deposit ? null : high,
      transactionIndex: deposit ? null : low,
      outputIndex: flags & 0xff,
      depositId: deposit ? (BigInt(high) << 32n) | BigInt(low) : null,
    };
  }

  /** Whether the outputs whose 72 bytes begin at `at` pay out exactly what the records hold, token by token. */
  balances(records: Int32Array, inputs: number, view: DataView, at: number, outputs: number): boolean {
    const { sums } = this;
    let paid = 0;
    for (let i = 0; i < inputs; i++) {
      const token = this.tokenNumber(records[i] as number);
      let seen = false;
      for (let j = 0; j < i; j++) if (this.tokenNumber(records[j] as number) === token) seen = true;
      if (seen) continue;
      sums.fill(0);
      for (let j = i; j < inputs; j++) {
        if (this.tokenNumber(records[j] as number) === token) this.addAmount(records[j] as number);
      }
      const { words } = this.tokens[token] as Token;
      for (let j = 0, output = at; j < outputs; j++, output += OUTPUT_BYTES) {
        if (!isAddress(words, view, output + ADDRESS_BYTES)) continue;
        paid++;
        this.outputTokens[j] = token;
        for (let k = 0; k < AMOUNT_WORDS; k++) {
          sums[k] = (sums[k] as number) - view.getUint32(output + 2 * ADDRESS_BYTES + 4 * k);
        }
      }
      let carry = 0;
      for (let k = AMOUNT_WORDS - 1; k >= 0; k--) {
        carry = ((sums[k] as number) + carry) / LIMB;
        if (!Number.isInteger(carry)) return false;
      }
      if (carry !== 0) return false;
    }
    return paid === outputs;
  }

  /** Adds an output of the payment that was balanced last: its 72 bytes and its id stand in the view. */
  create(
    view: DataView,
    idAt: number,
    at: number,
    place: [block: number, index: number, output: number],
    state: State,
  ): void {
    const [high, low, outputIndex] = place;
    const token = this.outputTokens[outputIndex] as number;
    const output = { view, ownerAt: at, amountAt: at + 2 * ADDRESS_BYTES };
    const flags = outputIndex | (STATES.indexOf(state) << STATE_SHIFT);
    this.took(this.table.insert({ view, at: idAt }, output, token, { high, low }, flags), state);
  }

  createDeposit(id: OutputId, depositId: bigint, output: Output, state: State): void {
    if (!this.tokenNumbers.has(output.token)) this.addToken(output.token);
    const token = this.tokenNumbers.get(output.token) as number;
    const { totals } = this.tokens[token] as Token;
    totals.deposited += output.amount;
    totals.live += output.amount;
    const bytes = new Uint8Array(HASH_BYTES + OUTPUT_BYTES);
    bytes.set(fromHex(id));
    putOutput(bytes, HASH_BYTES, output);
    const view = new DataView(bytes.buffer);
    const place = { view, ownerAt: HASH_BYTES, amountAt: HASH_BYTES + 2 * ADDRESS_BYTES };
    const origin = { high: Number(depositId >> 32n) | 0, low: Number(depositId & 0xffffffffn) | 0 };
    const flags = DEPOSIT_FLAG | (STATES.indexOf(state) << STATE_SHIFT);
    this.took(this.table.insert({ view, at: 0 }, place, token, origin, flags), state);
  }

  /** A payment spends it. What it creates has the same sum, so the totals stay. */
  spend(record: number): void {
    if (this.state(record) === "withdrawn")
      throw new InvariantError("a withdrawn output is spent", { ...this.read(record) });
    this.hashOut(record);
    this.table.remove(record);
  }

  setState(record: number, state: State): void {
    const before = this.state(record);
    if (before === state) return;
    const { totals } = this.tokenOf(record);
    if (before !== "withdrawn") this.hashOut(record);
    this.table.setFlags(record, (this.flags(record) & ~STATE_MASK) | (STATES.indexOf(state) << STATE_SHIFT));
    if (state !== "withdrawn") this.hashIn(record);
    if (before !== "withdrawn" && state !== "withdrawn") return;
    const { amount } = this.read(record);
    totals.live += state === "withdrawn" ? -amount : amount;
    totals.withdrawn += state === "withdrawn" ? amount : -amount;
  }

  /** Writes what an output is and where it is from: the 81 bytes of docs/FORMATS.md. */
  describe(record: number, view: DataView, at: number): void {
    const page = this.table.pageOf(record);
    const word = this.table.wordOf(record);
    for (let i = 0; i < 5; i++) view.setInt32(at + 4 * i, page[word + OWNER_WORD + i] as number);
    const { words } = this.tokenOf(record);
    for (let i = 0; i < 5; i++) view.setInt32(at + ADDRESS_BYTES + 4 * i, words[i] as number);
    for (let i = 0; i < AMOUNT_WORDS; i++) {
      view.setInt32(at + 2 * ADDRESS_BYTES + 4 * i, page[word + AMOUNT_WORD + i] as number);
    }
    view.setInt32(at + OUTPUT_BYTES, page[word + ORIGIN_WORD] as number);
    view.setInt32(at + OUTPUT_BYTES + 4, page[word + ORIGIN_WORD + 1] as number);
    const flags = this.flags(record);
    view.setUint8(at + OUTPUT_BYTES + 8, (flags & DEPOSIT_FLAG) !== 0 ? DEPOSIT_ORIGIN : flags & 0xff);
  }

  /** Counts every output anew and asserts that, token by token, deposits = live + withdrawn. */
  checkSums(): void {
    const counted = this.tokens.map(() => new Float64Array(AMOUNT_WORDS));
    for (const record of this.table.records()) {
      if (this.state(record) === "withdrawn") continue;
      const sums = counted[this.tokenNumber(record)] as Float64Array;
      const page = this.table.pageOf(record);
      const word = this.table.wordOf(record) + AMOUNT_WORD;
      for (let i = 0; i < AMOUNT_WORDS; i++) sums[i] = (sums[i] as number) + ((page[word + i] as number) >>> 0);
    }
    for (const [number, { address: token, totals }] of this.tokens.entries()) {
      const { deposited, live, withdrawn } = totals;
      const sum = (counted[number] as Float64Array).reduce((total, limb) => (total << 32n) + BigInt(limb), 0n);
      if (sum !== live || live + withdrawn !== deposited) {
        throw new InvariantError("sums are not kept", { token, counted: sum, live, withdrawn, deposited });
      }
    }
  }

  private addToken(address: Address): Token {
    const view = new DataView(fromHex(address).buffer);
    const words = Int32Array.from({ length: 5 }, (_, i) => view.getInt32(4 * i));
    const key = words.reduce((mixed, word) => (Math.imul(mixed, 31) + word) | 0, 17);
    const token = { address, words, key, totals: { deposited: 0n, live: 0n, withdrawn: 0n } };
    this.tokenNumbers.set(address, this.tokens.length);
    this.tokens.push(token);
    return token;
  }

  private took(record: number, state: State): void {
    if (state !== "withdrawn") return this.hashIn(record);
    const { totals } = this.tokenOf(record);
    const { amount } = this.read(record);
    totals.live -= amount;
    totals.withdrawn += amount;
  }

  private addAmount(record: number): void {
    const page = this.table.pageOf(record);
    const word = this.table.wordOf(record) + AMOUNT_WORD;
    for (let i = 0; i < AMOUNT_WORDS; i++) this.sums[i] = (this.sums[i] as number) + ((page[word + i] as number) >>> 0);
  }

  private flags(record: number): number {
    return this.table.pageOf(record)[this.table.wordOf(record) + FLAGS_WORD] as number;
  }

  private tokenOf(record: number): Token {
    return this.tokens[this.tokenNumber(record)] as Token;
  }

  private tokenNumber(record: number): number {
    return this.table.pageOf(record)[this.table.wordOf(record) + TOKEN_WORD] as number;
  }

  private hashIn(record: number): void {
    const { key } = this.tokenOf(record);
    this.hash.add(this.table.pageOf(record), this.table.wordOf(record), key, this.state(record) === "exiting");
  }

  private hashOut(record: number): void {
    const { key } = this.tokenOf(record);
    this.hash.remove(this.table.pageOf(record), this.table.wordOf(record), key, this.state(record) === "exiting");
  }
}

function isAddress(words: Int32Array, view: DataView, at: number): boolean {
  for (let i = 0; i < 5; i++) if (words[i] !== view.getInt32(at + 4 * i)) return false;
  return true;
}

function hexOf(page: Int32Array, word: number, length: number): Hex {
  const bytes = new Uint8Array(4 * length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < length; i++) view.setInt32(4 * i, page[word + i] as number);
  return toHex(bytes);
}
