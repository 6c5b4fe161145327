import abi from "@plasma-billing/protocol/RootChain.abi.json" with { type: "json" };
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { ZERO_HASH, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address, type Domain } from "@plasma-billing/protocol/typedData.ts";
import {
  Contract,
  Interface,
  isError,
  type Log,
  type LogDescription,
  type Provider,
  type Signer,
  type TransactionReceipt,
} from "ethers";
import { WalletError } from "./errors.ts";

const rootChainInterface = new Interface(abi);

const MINED_POLL_MS = 250;
const MINED_MS_MAX = 15 * 60_000;
/** What others do before it is mined may make it dearer. */
const GAS_MARGIN_PERCENT = 120n;
/** What Ethereum takes in one transaction (EIP-7825). */
const GAS_MAX = 2n ** 24n;
/** A node that does not tell the events of so few blocks has another reason. */
const RANGE_MIN = 16;

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

  /** The same as of what Ethereum cannot undo; zero bytes, too, where the node cannot tell. */
  async finalBlockHash(number: number): Promise<Hex> {
    try {
      return (await this.view("blockHashes", number, { blockTag: "finalized" })) as Hex;
    } catch {
      return ZERO_HASH;
    }
  }

  /** Number of the exit that paid or blocked an output; 0 for none. */
  async finalizedBy(id: OutputId): Promise<number> {
    return Number(await this.view("finalizedBy", id));
  }

  /** What an output's slot holds: nothing, a deposit's record, or the commitment to an exit. */
  async outputRecord(id: OutputId): Promise<bigint> {
    return (await this.view("outputRecord", id)) as bigint;
  }

  /** The number the next block gets. */
  async nextBlockNumber(): Promise<number> {
    return Number(await this.view("nextBlockNumber"));
  }

  /** What exits of a token can be paid from, in its smallest unit. */
  async held(token: Address): Promise<bigint> {
    return (await this.view("held", token)) as bigint;
  }

  /** Entries of a token's queue, cancelled ones too. */
  async queueLength(token: Address): Promise<number> {
    return Number(await this.view("queueLength", token));
  }

  /** Key of a queue's first entry, 0 when it is empty: its highest 34 bits of 128 are from when it can be paid. */
  async firstExit(token: Address): Promise<bigint> {
    return (await this.view("firstExit", token)) as bigint;
  }

  async claimable(token: Address, owner: Address): Promise<bigint> {
    return (await this.view("claimable", token, owner)) as bigint;
  }

  async isCancelled(exitNumber: number): Promise<boolean> {
    return (await this.view("isCancelled", exitNumber)) as boolean;
  }

  /** Seconds, of the newest Ethereum block. */
  async now(): Promise<number> {
    const block = await this.provider.getBlock("latest");
    if (block === null) throw new WalletError("NO_ETHEREUM", "the Ethereum node shows no block");
    return block.timestamp;
  }

  /** All events of these names, in order. Where a node refuses so many blocks at a time, it is asked for fewer. */
  async events(names: readonly string[], fromBlock = 0): Promise<ContractEvent[]> {
    const topics = names.map((name) => rootChainInterface.getEvent(name)?.topicHash as string);
    const last = await this.provider.getBlockNumber();
    const found: ContractEvent[] = [];
    let size = Math.max(last - fromBlock + 1, 1);
    for (let at = fromBlock; at <= last;) {
      const toBlock = Math.min(at + size - 1, last);
      let logs: Log[];
      try {
        logs = await this.provider.getLogs({ address: this.address, topics: [topics], fromBlock: at, toBlock });
      } catch (error) {
        if (size <= RANGE_MIN || isError(error, "NETWORK_ERROR") || isError(error, "TIMEOUT")) throw error;
        size = Math.ceil(size / 2);
        continue;
      }
      for (const log of logs) {
        const parsed = rootChainInterface.parseLog(log);
        if (parsed !== null) found.push(eventOf(parsed, log.blockNumber));
      }
      at = toBlock + 1;
    }
    return found;
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
    // Asked first: a signer that counts its transactions would count one that cannot be sent.
    const gas = await connected.estimateGas(request);
    const gasLimit = (gas * GAS_MARGIN_PERCENT) / 100n;
    ({ hash } = await connected.sendTransaction({ ...request, gasLimit: gasLimit > GAS_MAX ? gas : gasLimit }));
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
