import { fileHashOf, type TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Payment, PaymentFilter } from "../../reads.ts";
import { pageOf, PaymentAnswer, ProofAnswer, documented } from "../answers.ts";
import type { OperatorPort } from "../ports.ts";
import { Problem } from "../problems.ts";
import { HashParams, lower, NoQuery, pageShape, PaymentsQuery, readPage } from "../schemas.ts";
import type { Server } from "../server.ts";
import { paymentShape } from "../shapes.ts";

/** Payments are read here; they are taken in intake.ts. */
export function transactionRoutes(server: Server, operator: OperatorPort): void {
  const { reads } = operator;

  server.get(
    "/v1/transactions",
    { schema: { querystring: PaymentsQuery, ...documented("transactions", "Payments", pageOf(PaymentAnswer)) } },
    async (request) => {
      const { address, purpose, fileId, blockNumber, state, since, until } = request.query;
      const filter: PaymentFilter = {
        ...(address === undefined ? {} : { address: lower<Address>(address) }),
        ...(purpose === undefined ? {} : { purpose }),
        ...(fileId === undefined ? {} : { fileHash: fileHashOf(fileId) }),
        ...(blockNumber === undefined ? {} : { blockNumber: Number(blockNumber) }),
        ...(state === undefined ? {} : { state }),
        ...(since === undefined ? {} : { since: Number(since) }),
        ...(until === undefined ? {} : { until: Number(until) }),
      };
      const { limit, from } = readPage(request.query);
      return await showPayments(operator, filter, limit, from?.[0] ?? null);
    },
  );

  server.get(
    "/v1/transactions/:hash",
    { schema: { params: HashParams, querystring: NoQuery, ...documented("transactions", "A payment", PaymentAnswer) } },
    async (request) => paymentShape(operator, await find(request.params.hash)),
  );

  server.get(
    "/v1/transactions/:hash/proof",
    {
      schema: {
        params: HashParams,
        querystring: NoQuery,
        ...documented("transactions", "The proof that a payment is in a block on Ethereum", ProofAnswer),
      },
    },
    async (request) => {
      const { hash, blockNumber, transactionIndex } = await find(request.params.hash);
      const block = reads.block(blockNumber);
      if (block === undefined || block.commit.timestamp === null) {
        const context = { hash, blockNumber };
        throw new Problem("NOT_COMMITTED", `block ${blockNumber} is not on Ethereum yet: ask again later`, context);
      }
      const { transactionsRoot, transactionCount, commit } = block;
      return {
        header: { number: blockNumber, transactionsRoot, transactionCount, timestamp: commit.timestamp },
        index: transactionIndex,
        siblings: await reads.siblings(blockNumber, transactionIndex),
      };
    },
  );

  async function find(text: string): Promise<Payment> {
    const hash = lower<TransactionHash>(text);
    const payment = await reads.payment(hash);
    if (payment === null) throw new Problem("NOT_FOUND", "no such payment", { hash });
    return payment;
  }
}

/** A page of payments with their outputs as they stand now. */
export async function showPayments(
  operator: OperatorPort,
  filter: PaymentFilter,
  limit: number,
  before: number | null,
): Promise<object> {
  const { items, next } = await operator.reads.payments(filter, limit, before);
  return pageShape(
    items.map((payment) => paymentShape(operator, payment)),
    next === null ? null : [next],
  );
}
