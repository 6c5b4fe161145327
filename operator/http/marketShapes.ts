import { fromHex } from "@plasma-billing/protocol/hex.ts";
import type { MarketFile, Quote, Registered, SwapProposal } from "@plasma-billing/protocol/market/market.ts";
import { decodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import { PURPOSES, transactionHash, type SignedTransaction } from "@plasma-billing/protocol/transaction.ts";
import {
  DOMAIN_NAME,
  DOMAIN_VERSION,
  domainSeparator,
  TYPES,
  type Address,
  type Domain,
} from "@plasma-billing/protocol/typedData.ts";
import type { Prepared } from "../market/prepare.ts";
import { checksum } from "./addresses.ts";
import { outputShape } from "./shapes.ts";

export function registrationShape({ account, role, validator, issuedAt, signature, recordedAt }: Registered): object {
  return {
    account: checksum(account),
    role,
    validator: validator === null ? null : checksum(validator),
    issuedAt,
    signature,
    registeredAt: recordedAt,
  };
}

/** A file with its offer; what the offer says is null while there is none. */
export function fileShape({ fileHash, fileId, validator, offer }: MarketFile): object {
  return {
    fileId,
    fileHash,
    validator: checksum(validator),
    owner: offer === null ? null : checksum(offer.owner),
    token: offer === null ? null : checksum(offer.token),
    price: offer?.price.toString() ?? null,
    ownerShareBps: offer?.ownerShareBps ?? null,
    serviceShareBps: offer?.serviceShareBps ?? null,
    version: offer?.version ?? null,
    signature: offer?.signature ?? null,
    name: offer?.name ?? null,
    size: offer?.size ?? null,
    extension: offer?.extension ?? null,
    mimeType: offer?.mimeType ?? null,
    metadata: offer?.metadata == null ? null : (JSON.parse(offer.metadata) as object),
    offeredAt: offer?.recordedAt ?? null,
  };
}

export function quoteShape(quote: Quote): object {
  return {
    fileId: quote.fileId,
    validator: checksum(quote.validator),
    serviceNode: checksum(quote.serviceNode),
    token: checksum(quote.token),
    fee: quote.fee.toString(),
    sizeBytes: quote.sizeBytes,
    days: quote.days,
    expiresAt: quote.expiresAt,
    signature: quote.signature,
  };
}

export function swapShape({ hash, payment, expiresAt, recordedAt }: SwapProposal): object {
  const bytes = fromHex(payment);
  const { signatures, ...transaction } = decodePayment(bytes, 0, bytes.length);
  const given = signatures.map((signature) => (/^0x0+$/.test(signature) ? null : signature));
  return {
    hash,
    transaction: { ...transactionShape(transaction), signatures: given },
    expiresAt,
    proposedAt: recordedAt,
  };
}

/** What is to be signed, also as wallets take it (`eth_signTypedData_v4`). */
export function preparedShape({ transaction, inputs }: Prepared, domain: Domain): object {
  const shown = transactionShape(transaction);
  return {
    transaction: shown,
    inputs: inputs.map(outputShape),
    hash: transactionHash(domainSeparator(domain), transaction),
    typedData: {
      domain: {
        name: DOMAIN_NAME,
        version: DOMAIN_VERSION,
        chainId: Number(domain.chainId),
        verifyingContract: checksum(domain.verifyingContract),
      },
      types: {
        EIP712Domain: [
          { name: "name", type: "string" },
          { name: "version", type: "string" },
          { name: "chainId", type: "uint256" },
          { name: "verifyingContract", type: "address" },
        ],
        Transaction: TYPES.Transaction,
        Output: TYPES.Output,
      },
      primaryType: "Transaction",
      message: { ...shown, purpose: PURPOSES[transaction.purpose] },
    },
  };
}

function transactionShape({ purpose, inputs, outputs, fileHash }: Omit<SignedTransaction, "signatures">): {
  purpose: string;
  inputs: string[];
  outputs: { owner: string; token: string; amount: string }[];
  fileHash: string;
} {
  const show = (address: Address): string => checksum(address);
  return {
    purpose,
    inputs,
    outputs: outputs.map(({ owner, token, amount }) => ({
      owner: show(owner),
      token: show(token),
      amount: amount.toString(),
    })),
    fileHash,
  };
}
