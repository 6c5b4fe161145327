import { blockHash } from "@plasma-billing/protocol/header.ts";
import { isHexOfLength, type Hex } from "@plasma-billing/protocol/hex.ts";
import { merkleDepth, verifyProof } from "@plasma-billing/protocol/merkle.ts";
import { formFault, inputFault } from "@plasma-billing/protocol/payment.ts";
import {
  depositHash,
  fileHashOf,
  outputId,
  transactionHash,
  type OutputId,
  type SignedTransaction,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import { decodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Output, Payment, Proof } from "../shapes.ts";
import { recoverSigner } from "./recover.ts";

// What a reader's browser computes by itself from what the operator showed. Nothing here asks anybody; nothing the operator
// said is taken for true: whatever has the wrong form is a fault like any other.

/** A name and a value, to be shown. */
export type Fact = [name: string, value: string];

/** What a check computed, and why it does not hold; null: it holds. */
export interface Finding {
  facts: Fact[];
  fault: string | null;
}

/** A payment whose content gives the hash that was asked for. */
export interface Content extends Finding {
  transaction: SignedTransaction | null;
}

/** That what is shown hashes to what was asked for, and that all it names itself by follows from that. */
export function checkContent(separator: Hex, asked: Hex, payment: Payment): Content {
  const facts: Fact[] = [["Asked for", asked]];
  const failed = (fault: string): Content => ({ facts, fault, transaction: null });
  let transaction: SignedTransaction;
  try {
    transaction = transactionOf(payment);
  } catch (error) {
    return failed(`The operator's answer is no payment: ${messageOf(error)}.`);
  }
  const form = formFault(transaction);
  if (form !== null) return failed(`No payment can be like this: ${form.message}.`);
  const hash = transactionHash(separator, transaction);
  facts.push(["Computed from the content", hash]);
  if (hash !== asked) return failed("The content is of another payment, or signed for another contract or chain.");
  if (payment.hash !== asked) return failed(`The operator calls it ${payment.hash}.`);
  if (payment.fileId !== null && fileHashOf(payment.fileId) !== transaction.fileHash) {
    return failed(`The file it names is not ${payment.fileId}.`);
  }
  for (const [index, output] of payment.outputs.entries()) {
    const id = outputId(hash, index);
    if (output.id !== id) return failed(`Output ${index} has the id ${id}; shown is ${output.id}.`);
    if (output.outputIndex !== index) return failed(`Output ${index} is shown as output ${output.outputIndex}.`);
    if (output.depositId !== null) return failed(`Output ${index} is shown as a deposit's.`);
    if (output.blockNumber !== payment.blockNumber || output.transactionIndex !== payment.transactionIndex) {
      return failed(`Output ${index} is shown in another place than the payment.`);
    }
  }
  return { facts, fault: null, transaction };
}

/** The payments that made a payment's inputs, by the input's id; a deposit needs none. */
export type Creators = ReadonlyMap<string, Payment>;

/** That each input's id is made of the owner, token and amount that are shown: of the payment or deposit that made it. */
export function checkInputs(separator: Hex, payment: Payment, creators: Creators): Finding {
  const facts: Fact[] = [];
  for (const [index, input] of payment.inputs.entries()) {
    const made = outputMade(separator, input, creators.get(input.id));
    if (made === null) return { facts, fault: `What made input ${index} (${input.id}) was not shown.` };
    facts.push([`Input ${index}`, made]);
    if (made !== input.id) {
      return { facts, fault: `Owner, token and amount of input ${index} do not give its id ${input.id}.` };
    }
  }
  return { facts, fault: null };
}

/** The id that what is shown of an output gives; null where nobody showed the payment that made it. */
function outputMade(separator: Hex, shown: Output, creator: Payment | undefined): OutputId | null {
  const [owner, token, amount] = [shown.owner.toLowerCase(), shown.token.toLowerCase(), BigInt(shown.amount)];
  if (amount.toString() !== shown.amount) throw new Error(`${shown.amount} is no amount`);
  for (const number of [shown.outputIndex, shown.depositId ?? 0]) {
    if (!Number.isSafeInteger(number) || number < 0) throw new Error(`${number} is no index`);
  }
  if (shown.depositId !== null) {
    const deposit = { id: BigInt(shown.depositId), owner: owner as Address, token: token as Address, amount };
    return outputId(depositHash(separator, deposit), shown.outputIndex);
  }
  if (creator === undefined) return null;
  const transaction = transactionOf(creator);
  const made = transaction.outputs[shown.outputIndex];
  const same = made?.owner === owner && made.token === token && made.amount === amount;
  // An id that nothing has: what is shown is not what was made.
  if (!same) return "0x";
  return outputId(transactionHash(separator, transaction), shown.outputIndex);
}

/** That every input's owner signed the hash. Inputs are to be checked before. */
export function checkSignatures(hash: TransactionHash, transaction: SignedTransaction, inputs: Output[]): Finding {
  const signers = transaction.signatures.map((signature) => recoverSigner(hash, signature));
  const facts = signers.map((signer, index): Fact => [`Signer of input ${index}`, signer ?? "nobody"]);
  const wrong = signers.findIndex((signer, index) => signer !== inputs[index]?.owner.toLowerCase());
  if (wrong === -1) return { facts, fault: null };
  return { facts, fault: `Input ${wrong} is ${inputs[wrong]?.owner}'s, who did not sign this.` };
}

/** That of each token as much goes out as comes in. Inputs are to be checked before. */
export function checkBalance(transaction: SignedTransaction, inputs: Output[]): Finding {
  const shown = new Map(inputs.map((input) => [input.id, input]));
  const fault = inputFault(transaction, null, (id) => {
    const input = shown.get(id);
    if (input === undefined) return undefined;
    const [owner, token] = [input.owner.toLowerCase() as Address, input.token.toLowerCase() as Address];
    const nowhere = { blockNumber: null, transactionIndex: null, outputIndex: input.outputIndex, depositId: null };
    return { id, owner, token, amount: BigInt(input.amount), state: "available", ...nowhere };
  });
  const sums = new Map<string, bigint>();
  for (const { token, amount } of transaction.outputs) sums.set(token, (sums.get(token) ?? 0n) + amount);
  const facts = [...sums].map(([token, sum]): Fact => ["In and out", `${sum} units of ${token}`]);
  return fault === null
    ? { facts, fault: null }
    : { facts: [], fault: `${fault.message}: ${JSON.stringify(fault.context)}` };
}

/** That the path leads from the hash to the root in the header, at the place that is shown. */
export function checkPath(hash: Hex, payment: Payment, { header, index, siblings }: Proof): Finding {
  const { number, transactionsRoot, transactionCount, timestamp } = header;
  const facts: Fact[] = [
    ["Place", `index ${index}, of ${transactionCount} payments in hour ${number}`],
    ["Path", siblings.length === 0 ? "none: it is the only payment" : siblings.join(" ")],
    ["Root", transactionsRoot],
  ];
  const failed = (fault: string): Finding => ({ facts, fault });
  const numbers = [number, transactionCount, timestamp, index];
  if (!numbers.every((each) => Number.isSafeInteger(each) && each >= 0))
    return failed("A number of the proof is none.");
  if (![transactionsRoot, ...siblings].every((each) => isHexOfLength(each, 32))) return failed("A hash is none.");
  if (number !== payment.blockNumber || index !== payment.transactionIndex) {
    return failed(`The payment is shown as payment ${payment.transactionIndex} of hour ${payment.blockNumber}.`);
  }
  if (payment.committedAt !== null && payment.committedAt !== timestamp * 1000) {
    return failed("The time on Ethereum is shown otherwise.");
  }
  if (siblings.length !== merkleDepth(transactionCount)) {
    return failed(`A tree of ${transactionCount} payments has paths of ${merkleDepth(transactionCount)} hashes.`);
  }
  if (!verifyProof(transactionsRoot as Hex, hash, index, transactionCount, siblings as Hex[])) {
    return failed("The path leads to another root.");
  }
  return { facts, fault: null };
}

/** What the contract must hold of a block with this header. `checkPath` is to be done before. */
export function headerHash({ header }: Proof): Hex {
  return blockHash({ ...header, transactionsRoot: header.transactionsRoot as Hex });
}

function transactionOf({ purpose, inputs, outputs, fileHash, signatures }: Payment): SignedTransaction {
  return decodeTransaction({
    ...{ purpose, fileHash, signatures },
    inputs: inputs.map(({ id }) => id),
    outputs: outputs.map(({ owner, token, amount }) => ({ owner, token, amount })),
  });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
