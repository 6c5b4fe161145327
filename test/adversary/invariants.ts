// What must hold at the end of every history: PROTOCOL.md, section 6.
import { type OutputId, type Transaction, hasBit, TOKENS } from "./book.ts";
import { goesFirst } from "./exits.ts";
import { HONEST, type World } from "./world.ts";

export interface Violation {
  invariant: "INV-1" | "INV-2" | "INV-3" | "INV-4" | "INV-6" | "INV-13";
  what: string;
}

export function violations(world: World): Violation[] {
  const checks = [solvency, paidTwice, order, honestPaid, honestBonds, bothSides];
  return checks.flatMap((check) => check(world));
}

/** INV-1: what players gave and got adds up to what the contract has, and nothing of it is negative. */
function solvency({ chain }: World): Violation[] {
  const found: Violation[] = [];
  for (const token of TOKENS) {
    let inside = 0;
    for (const flow of chain.flows.values()) inside -= flow[token];
    const expected = chain.held[token] + (token === 0 ? chain.bonds : 0);
    if (inside !== expected)
      found.push({ invariant: "INV-1", what: `holds ${inside} of token ${token}, not ${expected}` });
    if (chain.held[token] < 0) found.push({ invariant: "INV-1", what: `held of token ${token} is negative` });
  }
  if (chain.bonds < 0) found.push({ invariant: "INV-1", what: "more bonds went out than came in" });
  return found;
}

function paidTwice({ chain }: World): Violation[] {
  const paid = new Set<OutputId>();
  const found: Violation[] = [];
  for (const { output, exit } of chain.payments) {
    if (paid.has(output)) found.push({ invariant: "INV-2", what: `exit ${exit} paid ${name(output)} again` });
    paid.add(output);
  }
  return found;
}

function order({ chain }: World): Violation[] {
  const found: Violation[] = [];
  for (const token of TOKENS) {
    for (const [i, processed] of chain.order[token].entries()) {
      const { entry, at } = processed;
      if (at < entry.time) found.push({ invariant: "INV-3", what: `exit ${entry.number} was processed too early` });
      const last = chain.order[token][i - 1]?.entry;
      if (last !== undefined && goesFirst(entry, last, true)) {
        found.push({ invariant: "INV-3", what: `exit ${entry.number} was processed after ${last.number}` });
      }
    }
  }
  return found;
}

/** INV-4, for each output of the good chain that belongs to an honest holder. */
function honestPaid(world: World): Violation[] {
  const { book } = world;
  const bad = book.firstBad();
  const paid = new Set(world.chain.payments.map((payment) => payment.output));
  const found: Violation[] = [];
  for (const output of world.made) {
    const { owner } = book.output(output)!;
    if (!isHonest(owner) || !book.isCommittedBefore(book.maker(output)!, bad)) continue;
    const spends = book.signedSpendsOf(output);
    if (spends.length > 1 || paid.has(output)) continue;
    const [spend] = spends;
    if (spend === undefined) {
      found.push({ invariant: "INV-4", what: `p${owner} was not paid ${name(output)}` });
    } else if (!spend.inclusions.some(({ block }) => block < bad) && isDue(world, spend, owner, bad)) {
      const unpaid = honestOutputs(world, spend).filter((id) => !paid.has(id));
      if (unpaid.length === 0) continue;
      const what = `p${owner} was not paid ${name(output)}, nor were ${unpaid.map(name).join(", ")}`;
      found.push({ invariant: "INV-4", what });
    }
  }
  return found;
}

/** All inputs of a transaction that its owner signed were committed before, and it can show them and all signatures. */
function isDue({ book }: World, transaction: Transaction, owner: number, bad: number): boolean {
  if (!hasBit(transaction.holders, owner) || !book.fullySigned(transaction)) return false;
  return transaction.inputs.every((input) => {
    const maker = book.maker(input)!;
    if (maker.deposit !== null) return maker.deposit.nextBlock <= bad;
    return book.isCommittedBefore(maker, bad);
  });
}

/** Those which their owner signed no spend of. */
function honestOutputs({ book }: World, transaction: Transaction): OutputId[] {
  return book
    .outputIds(transaction)
    .filter((id) => isHonest(book.output(id)!.owner) && book.signedSpendsOf(id).length === 0);
}

/** INV-6: a bond of the honest is lost only for an output of which they signed another spend. */
function honestBonds({ book, chain }: World): Violation[] {
  const found: Violation[] = [];
  for (const { owner, exit, output } of chain.lostBonds) {
    if (!isHonest(owner)) continue;
    const exiting = chain.exits[exit - 1]!;
    const own = exiting.kind === "inFlight" ? exiting.transaction : null;
    if (book.signedSpendsOf(output).some((spend) => spend.id !== own)) continue;
    found.push({ invariant: "INV-6", what: `p${owner} lost the bond of ${name(output)} in exit ${exit}` });
  }
  return found;
}

function bothSides({ book, chain }: World): Violation[] {
  const bad = book.firstBad();
  const paid = new Set(chain.payments.map((payment) => payment.output));
  const found: Violation[] = [];
  for (const transaction of book.transactions) {
    if (!transaction.inclusions.some(({ block }) => block < bad)) continue;
    const input = transaction.inputs.find((id) => paid.has(id));
    const output = book.outputIds(transaction).find((id) => paid.has(id));
    if (input === undefined || output === undefined) continue;
    const what = `${name(input)} and ${name(output)} of transaction ${transaction.id} were both paid`;
    found.push({ invariant: "INV-13", what });
  }
  return found;
}

function isHonest(player: number): boolean {
  return (HONEST as readonly number[]).includes(player);
}

function name(output: OutputId): string {
  return `${Math.floor(output / 16)}.${output % 16}`;
}
