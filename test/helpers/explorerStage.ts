// What the explorer is looked at on: a real node, a real operator process with the explorer at `/`, and a market with something of
// everything in it. One for all files of test/explorer: the first that runs starts it, the last stops it.
import { type Browser, type BrowserContextOptions } from "playwright-core";
import { type Paid, type Wallet } from "@plasma-billing/sdk";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { ContractFactory, parseEther, parseUnits } from "ethers";
import { ensureExplorer } from "../../explorer/build.ts";
import { artifact, type Chain } from "./chain.ts";
import { ExitsOnNode } from "./exitsOnNode.ts";
import { launchBrowser, openPage, type Watched } from "./explorerBrowser.ts";
import { OUTPUT } from "./inFlight.ts";
import { MarketStage } from "./marketStage.ts";
import { eventually } from "./operatorProcess.ts";

const WAIT_MS = 60_000;
/** So deep a block of Ethereum has to be: a commit is seen to be there before it is seen to be final. */
const FINALITY = 3;
export const DECIMALS = { ether: 18, money: 6, coin: 18, points: 0, fakeEther: 18 } as const;
export const SYMBOLS = { ether: "ETH", money: "USDX", coin: "STOR", points: "POINT", fakeEther: "ETH" } as const;
export type TokenName = keyof typeof DECIMALS;
/** Of storage, in units of money: a GiB a day. */
const PRICE_PER_GIB_DAY = parseUnits("0.02", DECIMALS.money);

/** Accounts of the node. */
const ACCOUNTS = { validator: 2, mart: 3, owner: 4, storage: 5, alice: 6, bob: 7, leaver: 8 } as const;
type Person = keyof typeof ACCOUNTS | "serviceNode";

export const FILES = [
  { fileId: "surveys/2026-health.csv", name: "Health survey 2026", price: parseUnits("12.5", 6) },
  { fileId: "surveys/2026-mobility.csv", name: "Mobility survey 2026", price: parseUnits("8.75", 6) },
  { fileId: "maps/zürich & 100%25 more?.json", name: "Zürich, every tree", price: parseUnits("120.000001", 6) },
] as const;

export class ExplorerStage {
  readonly market: MarketStage;
  readonly browser: Browser;
  readonly tokens: Record<TokenName, Address>;
  readonly people: Record<Person, Wallet>;
  /** What the market's payments are, by names that tests use. */
  readonly paid = new Map<string, Paid>();
  /** Numbers of the exits, by kind. */
  readonly exits = new Map<string, number>();

  private readonly isGuest: boolean;

  private constructor(parts: Pick<ExplorerStage, "market" | "browser" | "tokens" | "people"> & { isGuest: boolean }) {
    this.market = parts.market;
    this.browser = parts.browser;
    this.tokens = parts.tokens;
    this.people = parts.people;
    this.isGuest = parts.isGuest;
  }

  /** With nothing on the chain; in a browser that somebody else ends, or one of its own. */
  static async open({ browser: given }: { browser?: Browser } = {}): Promise<ExplorerStage> {
    let tokens: Record<TokenName, Address> | null = null;
    await ensureExplorer();
    const [market, browser] = await Promise.all([
      MarketStage.start(async (chain) => {
        tokens = await deployTokens(chain);
        return {
          DEPOSIT_FINALITY: String(FINALITY),
          STORAGE_PRICE_PER_GIB_DAY: String(PRICE_PER_GIB_DAY),
          STORAGE_PRICE_TOKEN: tokens.money,
        };
      }),
      given ?? launchBrowser(),
    ]);
    const entries = await Promise.all([
      ...Object.entries(ACCOUNTS).map(async ([person, index]) => [person, await market.wallet(index)] as const),
      market.serviceNode().then((wallet) => ["serviceNode", wallet] as const),
    ]);
    const people = Object.fromEntries(entries) as Record<Person, Wallet>;
    return new ExplorerStage({ market, browser, isGuest: given !== undefined, tokens: tokens!, people });
  }

  async close(): Promise<void> {
    if (!this.isGuest) await this.browser.close();
    await this.market.stop();
  }

  get url(): string {
    return this.market.operator.url;
  }

  async page(options: BrowserContextOptions = {}): Promise<Watched> {
    return await openPage(this.browser, { baseURL: this.url, ...options });
  }

  /** An answer of the operator's API. */
  async api<T = any>(path: string): Promise<T> {
    const { status, body } = await this.market.operator.get<T>(path);
    if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  payment(name: string): Paid {
    const paid = this.paid.get(name);
    if (paid === undefined) throw new Error(`no payment is called ${name}`);
    return paid;
  }

  async fund(person: Person, token: TokenName, amount: bigint): Promise<void> {
    const { chain } = this.market;
    const wallet = this.people[person];
    if (token !== "ether") {
      await chain.mined(
        (chain.token.attach(this.tokens[token]) as typeof chain.token)["mint"]!(wallet.address, amount),
      );
    }
    const deposited = await wallet.deposit({ token: this.tokens[token], amount });
    await chain.mine(FINALITY);
    await wallet.credited(deposited, WAIT_MS);
  }

  async transfer(from: Person, to: Person, token: TokenName, amount: bigint): Promise<Paid> {
    await this.people[from].sync();
    return await this.people[from].transfer({ to: this.people[to].address, token: this.tokens[token], amount });
  }

  async purchase(fileId: string): Promise<Paid> {
    return await this.people.mart.market.purchase({ fileId });
  }

  /** Ends the hour; it is on Ethereum, and not final there: no block came behind it. Gives its number. */
  async landHour(): Promise<number> {
    const number = await this.market.endHour();
    if (number === null) throw new Error("there is nothing in the hour");
    await this.blockIs(number, "committed");
    return number;
  }

  /** Makes all that is on Ethereum final, as blocks behind it do. */
  async finalizeHour(number: number): Promise<void> {
    await this.market.chain.mine(FINALITY);
    await this.blockIs(number, "finalized");
  }

  private async blockIs(number: number, state: string): Promise<void> {
    await eventually(`hour ${number} is ${state}`, WAIT_MS, async () => {
      return (await this.api(`/v1/blocks/${number}`)).state === state;
    });
  }

  /** Everything there is: uploads, offers, purchases, transfers, a swap, three hours on Ethereum, exits of each kind, an open hour. */
  async playMarket(): Promise<void> {
    await this.openMarket();
    await this.secondHour();
    await this.thirdHour();
    await this.leave();
    await this.openHour();
  }

  /** People come, files are uploaded and offered. */
  async openMarket(): Promise<void> {
    const { validator, mart, owner, storage } = this.people;
    await validator.market.register("validator");
    await validator.market.registerOwner(owner.address);
    await mart.market.register("mart");
    await storage.market.register("storage");
    await this.fund("validator", "money", parseUnits("250", DECIMALS.money));
    await this.fund("mart", "money", parseUnits("5000", DECIMALS.money));
    await this.fund("alice", "ether", parseEther("3"));
    await this.fund("storage", "coin", parseUnits("40000", DECIMALS.coin));
    for (const [i, { fileId, name, price }] of FILES.entries()) {
      const request = { fileId, sizeBytes: (i + 1) * 2 ** 30 + 7, days: 90, token: this.tokens.money };
      this.paid.set(`upload ${i}`, await validator.market.upload(request));
      const shares = { ownerShareBps: 2_500, serviceShareBps: 333, version: 1 };
      const terms = { fileId, owner: owner.address, token: this.tokens.money, price, ...shares };
      await validator.market.offer(terms, { name, size: request.sizeBytes, mimeType: "text/csv", extension: "csv" });
    }
    await this.finalizeHour(await this.landHour());
  }

  private async secondHour(): Promise<void> {
    for (const [i, { fileId }] of FILES.entries()) this.paid.set(`purchase ${i}`, await this.purchase(fileId));
    this.paid.set("transfer", await this.transfer("alice", "bob", "ether", parseEther("0.250000000000000001")));
    await this.finalizeHour(await this.landHour());
  }

  /** The service node swaps what it earned for the storage provider's token. */
  private async thirdHour(): Promise<void> {
    const { validator, storage, serviceNode } = this.people;
    const request = { fileId: FILES[0].fileId, sizeBytes: 2 ** 30, days: 30, token: this.tokens.money };
    this.paid.set("extension", await validator.market.extendStorage(request));
    await serviceNode.sync();
    const gives = { token: this.tokens.money, amount: parseUnits("10", DECIMALS.money) };
    const takes = { token: this.tokens.coin, amount: parseUnits("125", DECIMALS.coin) };
    const proposal = await serviceNode.market.swap({ storage: storage.address, gives, takes });
    this.paid.set("swap", await storage.market.acceptSwap(proposal, { gives: takes, takes: gives }));
    this.paid.set("purchase again", await this.purchase(FILES[0].fileId));
    await this.finalizeHour(await this.landHour());
  }

  /** An exit of an output, one of a deposit, and one in flight. */
  private async leave(): Promise<void> {
    const { bob, leaver } = this.people;
    const { chain } = this.market;
    await bob.sync();
    const [started] = await bob.withdraw({ token: this.tokens.ether });
    this.exits.set("standard", started!.number);
    const onNode = new ExitsOnNode(chain);
    const deposit = async (amount: bigint) => {
      const { depositId: id, id: outputId } = await leaver.deposit({ token: ETHER, amount });
      return {
        terms: { id, owner: leaver.address as string, token: ETHER as string, amount },
        outputId: outputId as string,
      };
    };
    await onNode.exitDeposit(ACCOUNTS.leaver, await deposit(parseEther("0.5")));
    const spent = await deposit(parseEther("0.75"));
    const payment = await onNode.transfer(spent.outputId, parseEther("0.75"), ACCOUNTS.leaver, ACCOUNTS.bob);
    const flight = await onNode.startFlight(ACCOUNTS.leaver, payment, spent);
    this.exits.set("inFlight", Number(flight.number));
    await onNode.piggyback(ACCOUNTS.bob, flight, OUTPUT);
    await chain.mine(FINALITY);
    await eventually("the operator has seen the exits", WAIT_MS, async () => {
      return (await this.api("/v1/exits")).items.length === 3;
    });
  }

  private async openHour(): Promise<void> {
    this.paid.set("open transfer", await this.transfer("alice", "bob", "ether", parseEther("0.01")));
    this.paid.set("open purchase", await this.purchase(FILES[1].fileId));
  }
}

async function deployTokens(chain: Chain): Promise<Record<TokenName, Address>> {
  const { abi, bytecode } = await artifact("mocks/NamedToken.sol/NamedToken.json");
  const deploy = async (name: Exclude<TokenName, "ether">): Promise<Address> => {
    const contract = await new ContractFactory(abi, bytecode, chain.deployer).deploy(SYMBOLS[name], DECIMALS[name]);
    await chain.mined(Promise.resolve(contract.deploymentTransaction()!));
    return (await contract.getAddress()).toLowerCase() as Address;
  };
  const [money, coin] = [await deploy("money"), await deploy("coin")];
  return { ether: ETHER, money, coin, points: await deploy("points"), fakeEther: await deploy("fakeEther") };
}

let shared: Promise<ExplorerStage> | null = null;
/** Files of tests that are still to run. */
let users = 0;

/** The market for the tests of a suite: to be called in its `describe`. */
export function useExplorerStage(): () => ExplorerStage {
  users++;
  let stage: ExplorerStage;
  before(async function () {
    this.timeout(WAIT_MS * 2);
    shared ??= ExplorerStage.open().then(async (opened) => {
      await opened.playMarket();
      return opened;
    });
    stage = await shared;
  });
  after(async () => {
    if (--users === 0) await (await shared)?.close();
  });
  return () => stage;
}
