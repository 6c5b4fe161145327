import abi from "@plasma-billing/protocol/RootChain.abi.json" with { type: "json" };
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address, type Domain } from "@plasma-billing/protocol/typedData.ts";
import {
  Contract,
  Interface,
  isError,
  type LogDescription,
  type Provider,
  type Signer,
  type TransactionReceipt,
} from "ethers";
import { WalletError } from "./errors.ts";

const rootChainInterface = new Interface(abi);

const MINED_POLL_MS = 250;
const MINED_MS_MAX = 15 * 60_000;

/** What the exit game asks for, in wei, and how long it takes. */
export interface ExitTerms {
  standardExitBond: bigint;
  inFlightExitBond: bigint;
  piggybackBond: bigint;
  bounty: bigint;
  /** Seconds. */
  exitPeriod: number;
}

/** An event of the contract, by name. */
export interface ContractEvent {
  name: string;
  args: Record<string, unknown>;
  blockNumber: number;
}

/** The contract on Ethereum, through any provider of ethers. */
export class RootChain {
  readonly provider: Provider;
  readonly address: Address;
  readonly domain: Domain;
  readonly separator: Hex;
  private readonly contract: Contract;
  private terms: ExitTerms | null = null;

  private constructor(provider: Provider, domain: Domain) {
    this.provider = provider;
    this.domain = domain;
    this.address = domain.verifyingContract;
    this.separator = domainSeparator(domain);
    this.contract = new Contract(this.address, rootChainInterface, provider);
  }

  /** @throws WalletError WRONG_NETWORK when there is no root chain at the address, or the chain is another one */
  static async connect(provider: Provider, address: Address, chainId?: bigint): Promise<RootChain> {
    const network = await provider.getNetwork();
    const context = { chainId: network.chainId.toString(), expected: chainId?.toString() ?? null, contract: address };
    if (chainId !== undefined && network.chainId !== chainId) {
      throw new WalletError(
        "WRONG_NETWORK",
        `the Ethereum node is on chain ${network.chainId}, not ${chainId}`,
        context,
      );
    }
    const rootChain = new RootChain(provider, { chainId: network.chainId, verifyingContract: address });
    try {
      const found = (await rootChain.view("eip712Domain")) as { name: string; chainId: bigint };
      if (found.name === "Plasma Billing" && found.chainId === network.chainId) return rootChain;
    } catch (error) {
      if (!isError(error, "BAD_DATA") && !isError(error, "CALL_EXCEPTION")) throw error;
    }
    throw new WalletError("WRONG_NETWORK", `there is no root chain of Plasma Billing at ${address}`, context);
  }

  async exitTerms(): Promise<ExitTerms> {
    if (this.terms !== null) return this.terms;
    const [standardExitBond, inFlightExitBond, piggybackBond, bounty, exitPeriod] = (await Promise.all(
      ["standardExitBond", "inFlightExitBond", "piggybackBond", "bounty", "exitPeriod"].map((name) => this.view(name)),
    )) as [bigint, bigint, bigint, bigint, bigint];
    this.terms = { standardExitBond, inFlightExitBond, piggybackBond, bounty, exitPeriod: Number(exitPeriod) };
    return this.terms;
  }

  /** Zero bytes for a block that is not committed. */
  async blockHash(number: number): Promise<Hex> {
    return (await this.view("blockHashes", number)) as Hex;
  }

  /** Number of the exit that paid or blocked an output; 0 for none. */
  async finalizedBy(id: OutputId): Promise<number> {
    return Number(await this.view("finalizedBy", id));
  }

  /** What an output's slot holds: nothing, a deposit's record, or the commitment to an exit. */
  async outputRecord(id: OutputId): Promise<bigint> {
    return (await this.view("outputRecord", id)) as bigint;
  }

  async claimable(token: Address, owner: Address): Promise<bigint> {
    return (await this.view("claimable", token, owner)) as bigint;
  }

  async isCancelled(exitNumber: number): Promise<boolean> {
    return (await this.view("isCancelled", exitNumber)) as boolean;
  }

  /** The exit number under which a transaction's exit lives, or null. */
  async inFlightSlot(hash: Hex): Promise<bigint> {
    return (await this.view("inFlightExit", hash, 0)) as bigint;
  }

  /** Seconds, of the newest Ethereum block. */
  async now(): Promise<number> {
    const block = await this.provider.getBlock("latest");
    if (block === null) throw new WalletError("NO_ETHEREUM", "the Ethereum node shows no block");
    return block.timestamp;
  }

  /** All events of these names, in order; `topics` are the values of their indexed arguments. */
  async events(names: readonly string[], fromBlock = 0): Promise<ContractEvent[]> {
    const topics = names.map((name) => rootChainInterface.getEvent(name)?.topicHash as string);
    const logs = await this.provider.getLogs({ address: this.address, topics: [topics], fromBlock, toBlock: "latest" });
    return logs.flatMap((log) => {
      const parsed = rootChainInterface.parseLog(log);
      return parsed === null ? [] : [eventOf(parsed, log.blockNumber)];
    });
  }

  /** The events of a mined transaction. */
  eventsOf(receipt: TransactionReceipt): ContractEvent[] {
    return receipt.logs.flatMap((log) => {
      const parsed = log.address.toLowerCase() === this.address ? rootChainInterface.parseLog(log) : null;
      return parsed === null ? [] : [eventOf(parsed, log.blockNumber)];
    });
  }

  /**
   * Calls a function of the contract and waits until it is mined.
   * @throws WalletError REVERTED with the contract's own error, before anything is sent where that can be told
   */
  async send(signer: Signer, name: string, args: readonly unknown[], value = 0n): Promise<TransactionReceipt> {
    const data = rootChainInterface.encodeFunctionData(name, args);
    return await sendTransaction(signer, this.provider, { to: this.address, data, value }, name);
  }

  private async view(name: string, ...args: unknown[]): Promise<unknown> {
    return (await this.contract.getFunction(name).staticCall(...args)) as unknown;
  }
}

/** Sends a transaction of any contract and waits for it. Its revert is told by name where the root chain has one. */
export async function sendTransaction(
  signer: Signer,
  provider: Provider,
  request: { to: string; data: string; value?: bigint },
  what: string,
): Promise<TransactionReceipt> {
  const connected = signer.provider === null ? signer.connect(provider) : signer;
  let hash: string;
  try {
    ({ hash } = await connected.sendTransaction(request));
  } catch (error) {
    throw explain(error, what);
  }
  const receipt = await mined(provider, hash, what);
  if (receipt.status === 1) return receipt;
  throw new WalletError("REVERTED", `${what} was mined and reverted: ${hash}`, { what, hash });
}

/** Not by ethers' own wait, which goes by new blocks: a node that mines at once may have mined the only one before. */
async function mined(provider: Provider, hash: string, what: string): Promise<TransactionReceipt> {
  for (const end = Date.now() + MINED_MS_MAX; Date.now() < end;) {
    const receipt = await provider.getTransactionReceipt(hash);
    if (receipt !== null) return receipt;
    await new Promise((resolve) => setTimeout(resolve, MINED_POLL_MS));
  }
  throw new WalletError("TIMED_OUT", `${what} is not mined yet: ${hash}; look for it before it is sent again`, {
    what,
    hash,
  });
}

function explain(error: unknown, what: string): unknown {
  if (!isError(error, "CALL_EXCEPTION")) return error;
  const parsed = error.data === null ? null : rootChainInterface.parseError(error.data);
  const reason = parsed === null ? (error.reason ?? error.shortMessage) : `${parsed.name}(${parsed.args.join(", ")})`;
  return new WalletError("REVERTED", `${what} would revert: ${reason}`, { what, reason }, error);
}

function eventOf({ name, args }: LogDescription, blockNumber: number): ContractEvent {
  return { name, args: args.toObject(), blockNumber };
}
