import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { ZERO_HASH, outputId, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import {
  DOMAIN_NAME,
  DOMAIN_VERSION,
  exitAuthorizationDigest,
  TYPES,
  type Address,
  type Domain,
} from "@plasma-billing/protocol/typedData.ts";
import type { Signer } from "ethers";
import type { Book } from "./book.ts";
import { signerOf } from "./checks.ts";
import { firstOfChains } from "./kit.ts";

/** What an owner authorizes one output for. */
export interface AuthorizedOutput {
  outputId: OutputId;
  /** The block of the output's payment, for its standard exit; 0 for a deposit, and for any piggyback. */
  blockNumber: number;
}

/** An owner's word that anyone may exit an output for it: funds go to the owner, the bond back to `bondOwner`. */
export interface SignedAuthorization extends AuthorizedOutput {
  owner: Address;
  bondOwner: Address;
  /** Unix seconds, Ethereum's: the last at which it holds. */
  deadline: number;
  /** 65 bytes. */
  signature: Hex;
}

/** Has an authorization signed, as typed data, by any signer of ethers. */
export async function signAuthorization(
  signer: Signer,
  { chainId, verifyingContract }: Domain,
  authorization: Omit<SignedAuthorization, "signature">,
): Promise<SignedAuthorization> {
  const signature = await signer.signTypedData(
    { name: DOMAIN_NAME, version: DOMAIN_VERSION, chainId, verifyingContract },
    { ExitAuthorization: [...TYPES.ExitAuthorization] },
    authorization,
  );
  return { ...authorization, signature: signature as Hex };
}

/** Who signed an authorization; null for nobody, and for forms of a signature that the contract does not take. */
export function authorizer(separator: Hex, authorization: SignedAuthorization): Address | null {
  const { owner, blockNumber, bondOwner, deadline, signature, outputId: id } = authorization;
  const digest = exitAuthorizationDigest(separator, {
    ...{ owner, outputId: id, bondOwner },
    ...{ blockNumber: BigInt(blockNumber), deadline: BigInt(deadline) },
  });
  return /(1b|1c)$/i.test(signature) ? signerOf(digest, signature) : null;
}

/**
 * All that a watcher needs to be authorized for to take out everything the book has: standard exits of what is unspent, and
 * piggybacks of the owner's inputs and outputs of payments that no block is known to have, or that leave in flight should their
 * block turn out to be bad.
 * @param expectedBlock In which block a payment without a proof will be, null where that is not known
 * @param now Unix seconds
 */
export function authorizable(book: Book, expectedBlock: (hash: Hex) => number | null, now: number): AuthorizedOutput[] {
  const found = new Map<string, AuthorizedOutput>();
  const add = (id: OutputId, blockNumber: number | null): void => {
    if (blockNumber !== null) found.set(`${id}:${blockNumber}`, { outputId: id, blockNumber });
  };
  for (const { id, source } of book.unspent()) {
    if ("deposit" in source) add(id, 0);
    else add(id, book.payments.get(source.hash)?.proof?.header.number ?? expectedBlock(source.hash));
  }
  for (const { hash, transaction, signed, proof } of [...book.unproven, ...firstOfChains(book, now * 1_000)]) {
    if (signed) for (const id of transaction.inputs) if (book.outputs.has(id)) add(id, 0);
    for (const [i, { owner }] of transaction.outputs.entries()) {
      if (owner !== book.owner) continue;
      const id = outputId(hash, i);
      const spender = book.payments.get(book.outputs.get(id)?.spentBy ?? ZERO_HASH);
      if (proof !== null || spender?.proof == null) add(id, 0);
    }
  }
  return [...found.values()];
}
