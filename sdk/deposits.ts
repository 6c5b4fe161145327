import { depositHash, ETHER, outputId, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Contract, Interface, isError, Signature, TypedDataEncoder, type Signer, type TypedDataDomain } from "ethers";
import { WalletError } from "./errors.ts";
import { sendTransaction, type RootChain } from "./rootChain.ts";

const PERMIT_SECONDS = 3_600;
const TOKEN = new Interface([
  "function allowance(address owner, address spender) view returns (uint256)",
  "function approve(address spender, uint256 amount) returns (bool)",
  "function nonces(address owner) view returns (uint256)",
  "function name() view returns (string)",
  "function version() view returns (string)",
  "function DOMAIN_SEPARATOR() view returns (bytes32)",
  "function eip712Domain() view returns (bytes1 fields, string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] extensions)",
]);
const PERMIT_TYPES = {
  Permit: [
    { name: "owner", type: "address" },
    { name: "spender", type: "address" },
    { name: "value", type: "uint256" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
};

export interface DepositRequest {
  /** The zero address is ether. */
  token: Address;
  amount: bigint;
  /** Signs an allowance instead of sending one, where the token can (ERC-2612); on unless it is false. */
  permit?: boolean;
}

export interface Deposited {
  /** The output that it will be, once Ethereum cannot undo it. */
  id: OutputId;
  depositId: bigint;
  ethereumTransaction: string;
  /** Whether a permit was used. */
  permit: boolean;
}

/** Deposits from the signer's account, which becomes the output's owner. @throws WalletError REVERTED */
export async function depositTokens(
  rootChain: RootChain,
  signer: Signer,
  { token: given, amount, permit = true }: DepositRequest,
): Promise<Deposited> {
  const token = given.toLowerCase() as Address;
  const owner = (await signer.getAddress()).toLowerCase() as Address;
  const signature = token === ETHER || !permit ? null : await signPermit(rootChain, signer, owner, token, amount);
  let receipt;
  if (token === ETHER) receipt = await rootChain.send(signer, "depositEther", [owner], amount);
  else if (signature !== null) {
    const { deadline, v, r, s } = signature;
    receipt = await rootChain.send(signer, "depositWithPermit", [token, amount, owner, deadline, v, r, s]);
  } else {
    await allow(rootChain, signer, owner, token, amount);
    receipt = await rootChain.send(signer, "deposit", [token, amount, owner]);
  }
  const event = rootChain.eventsOf(receipt).find(({ name }) => name === "Deposited");
  if (event === undefined) throw new WalletError("REVERTED", "nothing was deposited", { transaction: receipt.hash });
  const depositId = event.args["id"] as bigint;
  const id = outputId(depositHash(rootChain.separator, { id: depositId, owner, token, amount }), 0);
  return { id, depositId, ethereumTransaction: receipt.hash, permit: signature !== null };
}

/** Null for a token without permits. */
async function signPermit(
  rootChain: RootChain,
  signer: Signer,
  owner: Address,
  token: Address,
  value: bigint,
): Promise<{ deadline: number; v: number; r: string; s: string } | null> {
  const { provider, address: spender } = rootChain;
  const contract = new Contract(token, TOKEN, provider);
  const nonce = await ask<bigint>(contract, "nonces", owner);
  const domain = nonce === null ? null : await permitDomain(contract, token, rootChain.domain.chainId);
  if (nonce === null || domain === null) return null;
  // Ethereum's time: it is what the token goes by.
  const deadline = (await rootChain.now()) + PERMIT_SECONDS;
  const signed = await signer.signTypedData(domain, PERMIT_TYPES, { owner, spender, value, nonce, deadline });
  const { v, r, s } = Signature.from(signed);
  return { deadline, v, r, s };
}

/** As the token tells it (ERC-5267), or as most tokens have it; only what gives the token's own separator. */
async function permitDomain(contract: Contract, token: Address, chainId: bigint): Promise<TypedDataDomain | null> {
  const separator = await ask<string>(contract, "DOMAIN_SEPARATOR");
  const told = await ask<{ name: string; version: string; chainId: bigint; verifyingContract: string }>(
    contract,
    "eip712Domain",
  );
  const name = told?.name ?? (await ask<string>(contract, "name"));
  if (separator === null || name === null) return null;
  const versions = [told?.version ?? (await ask<string>(contract, "version")), "1", "2"];
  return (
    versions
      .map((version) => ({ name, version, chainId, verifyingContract: token }))
      .find((domain) => TypedDataEncoder.hashDomain(domain) === separator) ?? null
  );
}

/** Null where the token has no such function. */
async function ask<T>(contract: Contract, name: string, ...args: unknown[]): Promise<T | null> {
  try {
    return (await contract.getFunction(name).staticCall(...args)) as T;
  } catch (error) {
    if (isError(error, "CALL_EXCEPTION") || isError(error, "BAD_DATA")) return null;
    throw error;
  }
}

async function allow(
  { provider, address }: RootChain,
  signer: Signer,
  owner: Address,
  token: Address,
  amount: bigint,
): Promise<void> {
  const contract = new Contract(token, TOKEN, provider);
  const allowed = (await contract.getFunction("allowance").staticCall(owner, address)) as bigint;
  if (allowed >= amount) return;
  // Some tokens refuse to change an allowance that is not zero.
  for (const allowance of allowed > 0n ? [0n, amount] : [amount]) {
    const data = TOKEN.encodeFunctionData("approve", [address, allowance]);
    await sendTransaction(signer, provider, { to: token, data }, "approve");
  }
}
