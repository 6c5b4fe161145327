import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { domainSeparator, type Domain } from "@plasma-billing/protocol/typedData.ts";
import type { Output, Payment, Proof } from "../shapes.ts";
import { checkPath, hashOf, headerHash, type Creators, type Fact, type Finding } from "./checks.ts";
import { blockHashAt, isDeposited, type Call, type Tag } from "./ethereum.ts";
import { UnansweredError } from "./steps.ts";

interface Origins {
  payment: Payment;
  /** Checked already to have made the inputs. */
  creators: Creators;
  proof: (hash: string) => Promise<Proof | null>;
  ethereum: Call;
  domain: Domain;
  tag: Tag;
}

/**
 * That nobody made the inputs up: a deposit is in the contract's records, the payment that made another input stands in an hour
 * that the contract holds, where it is shown. Whether they were spent before, no single payment can prove.
 */
export async function checkOrigin(of: Origins): Promise<Finding> {
  const facts: Fact[] = [];
  for (const [index, input] of of.payment.inputs.entries()) {
    const fault = input.depositId === null ? await paymentFault(of, input) : await depositFault(of, input);
    if (fault !== null) return { facts, fault: `Input ${index}: ${fault}` };
    const from = input.depositId === null ? `a payment of hour ${input.blockNumber}` : `deposit ${input.depositId}`;
    facts.push([`Input ${index}`, from]);
  }
  return { facts, fault: null };
}

async function depositFault({ ethereum, domain, tag }: Origins, { id, depositId }: Output): Promise<string | null> {
  if (await isDeposited(ethereum, domain.verifyingContract, id as Hex, tag)) return null;
  return `the contract has no deposit ${depositId} like this.`;
}

async function paymentFault(
  { creators, proof, ethereum, domain, tag }: Origins,
  input: Output,
): Promise<string | null> {
  const creator = creators.get(input.id) as Payment;
  const hash = hashOf(domainSeparator(domain), creator);
  const known = await proof(hash);
  if (known === null) throw new UnansweredError("The payment that made an input is not on Ethereum yet");
  // Where the page says that it stands.
  const place = {
    ...creator,
    blockNumber: input.blockNumber,
    transactionIndex: input.transactionIndex,
    committedAt: null,
  };
  const { fault } = checkPath(hash, place as Payment, known);
  if (fault !== null) return fault;
  const held = await blockHashAt(ethereum, domain.verifyingContract, known.header.number, tag);
  return held === headerHash(known) ? null : `the contract holds another hash for hour ${known.header.number}.`;
}
