// An in-process chain with a contract, on which one history after another is played, each from the same beginning.
// Calls go by the node's own accounts at a gas price of zero, so that balances show what the contract moved and nothing
// else.
import { type InterfaceAbi, Interface, SigningKey, computeAddress, toQuantity } from "ethers";
import { network } from "hardhat";
import { artifact, devKey } from "../helpers/chain.ts";
import { PERIOD } from "./book.ts";
import { BONDS } from "./exits.ts";
import { OPERATOR, PLAYERS } from "./world.ts";

const CALL_GAS = 12_000_000;
/** Between the deployment and the start of a history, in seconds. */
const PAUSE = 1_000;
const ALLOWANCE = 2n ** 255n;
const MINTED = 10n ** 30n;

export interface Account {
  address: string;
  key: SigningKey;
}
export interface Log {
  topics: string[];
  data: string;
}

interface Compiled {
  abi: Interface;
  bytecode: string;
}
type Request = (method: string, params: unknown[]) => Promise<any>;

export class Stage {
  /** The players', and one more that is nobody's. */
  readonly accounts: Account[] = Array.from({ length: PLAYERS + 1 }, (_, i) => {
    const key = new SigningKey(devKey(i));
    return { address: computeAddress(key), key };
  });
  readonly abi: Interface;
  readonly chainId: bigint;
  private readonly request: Request;
  private readonly rootChain: Compiled;
  private readonly token: Compiled;
  private beginning: { deployed: Deployed; snapshot: string } | null = null;

  private constructor(request: Request, rootChain: Compiled, token: Compiled, chainId: bigint) {
    this.request = request;
    this.rootChain = rootChain;
    this.token = token;
    this.abi = rootChain.abi;
    this.chainId = chainId;
  }

  static async open(): Promise<Stage> {
    const { provider } = await network.create({
      override: { allowBlocksWithSameTimestamp: true, initialBaseFeePerGas: 0 },
    });
    const request: Request = async (method, params) => await provider.request({ method, params });
    const rootChain = await compiled("RootChain.sol/RootChain.json");
    const token = await compiled("mocks/TestToken.sol/TestToken.json");
    return new Stage(request, rootChain, token, BigInt(await request("eth_chainId", [])));
  }

  /** The contract and the token as nobody has touched them, and everybody with enough of it. */
  async fresh(): Promise<Deployed> {
    if (this.beginning !== null) await this.request("evm_revert", [this.beginning.snapshot]);
    const deployed = this.beginning?.deployed ?? (await this.deploy());
    this.beginning = { deployed, snapshot: await this.request("evm_snapshot", []) };
    return deployed;
  }

  private async deploy(): Promise<Deployed> {
    const bonds = [BONDS.standardExit, BONDS.inFlightExit, BONDS.piggyback, BONDS.challenge, BONDS.bounty];
    const operator = this.accounts[OPERATOR]!.address;
    const rootChain = await this.create(this.rootChain, [operator, PERIOD, bonds]);
    const token = await this.create(this.token, []);
    for (const { address } of this.accounts) {
      await this.send(address, token, this.token.abi.encodeFunctionData("mint", [address, MINTED]));
      await this.send(address, token, this.token.abi.encodeFunctionData("approve", [rootChain, ALLOWANCE]));
    }
    const { timestamp } = await this.request("eth_getBlockByNumber", ["latest", false]);
    return { rootChain, token, start: Number(timestamp) + PAUSE };
  }

  /** Sends a call in a block of its own, at `time` if given. Gives its logs, or null if it was refused. */
  async send(from: string, to: string | null, data: string, value = 0, time?: number): Promise<Log[] | null> {
    if (time !== undefined) await this.request("evm_setNextBlockTimestamp", [toQuantity(time)]);
    const call = { from, to, data, value: toQuantity(value), gas: toQuantity(CALL_GAS), gasPrice: "0x0" };
    let hash: string;
    try {
      hash = await this.request("eth_sendTransaction", [call]);
    } catch (error) {
      // The node mines it all the same; anything but a refusal of the contract is a fault of the test.
      if (error instanceof Error && /revert/.test(error.message)) return null;
      throw error;
    }
    const receipt = await this.request("eth_getTransactionReceipt", [hash]);
    return receipt.status === "0x1" ? receipt.logs : null;
  }

  async read(to: string, name: string, args: unknown[]): Promise<bigint> {
    const data = this.abi.encodeFunctionData(name, args);
    return BigInt(await this.request("eth_call", [{ to, data }, "latest"]));
  }

  async balance(of: string, token: string | null): Promise<bigint> {
    if (token === null) return BigInt(await this.request("eth_getBalance", [of, "latest"]));
    const data = this.token.abi.encodeFunctionData("balanceOf", [of]);
    return BigInt(await this.request("eth_call", [{ to: token, data }, "latest"]));
  }

  private async create({ abi, bytecode }: Compiled, args: unknown[]): Promise<string> {
    const data = `${bytecode}${abi.encodeDeploy(args).slice(2)}`;
    const call = { from: this.accounts[0]!.address, data, gas: toQuantity(CALL_GAS), gasPrice: "0x0" };
    const hash = await this.request("eth_sendTransaction", [call]);
    return (await this.request("eth_getTransactionReceipt", [hash])).contractAddress;
  }
}

export interface Deployed {
  rootChain: string;
  token: string;
  /** The second at which a history's time 0 is. */
  start: number;
}

async function compiled(path: string): Promise<Compiled> {
  const { abi, bytecode } = await artifact(path);
  return { abi: new Interface(abi as InterfaceAbi), bytecode };
}
