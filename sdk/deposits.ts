import { depositHash, ETHER, outputId, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Contract, Interface, Signature, type Signer } from "ethers";
import { WalletError } from "./errors.ts";
import { sendTransaction, type RootChain } from "./rootChain.ts";

const PERMIT_SECONDS = 3_600;
const TOKEN = new Interface([
  "function allowance(address owner, address spender) view returns (uint256)",
  "function approve(address spender, uint256 amount) returns (bool)",
  "function nonces(address owner) view returns (uint256)",
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
  /** Signs an allowance instead of sending one, where the token can (ERC-2612 with ERC-5267); on unless it is false. */
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
  { provider, address }: RootChain,
  signer: Signer,
  owner: Address,
  token: Address,
  value: bigint,
): Promise<{ deadline: number; v: number; r: string; s: string } | null> {
  const contract = new Contract(token, TOKEN, provider);
  let nonce: bigint;
  let domain: { name: string; version: string; chainId: bigint; verifyingContract: string };
  try {
    nonce = (await contract.getFunction("nonces").staticCall(owner)) as bigint;
    domain = (await contract.getFunction("eip712Domain").staticCall()) as typeof domain;
  } catch {
    return null;
  }
  const { name, version, chainId, verifyingContract } = domain;
  const deadline = Math.floor(Date.now() / 1000) + PERMIT_SECONDS;
  const message = { owner, spender: address, value, nonce, deadline };
  const signed = await signer.signTypedData({ name, version, chainId, verifyingContract }, PERMIT_TYPES, message);
  const { v, r, s } = Signature.from(signed);
  return { deadline, v, r, s };
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
  const data = TOKEN.encodeFunctionData("approve", [address, amount]);
  await sendTransaction(signer, provider, { to: token, data }, "approve");
}
