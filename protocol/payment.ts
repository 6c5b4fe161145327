import { ProtocolError } from "./errors.ts";
import { isHexOfLength } from "./hex.ts";
import type { LedgerOutput } from "./output.ts";
import {
  MAX_INPUTS,
  MAX_OUTPUTS,
  namesFile,
  PURPOSES,
  ZERO_HASH,
  type OutputId,
  type SignedTransaction,
  type TransactionHash,
} from "./transaction.ts";
import type { Address } from "./typedData.ts";

/** A payment whose hash and signers were computed; `null` stands for a signature nobody can have made. */
export interface VerifiedPayment {
  transaction: SignedTransaction;
  hash: TransactionHash;
  signers: (Address | null)[];
}

// The zero address, as an owner.
const NOBODY: Address = "0x0000000000000000000000000000000000000000";

/** The rules that need nothing but the transaction, in order. */
export function formFault(transaction: SignedTransaction): ProtocolError | null {
  const { purpose, inputs, outputs, fileHash, signatures } = transaction;
  const wellFormed =
    Object.hasOwn(PURPOSES, purpose) &&
    inputs.length >= 1 &&
    inputs.length <= MAX_INPUTS &&
    outputs.length >= 1 &&
    outputs.length <= MAX_OUTPUTS &&
    isHexOfLength(fileHash, 32) &&
    (fileHash !== ZERO_HASH) === namesFile(purpose);
  if (!wellFormed) {
    const context = { purpose, inputs: inputs.length, outputs: outputs.length, fileHash };
    return new ProtocolError("MALFORMED", "the transaction is not well-formed", context);
  }
  if (signatures.length !== inputs.length) {
    const context = { signatures: signatures.length, inputs: inputs.length };
    return new ProtocolError("WRONG_SIGNATURE_COUNT", "each input needs one signature", context);
  }
  const repeated = inputs.findIndex((input, i) => inputs.indexOf(input) !== i);
  if (repeated !== -1) {
    const context = { input: inputs[repeated], index: repeated };
    return new ProtocolError("DUPLICATE_INPUT", "an input is named twice", context);
  }
  const zeroAmount = outputs.findIndex((output) => output.amount === 0n);
  if (zeroAmount !== -1) return new ProtocolError("ZERO_AMOUNT", "an output of nothing", { output: zeroAmount });
  const zeroOwner = outputs.findIndex((output) => output.owner === NOBODY);
  if (zeroOwner !== -1) return new ProtocolError("ZERO_OWNER", "an output of nobody", { output: zeroOwner });
  return null;
}

/**
 * The rules about the inputs, in order. An input that is not there is `UNKNOWN_INPUT`: whoever keeps the history can say
 * whether it is `INPUT_SPENT`.
 * @param signers null: what was journaled is applied again; its signatures and exits were judged then.
 */
export function inputFault(
  transaction: SignedTransaction,
  signers: readonly (Address | null)[] | null,
  outputOf: (id: OutputId) => LedgerOutput | undefined,
): ProtocolError | null {
  const { inputs } = transaction;
  const spent: LedgerOutput[] = [];
  for (const [index, input] of inputs.entries()) {
    const output = outputOf(input);
    if (output === undefined) {
      return new ProtocolError("UNKNOWN_INPUT", "no such output", { input, index });
    }
    spent.push(output);
  }
  if (signers !== null) {
    for (const [index, { id, state }] of spent.entries()) {
      if (state !== "available") {
        return new ProtocolError("INPUT_EXITING", `the output is ${state}`, { input: id, index, state });
      }
    }
    for (const [index, { id, owner }] of spent.entries()) {
      if (signers[index] !== owner) {
        const context = { input: id, index, owner, signer: signers[index] ?? null };
        return new ProtocolError("BAD_SIGNATURE", "the signature is not the owner's", context);
      }
    }
  }
  return balanceFault(transaction, spent);
}

function balanceFault(transaction: SignedTransaction, spent: readonly LedgerOutput[]): ProtocolError | null {
  const sums = new Map<Address, { inputs: bigint; outputs: bigint }>();
  const sumOf = (token: Address): { inputs: bigint; outputs: bigint } => {
    let sum = sums.get(token);
    if (sum === undefined) sums.set(token, (sum = { inputs: 0n, outputs: 0n }));
    return sum;
  };
  for (const { token, amount } of spent) sumOf(token).inputs += amount;
  for (const { token, amount } of transaction.outputs) sumOf(token).outputs += amount;
  for (const [token, { inputs, outputs }] of sums) {
    if (inputs !== outputs) {
      const context = { token, inputs: inputs.toString(), outputs: outputs.toString() };
      return new ProtocolError("UNBALANCED", "inputs and outputs of a token differ", context);
    }
  }
  return null;
}
