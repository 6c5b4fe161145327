import { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import { outputId, type TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import { decodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import type { SubmitResult } from "../../sequencer.ts";
import type { Payment } from "../../views.ts";
import type { OperatorPort } from "../ports.ts";
import { overloaded, Problem, problemJson } from "../problems.ts";
import { HashParams, lower, NoQuery } from "../schemas.ts";
import type { Server } from "../server.ts";
import { paymentShape, receiptShape } from "../shapes.ts";

/** Sixteen inputs and outputs with their signatures are 7 kB of JSON; this leaves room for white space. */
const SINGLE_BYTES_MAX = 64 * 1024;
const BATCH_PAYMENTS_MAX = 1000;
const BATCH_BYTES_MAX = BATCH_PAYMENTS_MAX * 8 * 1024;

export function transactionRoutes(server: Server, operator: OperatorPort): void {
  const { ledger, views } = operator;

  server.post(
    "/v1/transactions",
    { bodyLimit: SINGLE_BYTES_MAX, schema: { querystring: NoQuery } },
    async (request, reply) => {
      const result = await operator.submit(decodeTransaction(request.body));
      if (result.kind === "overloaded") throw overloaded();
      if (result.kind === "refused") throw result.error;
      return await reply.code(result.repeated ? 200 : 201).send(receiptShape(result.hash, result.position));
    },
  );

  server.post(
    "/v1/transactions/batch",
    { bodyLimit: BATCH_BYTES_MAX, schema: { querystring: NoQuery } },
    async (request) => {
      // All are handed over in one turn, so they are judged in their order and share one durable write.
      const results = await Promise.all(batchOf(request.body).map((transaction) => submitOne(operator, transaction)));
      if (results.every((result) => result.kind === "overloaded")) throw overloaded();
      return {
        results: results.map((result) => {
          if (result.kind === "accepted") return { payment: receiptShape(result.hash, result.position) };
          return { problem: problemJson(result.kind === "refused" ? result.error : overloaded()) };
        }),
      };
    },
  );

  server.get("/v1/transactions/:hash", { schema: { params: HashParams, querystring: NoQuery } }, (request) =>
    showPayment(operator, find(request.params.hash)),
  );

  server.get("/v1/transactions/:hash/proof", { schema: { params: HashParams, querystring: NoQuery } }, (request) => {
    const { hash, blockNumber, transactionIndex } = find(request.params.hash);
    const block = ledger.block(blockNumber);
    if (block === undefined || block.commit.timestamp === null) {
      const context = { hash, blockNumber };
      throw new Problem("NOT_COMMITTED", `block ${blockNumber} is not on Ethereum yet: ask again later`, context);
    }
    const { transactionsRoot, transactionCount, commit } = block;
    return {
      header: { number: blockNumber, transactionsRoot, transactionCount, timestamp: commit.timestamp },
      index: transactionIndex,
      siblings: ledger.siblings({ blockNumber, transactionIndex }),
    };
  });

  function find(text: string): Payment {
    const hash = lower<TransactionHash>(text);
    const payment = views.payment(hash);
    if (payment === undefined) throw new Problem("NOT_FOUND", "no such payment", { hash });
    return payment;
  }
}

/** A payment with its outputs as they stand now. */
export function showPayment(operator: OperatorPort, payment: Payment): object {
  const ids = payment.transaction.outputs.map((_, index) => outputId(payment.hash, index));
  return paymentShape(operator, ids, payment);
}

/** One of a batch: what is malformed is refused at its place, and the others go on. */
async function submitOne(operator: OperatorPort, transaction: unknown): Promise<SubmitResult> {
  try {
    return await operator.submit(decodeTransaction(transaction));
  } catch (error) {
    if (error instanceof ProtocolError) return { kind: "refused", error };
    throw error;
  }
}

function batchOf(body: unknown): unknown[] {
  const fields = typeof body === "object" && body !== null ? Object.keys(body) : [];
  const transactions = fields.length === 1 ? (body as { transactions?: unknown }).transactions : undefined;
  if (!Array.isArray(transactions) || transactions.length < 1 || transactions.length > BATCH_PAYMENTS_MAX) {
    const detail = `the body must be {"transactions": […]} with 1 to ${BATCH_PAYMENTS_MAX} of them, and nothing else`;
    const count = Array.isArray(transactions) ? transactions.length : null;
    throw new Problem("MALFORMED", detail, { fields: fields.slice(0, 10), count });
  }
  return transactions;
}
