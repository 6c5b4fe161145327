import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { HDNodeWallet, type ContractTransactionResponse } from "ethers";
import { ETHER, Game, type PlainTransaction, type Proof, type Started } from "./game.ts";
import { Flights, fromPayment, type Authorization, type Flight, type PaymentSource } from "./inFlight.ts";

/** What every wallet of a game starts with. */
const START = 10n ** 24n;
const PHRASE = "test test test test test test test test test test test junk";
const NUMBER_MASK = 2n ** 40n - 1n;

/** In place of an authorization where the owner itself calls. */
export const OWNER_CALLS: Authorization = { bondOwner: ETHER, deadline: 0n, signature: "0x" };

export type Exiting = Started | Flight;

/** What each has won, in wei, without the gas it paid; and what the contract has left. */
export interface Nets {
  operator: bigint;
  alice: bigint;
  bob: bigint;
  carol: bigint;
  mallory: bigint;
  watcher: bigint;
  stranger: bigint;
  left: bigint;
}
/** An output that a block contains. */
export interface Funds {
  id: string;
  transaction: PlainTransaction;
  proof: Proof;
  source: PaymentSource;
}

let beginning: { attack: Attack; restore: () => Promise<void> } | undefined;

/** A game with a thief and a watcher. The stranger processes, and gets the bounties. */
export class Attack {
  readonly game: Game;
  readonly flights: Flights;
  readonly mallory: HDNodeWallet;
  /** Challenges and answers, and owns nothing. */
  readonly watcher: HDNodeWallet;
  private readonly bystander: HDNodeWallet;
  /** What the bystander has in the contract. */
  private others = 0n;

  private constructor(game: Game, mallory: HDNodeWallet, watcher: HDNodeWallet, bystander: HDNodeWallet) {
    this.game = game;
    this.flights = new Flights(game);
    this.mallory = mallory;
    this.watcher = watcher;
    this.bystander = bystander;
  }

  /** At the same beginning each time: the chain is made once, and set back. */
  static async start(): Promise<Attack> {
    beginning ??= await Attack.begin();
    await beginning.restore();
    beginning.attack.others = 0n;
    return beginning.attack;
  }

  private static async begin(): Promise<{ attack: Attack; restore: () => Promise<void> }> {
    const game = await Game.start();
    const { ethers, networkHelpers } = game.connection;
    const [mallory, watcher, bystander] = [5, 6, 7].map((i) =>
      HDNodeWallet.fromPhrase(PHRASE, "", `m/44'/60'/1'/0/${i}`).connect(ethers.provider),
    ) as [HDNodeWallet, HDNodeWallet, HDNodeWallet];
    for (const wallet of [mallory, watcher, bystander]) await networkHelpers.setBalance(wallet.address, START);
    const snapshot = await networkHelpers.takeSnapshot();
    return { attack: new Attack(game, mallory, watcher, bystander), restore: async () => await snapshot.restore() };
  }

  /** As `start`, with money of somebody else's in the contract, from which a second payment could be made. */
  static async startWithOthers(): Promise<Attack> {
    const attack = await Attack.start();
    attack.others = 100_000n;
    await attack.game.deposit(attack.bystander, attack.others);
    return attack;
  }

  /** The whole of an output, or of several, to one. */
  pay(inputs: string | string[], to: HDNodeWallet, amount = 1000n, token: string = ETHER): PlainTransaction {
    return this.game.transfer([inputs].flat(), [{ owner: to.address, token, amount }]);
  }

  /** An output of the owner's, in a block. */
  async funds(owner: HDNodeWallet, amount = 1000n, token: string = ETHER): Promise<Funds> {
    const deposit = await this.game.deposit(owner, amount, token);
    const transaction = this.pay(this.game.depositOutputId(deposit), owner, amount, token);
    const [proof] = await this.game.commit([transaction]);
    return this.included(transaction, proof!);
  }

  included(transaction: PlainTransaction, proof: Proof, index = 0): Funds {
    const source = fromPayment(transaction, proof, index);
    return { id: this.game.outputId(transaction, index), transaction, proof, source };
  }

  async startExit(owner: HDNodeWallet, { transaction, proof, source }: Funds): Promise<Started> {
    return await this.game.startExit(owner, transaction, proof, source.outputIndex);
  }

  /** Exits started many in a call. */
  async startedAll(sent: Promise<ContractTransactionResponse>): Promise<Started[]> {
    const { game } = this;
    return game.events(await game.mined(sent), "ExitStarted").map((event) => {
      const { number, owner, token, amount, bondOwner, depositRecord, outputId, priority } = event;
      const exit = { number, owner, token, amount, bondOwner, depositRecord };
      return { outputId, exit, exitableAt: priority >> 94n, data: game.exitData(outputId, exit) };
    });
  }

  /** Shows the watcher's knowledge of a spend to a standard exit. */
  async cancel(exit: Started, spend: PlainTransaction, signer: HDNodeWallet): Promise<void> {
    const { game } = this;
    await game.challenge(this.watcher, exit, spend, game.sign(signer, spend), spend.inputs.indexOf(exit.outputId));
  }

  /** The stranger processes until the queue is empty, waiting for each; gives the numbers in the order they left. */
  async drain(token: string, exits: Exiting[]): Promise<bigint[]> {
    const { rootChain } = this.game;
    const processor = this.game.as(this.game.stranger);
    const left: bigint[] = [];
    while ((await rootChain.queueLength(token)) !== 0n) {
      const number = (await rootChain.firstExit(token)) & NUMBER_MASK;
      const exit = exits.find((one) => numberOf(one) === number);
      if (await rootChain.isCancelled(number)) {
        // With data that matches nothing one entry after the other can be watched going.
        await processor.processExits(token, []);
        continue;
      }
      if (exit === undefined) throw new Error(`exit ${number} is first, and nobody has its data`);
      if (exit.exitableAt > BigInt(await this.game.now())) await this.game.passTo(exit.exitableAt);
      await processor.processExits(token, [exit.data]);
      left.push(number);
    }
    return left;
  }

  /** Does these in this order in one Ethereum block. What is sent needs a gas limit where it is not as it was. */
  async inOneBlock<T extends unknown[]>(
    ...actions: { [K in keyof T]: () => Promise<T[K]> }
  ): Promise<{ [K in keyof T]: PromiseSettledResult<T[K]> }> {
    const { provider } = this.game.connection.ethers;
    await provider.send("evm_setAutomine", [false]);
    const done: Promise<unknown>[] = [];
    for (const action of actions) {
      done.push(action());
      while ((await provider.send("eth_pendingTransactions", [])).length < done.length) await setTimeout(1);
    }
    const block = await provider.getBlockNumber();
    const results = Promise.allSettled(done);
    await this.game.connection.networkHelpers.mine();
    await provider.send("evm_setAutomine", [true]);
    expect((await provider.getBlock(block + 1))!.transactions).to.have.length(actions.length);
    return (await results) as { [K in keyof T]: PromiseSettledResult<T[K]> };
  }

  /** What everybody has won or lost since the game began; whoever is not named has nothing, the bystander all. */
  async expectNets(expected: Partial<Nets>): Promise<void> {
    const nobody: Nets = {
      operator: 0n,
      alice: 0n,
      bob: 0n,
      carol: 0n,
      mallory: 0n,
      watcher: 0n,
      stranger: 0n,
      left: 0n,
    };
    const nets = await this.nets();
    expect({ ...nets, left: nets.left - this.others }).to.deep.equal({ ...nobody, ...expected });
  }

  async nets(): Promise<Nets> {
    const { operator, alice, bob, carol, stranger } = this.game;
    const [mallory, watcher] = [this.mallory, this.watcher];
    const fees = await this.fees();
    const nets: Record<string, bigint> = { left: await this.game.balance(this.game.address) };
    for (const [name, { address }] of Object.entries({ operator, alice, bob, carol, mallory, watcher, stranger })) {
      nets[name] = (await this.game.balance(address)) + (fees.get(address) ?? 0n) - START;
    }
    return nets as unknown as Nets;
  }

  private async fees(): Promise<Map<string, bigint>> {
    const { provider } = this.game.connection.ethers;
    const fees = new Map<string, bigint>();
    for (let number = await provider.getBlockNumber(); number > 0; number--) {
      const block = await provider.getBlock(number);
      for (const hash of block!.transactions) {
        const { from, fee } = (await provider.getTransactionReceipt(hash))!;
        fees.set(from, (fees.get(from) ?? 0n) + fee);
      }
    }
    return fees;
  }
}

function numberOf(exit: Exiting): bigint {
  return "exit" in exit ? exit.exit.number : exit.number;
}
