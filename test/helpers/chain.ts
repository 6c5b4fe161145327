import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import {
  AbiCoder,
  Contract,
  ContractFactory,
  HDNodeWallet,
  JsonRpcProvider,
  Mnemonic,
  NonceManager,
  TypedDataEncoder,
  Wallet,
  keccak256,
  type BaseWallet,
  type TransactionReceipt,
} from "ethers";

/** The accounts Hardhat's node and anvil fund at their start. */
const MNEMONIC = Mnemonic.fromPhrase("test test test test test test test test test test test junk");

/** Typed data as a wallet knows it, written out here so that the tests do not sign with the code they test. */
export const TRANSACTION_TYPES = {
  Transaction: [
    { name: "purpose", type: "uint8" },
    { name: "inputs", type: "bytes32[]" },
    { name: "outputs", type: "Output[]" },
    { name: "fileHash", type: "bytes32" },
  ],
  Output: [
    { name: "owner", type: "address" },
    { name: "token", type: "address" },
    { name: "amount", type: "uint256" },
  ],
};
export const DEPOSIT_TYPES = {
  Deposit: [
    { name: "id", type: "uint64" },
    { name: "owner", type: "address" },
    { name: "token", type: "address" },
    { name: "amount", type: "uint256" },
  ],
};
export const ETHER = "0x0000000000000000000000000000000000000000";
export const ZERO_HASH = `0x${"00".repeat(32)}`;

const MINED_WITHIN_MS = 20_000;
const POLL_MS = 5;

export interface PlainOutput {
  owner: string;
  token: string;
  amount: bigint;
}
export interface SignedPayment {
  hash: string;
  json: {
    purpose: string;
    inputs: string[];
    outputs: { owner: string; token: string; amount: string }[];
    fileHash: string;
    signatures: string[];
  };
  /** As the contract takes it. */
  solidity: { purpose: number; inputs: string[]; outputs: PlainOutput[]; fileHash: string };
  outputId(index: number): string;
}

/** Account `index` of the development nodes, as its key. */
export function devKey(index: number): string {
  return HDNodeWallet.fromMnemonic(MNEMONIC, `m/44'/60'/0'/0/${index}`).privateKey;
}

export async function artifact(path: string): Promise<{ abi: any[]; bytecode: string }> {
  return JSON.parse(await readFile(new URL(`../../artifacts/contracts/${path}`, import.meta.url), "utf8"));
}

/** A deployed root chain and a token on a running node, with wallets to act on both. */
export class Chain {
  readonly rpcUrl: string;
  readonly provider: JsonRpcProvider;
  readonly deployer: NonceManager;
  readonly chainId: bigint;
  readonly rootChain: Contract;
  readonly token: Contract;
  readonly address: string;
  readonly tokenAddress: string;
  readonly deploymentBlock: number;

  private constructor(fields: {
    rpcUrl: string;
    provider: JsonRpcProvider;
    deployer: NonceManager;
    chainId: bigint;
    rootChain: Contract;
    token: Contract;
    address: string;
    tokenAddress: string;
    deploymentBlock: number;
  }) {
    this.rpcUrl = fields.rpcUrl;
    this.provider = fields.provider;
    this.deployer = fields.deployer;
    this.chainId = fields.chainId;
    this.rootChain = fields.rootChain;
    this.token = fields.token;
    this.address = fields.address;
    this.tokenAddress = fields.tokenAddress;
    this.deploymentBlock = fields.deploymentBlock;
  }

  /** Deploys with account 0; account 1 is the operator. */
  static async deploy(rpcUrl: string, options: { exitPeriodSeconds?: number } = {}): Promise<Chain> {
    const provider = new JsonRpcProvider(rpcUrl, undefined, {
      pollingInterval: 50,
      cacheTimeout: -1,
      batchMaxCount: 1,
    });
    const { chainId } = await provider.getNetwork();
    const deployer = new NonceManager(new Wallet(devKey(0), provider));
    const rootChainArtifact = await artifact("RootChain.sol/RootChain.json");
    const tokenArtifact = await artifact("mocks/TestToken.sol/TestToken.json");
    const rootChain = await new ContractFactory(rootChainArtifact.abi, rootChainArtifact.bytecode, deployer).deploy(
      new Wallet(devKey(1)).address,
      options.exitPeriodSeconds ?? 86_400,
      {
        standardExit: 10n ** 16n,
        inFlightExit: 10n ** 16n,
        piggyback: 10n ** 16n,
        challenge: 10n ** 16n,
        bounty: 10n ** 15n,
      },
    );
    const receipt = await mined(provider, rootChain.deploymentTransaction()!.hash);
    const token = await new ContractFactory(tokenArtifact.abi, tokenArtifact.bytecode, deployer).deploy();
    await mined(provider, token.deploymentTransaction()!.hash);
    return new Chain({
      rpcUrl,
      provider,
      deployer,
      chainId,
      address: await rootChain.getAddress(),
      tokenAddress: await token.getAddress(),
      rootChain: new Contract(await rootChain.getAddress(), rootChainArtifact.abi, deployer),
      token: new Contract(await token.getAddress(), tokenArtifact.abi, deployer),
      deploymentBlock: receipt.blockNumber,
    });
  }

  wallet(index: number): NonceManager {
    return new NonceManager(new Wallet(devKey(index), this.provider));
  }

  domain(): { name: string; version: string; chainId: bigint; verifyingContract: string } {
    return { name: "Plasma Billing", version: "1", chainId: this.chainId, verifyingContract: this.address };
  }

  /** What a wallet has sent, in a block. */
  async mined(sent: Promise<{ hash: string }>): Promise<TransactionReceipt> {
    return await mined(this.provider, (await sent).hash);
  }

  async mine(blocks = 1): Promise<void> {
    for (let i = 0; i < blocks; i++) await this.provider.send("evm_mine", []);
  }

  /** Moves the node's clock on and mines a block at the new time. */
  async passTime(seconds: number): Promise<void> {
    await this.provider.send("evm_increaseTime", [seconds]);
    await this.mine();
  }

  depositOutputId(deposit: { id: bigint; owner: string; token: string; amount: bigint }): string {
    return outputIdOf(TypedDataEncoder.hash(this.domain(), DEPOSIT_TYPES, deposit), 0);
  }

  /** A transfer signed by the wallets of `signers`, one an input. */
  async payment(inputs: string[], outputs: PlainOutput[], signers: BaseWallet[]): Promise<SignedPayment> {
    const solidity = { purpose: 1, inputs, outputs, fileHash: ZERO_HASH };
    const hash = TypedDataEncoder.hash(this.domain(), TRANSACTION_TYPES, solidity);
    const signatures = signers.map((signer) => signer.signingKey.sign(hash).serialized);
    return {
      hash,
      solidity,
      json: {
        purpose: "transfer",
        inputs,
        outputs: outputs.map((output) => ({ ...output, amount: output.amount.toString() })),
        fileHash: ZERO_HASH,
        signatures,
      },
      outputId: (index) => outputIdOf(hash, index),
    };
  }
}

/**
 * The receipt of a transaction. Not by ethers' `wait`: anvil answers before it mines, and ethers may miss the only block there
 * is, and wait for ever.
 */
async function mined(provider: JsonRpcProvider, hash: string): Promise<TransactionReceipt> {
  for (const until = Date.now() + MINED_WITHIN_MS; Date.now() < until; await setTimeout(POLL_MS)) {
    const receipt = await provider.getTransactionReceipt(hash);
    if (receipt === null) continue;
    if (receipt.status !== 1) throw new Error(`reverted: ${hash}`);
    return receipt;
  }
  throw new Error(`not mined within ${MINED_WITHIN_MS} ms: ${hash}`);
}

export function outputIdOf(hash: string, index: number): string {
  return keccak256(AbiCoder.defaultAbiCoder().encode(["bytes32", "uint256"], [hash, index]));
}
