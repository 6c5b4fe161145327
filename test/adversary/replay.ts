// Plays a history of the model on the real contract: the same calls at the same seconds, with real hashes, trees and
// signatures. Every call must be accepted or refused as in the model, and everybody must have got the same wei.
import { AbiCoder, type LogDescription, TypedDataEncoder, id } from "ethers";
import { DEPOSIT_TYPES, TRANSACTION_TYPES, ZERO_HASH, outputIdOf } from "../helpers/chain.ts";
import { naiveTree } from "../helpers/game.ts";
import { type Action, type Played, OUTPUT_SLOT, describe } from "./actions.ts";
import { type Book, type OutputId, type Place, type Transaction, ETHER, hasBit, TOKENS } from "./book.ts";
import { BONDS } from "./exits.ts";
import type { Deployed, Log, Stage } from "./stage.ts";
import { PLAYERS, type World } from "./world.ts";

const coder = AbiCoder.defaultAbiCoder();
const ZERO_ADDRESS = `0x${"00".repeat(20)}`;
const STANDARD_EXIT = "tuple(uint40,address,address,uint256,address,uint216)";
const NO_EXIT = [0, ZERO_ADDRESS, ZERO_ADDRESS, 0, ZERO_ADDRESS, 0];
const NO_PROOF = [[0, ZERO_HASH, 0, 0], 0, []];
const COMMITMENT_BIT = 1n << 215n;
const UPLOAD = 2;

interface Started {
  output: OutputId | null;
  /** Fields of a standard exit. */
  fields: unknown[];
  /** As `processExits` takes it. */
  data: { id: string; data: string };
}
interface Call {
  name: string;
  args: unknown[];
  value: number;
}

/** What differs between the model's history and the contract's; nothing if all is well. */
export async function replay(stage: Stage, world: World): Promise<string[]> {
  return await new Replay(stage, world, await stage.fresh()).run();
}

class Replay {
  private readonly stage: Stage;
  private readonly world: World;
  private readonly book: Book;
  private readonly at: Deployed;
  private readonly domain: object;
  private readonly hashes: string[] = [];
  private readonly signatures = new Map<string, string>();
  private readonly trees: ReturnType<typeof naiveTree>[] = [];
  private readonly times: number[] = [];
  private readonly exits = new Map<number, Started>();

  constructor(stage: Stage, world: World, at: Deployed) {
    this.stage = stage;
    this.world = world;
    this.book = world.book;
    this.at = at;
    const { chainId } = stage;
    this.domain = { name: "Plasma Billing", version: "1", chainId, verifyingContract: at.rootChain };
    for (const transaction of this.book.transactions) this.hashes.push(this.hash(transaction));
  }

  async run(): Promise<string[]> {
    const before = await this.balances();
    const differences: string[] = [];
    for (const played of this.world.played) {
      const accepted = await this.send(played);
      // What follows a difference says nothing.
      if (accepted !== (played.refused === null)) {
        return [`the contract ${accepted ? "accepted" : "refused"} ${describe(played)}`];
      }
      if (played.action.kind === "process") differences.push(...(await this.compareQueues(played)));
      if (differences.length > 0) return differences;
    }
    const after = await this.balances();
    for (let player = 0; player < PLAYERS; player++) {
      for (const token of TOKENS) {
        const moved = after[player]![token] - before[player]![token];
        const expected = BigInt(this.world.chain.flows.get(player)?.[token] ?? 0);
        if (moved !== expected) differences.push(`p${player} got ${moved} of token ${token}, not ${expected}`);
      }
    }
    return [...differences, ...(await this.compareState())];
  }

  /** What each player has, with what waits to be claimed. */
  private async balances(): Promise<[bigint, bigint][]> {
    const balances: [bigint, bigint][] = [];
    for (const { address } of this.stage.accounts) {
      const credit = await this.stage.read(this.at.rootChain, "claimable", [ZERO_ADDRESS, address]);
      const ether = await this.stage.balance(address, null);
      balances.push([ether + credit, await this.stage.balance(address, this.at.token)]);
    }
    return balances;
  }

  private async compareQueues(played: Played): Promise<string[]> {
    const differences: string[] = [];
    for (const token of TOKENS) {
      const length = await this.stage.read(this.at.rootChain, "queueLength", [this.tokenAddress(token)]);
      if (length === BigInt(played.queued[token])) continue;
      differences.push(`queue ${token} has ${length} entries, not ${played.queued[token]}, after ${describe(played)}`);
    }
    return differences;
  }

  private async compareState(): Promise<string[]> {
    const { chain } = this.world;
    const differences: string[] = [];
    for (const token of TOKENS) {
      const held = await this.stage.read(this.at.rootChain, "held", [this.tokenAddress(token)]);
      if (held !== BigInt(chain.held[token])) differences.push(`held of token ${token} is ${held}`);
    }
    for (const output of new Set([...this.world.made, ...chain.finalizedBy.keys()])) {
      const by = await this.stage.read(this.at.rootChain, "finalizedBy", [this.outputId(output)]);
      if (by !== BigInt(chain.finalizedBy.get(output) ?? 0)) differences.push(`output ${output} finalized by ${by}`);
    }
    return differences;
  }

  private async send({ action, time }: Played): Promise<boolean> {
    const { name, args, value } = await this.call(action);
    const from = this.stage.accounts[action.by]!.address;
    const data = this.stage.abi.encodeFunctionData(name, args);
    const logs = await this.stage.send(from, this.at.rootChain, data, value, this.at.start + time);
    if (logs === null) return false;
    if (action.kind === "commit") this.times.push(this.at.start + time);
    for (const log of logs) this.remember(log, action);
    return true;
  }

  private remember(log: Log, action: Action): void {
    const event: LogDescription | null = this.stage.abi.parseLog(log);
    if (event?.name === "ExitStarted") {
      const { number, outputId, owner, token, amount, bondOwner, depositRecord } = event.args;
      const fields = [number, owner, token, amount, bondOwner, depositRecord];
      const output = action.kind === "startStandard" ? action.output : null;
      const data = { id: outputId, data: coder.encode([STANDARD_EXIT], [fields]) };
      this.exits.set(Number(number), { output, fields, data });
    } else if (event?.name === "InFlightExitStarted") {
      const { number, transactionHash, data } = event.args;
      this.exits.set(Number(number), { output: null, fields: [], data: { id: transactionHash, data } });
    }
  }

  private async call(action: Action): Promise<Call> {
    switch (action.kind) {
      case "deposit": {
        const { token, amount, by } = action;
        const owner = this.stage.accounts[by]!.address;
        if (token === ETHER) return { name: "depositEther", args: [owner], value: amount };
        return { name: "deposit", args: [this.at.token, amount, owner], value: 0 };
      }
      case "commit": {
        const tree = naiveTree(action.transactions.map((transaction) => this.hashes[transaction]!));
        this.trees.push(tree);
        return { name: "commitBlock", args: [this.trees.length, tree.root, action.transactions.length], value: 0 };
      }
      case "startStandard": {
        const { deposit } = this.book.maker(action.output)!;
        if (deposit !== null) {
          return { name: "startDepositExit", args: [this.deposit(action.output)], value: BONDS.standardExit };
        }
        const { transaction, proof, index } = this.payment(action.output, action.place!);
        return { name: "startStandardExit", args: [transaction, proof, index], value: BONDS.standardExit };
      }
      case "startInFlight":
        return await this.startInFlight(action.transaction, action.places);
      case "process": {
        const data = action.exits.map((number) => this.exits.get(number)!.data);
        return { name: "processExits", args: [this.tokenAddress(action.token), data], value: 0 };
      }
      default:
        return this.callAbout(action);
    }
  }

  /** Calls about an exit that runs. */
  private callAbout(
    action: Exclude<Action, { kind: "deposit" | "commit" | "startStandard" | "startInFlight" | "process" }>,
  ): Call {
    const exit = this.exits.get(action.exit)!;
    const inFlight = this.world.chain.exits[action.exit - 1]!;
    const transaction = inFlight.kind === "inFlight" ? this.book.transactions[inFlight.transaction]! : null;
    switch (action.kind) {
      case "piggyback":
        return { name: "piggyback", args: [exit.data, action.slot], value: BONDS.piggyback };
      case "challengeStandard":
        return {
          name: "challengeStandardExit",
          args: [exit.fields, ...this.spend(action.spend, exit.output!)],
          value: 0,
        };
      case "challengeNonCanonical": {
        const input = transaction!.inputs.indexOf(action.input);
        const proof = action.place === null ? NO_PROOF : this.proof(action.place);
        const args = [exit.data, input, ...this.spend(action.competitor, action.input), proof];
        return { name: "challengeNonCanonical", args, value: BONDS.challenge };
      }
      case "respond":
        return { name: "respondCanonical", args: [exit.data.id, action.exit, this.proof(action.place)], value: 0 };
      case "challengeInputSpent": {
        const args = [exit.data, action.slot, ...this.spend(action.spend, transaction!.inputs[action.slot]!)];
        return { name: "challengeInputSpent", args, value: 0 };
      }
      case "challengeOutputSpent": {
        const index = action.slot - OUTPUT_SLOT;
        const spend = this.spend(action.spend, transaction!.id * 16 + index);
        return { name: "challengeOutputSpent", args: [exit.data, index, this.proof(action.place), ...spend], value: 0 };
      }
      case "close":
        return { name: "closeInFlightExit", args: [exit.data], value: 0 };
    }
  }

  private async startInFlight(number: number, places: (Place | null)[]): Promise<Call> {
    const transaction = this.book.transactions[number]!;
    const payments: unknown[] = [];
    const deposits: unknown[] = [];
    for (const [i, input] of transaction.inputs.entries()) {
      const place = places[i]!;
      if (this.book.maker(input)!.deposit === null) {
        const { transaction: maker, proof, index } = this.payment(input, place);
        payments.push([maker, proof, index]);
      } else {
        deposits.push([this.deposit(input), await this.exitInSlot(input)]);
      }
    }
    const signatures = transaction.inputs.map((input) => this.signature(transaction, this.book.output(input)!.owner));
    const former = [...this.exits.values()].findLast((exit) => exit.data.id === this.hashes[number])?.data.data ?? "0x";
    const args = [this.struct(transaction), signatures, payments, deposits, former];
    return { name: "startInFlightExit", args, value: BONDS.inFlightExit };
  }

  /** The standard exit of a deposit that its slot commits to. */
  private async exitInSlot(output: OutputId): Promise<unknown[]> {
    const record = await this.stage.read(this.at.rootChain, "outputRecord", [this.outputId(output)]);
    if ((record & COMMITMENT_BIT) === 0n) return NO_EXIT;
    return [...this.exits.values()].findLast((exit) => exit.output === output)!.fields;
  }

  // -------------------------------------------------------------------------------------------------- real encodings

  private tokenAddress(token: number): string {
    return token === ETHER ? ZERO_ADDRESS : this.at.token;
  }

  private outputId(output: OutputId): string {
    if (output < 0) return id(`never made ${output}`);
    return outputIdOf(this.hashes[Math.floor(output / 16)]!, output % 16);
  }

  private hash(transaction: Transaction): string {
    if (transaction.deposit === null) {
      return TypedDataEncoder.hash(this.domain, TRANSACTION_TYPES, this.struct(transaction));
    }
    return TypedDataEncoder.hash(this.domain, DEPOSIT_TYPES, this.deposit(transaction.id * 16));
  }

  /** Each is about a file of its own, so that no two have the same hash. */
  private struct({ id: number, inputs, outputs }: Transaction): Record<string, unknown> {
    return {
      purpose: UPLOAD,
      inputs: inputs.map((input) => this.outputId(input)),
      outputs: outputs.map(({ owner, token, amount }) => ({
        owner: this.stage.accounts[owner]!.address,
        token: this.tokenAddress(token),
        amount,
      })),
      fileHash: id(`file ${number}`),
    };
  }

  private deposit(output: OutputId): Record<string, unknown> {
    const { deposit, outputs } = this.book.maker(output)!;
    const { owner, token, amount } = outputs[0]!;
    return {
      id: deposit!.id,
      owner: this.stage.accounts[owner]!.address,
      token: this.tokenAddress(token),
      amount,
    };
  }

  private payment(output: OutputId, place: Place): { transaction: unknown; proof: unknown; index: number } {
    return { transaction: this.struct(this.book.maker(output)!), proof: this.proof(place), index: output % 16 };
  }

  private proof({ block, index }: Place): unknown[] {
    const tree = this.trees[block - 1]!;
    const { transactions } = this.book.blocks[block - 1]!;
    return [[block, tree.root, transactions.length, this.times[block - 1]], index, tree.proof(index)];
  }

  /** The transaction, which of its inputs the output is, and its owner's signature. */
  private spend(number: number, output: OutputId): [unknown, number, string] {
    const spend = this.book.transactions[number]!;
    const signature = this.signature(spend, this.book.output(output)!.owner);
    return [this.struct(spend), spend.inputs.indexOf(output), signature];
  }

  /** The owner's, or that of nobody who plays where the owner did not sign. */
  private signature({ id: number, signers }: Transaction, owner: number): string {
    const signer = hasBit(signers, owner) ? owner : PLAYERS;
    const key = `${number}/${signer}`;
    const known = this.signatures.get(key);
    if (known !== undefined) return known;
    const made = this.stage.accounts[signer]!.key.sign(this.hashes[number]!).serialized;
    this.signatures.set(key, made);
    return made;
  }
}
