import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { checksum } from "../addresses.ts";
import type { OperatorPort } from "../ports.ts";
import { AddressParams, lower, NoQuery, OutputsQuery, PageQuery, pageShape, readPage } from "../schemas.ts";
import type { Server } from "../server.ts";
import { outputShape } from "../shapes.ts";
import { showPayments } from "./transactions.ts";

export function accountRoutes(server: Server, operator: OperatorPort): void {
  const { reads } = operator;

  server.get("/v1/accounts/:address", { schema: { params: AddressParams, querystring: NoQuery } }, async (request) => {
    const address = lower<Address>(request.params.address);
    const { transactionCount, balances } = await reads.account(address);
    return {
      address: checksum(address),
      role: null,
      validator: null,
      balances: [...balances].map(([token, { available, exiting, pending }]) => ({
        token: checksum(token),
        available: available.toString(),
        exiting: exiting.toString(),
        pending: pending.toString(),
      })),
      transactionCount,
    };
  });

  server.get(
    "/v1/accounts/:address/outputs",
    { schema: { params: AddressParams, querystring: OutputsQuery } },
    async (request) => {
      const address = lower<Address>(request.params.address);
      const { limit, from } = readPage(request.query, 3);
      const [deposit, position, index] = from ?? [];
      const start =
        deposit === undefined || position === undefined || index === undefined ? null : { deposit, position, index };
      const { items, next } = await reads.outputs(address, limit, start, request.query.state ?? null);
      return pageShape(items.map(outputShape), next === null ? null : [next.deposit, next.position, next.index]);
    },
  );

  server.get(
    "/v1/accounts/:address/transactions",
    { schema: { params: AddressParams, querystring: PageQuery } },
    async (request) => {
      const { limit, from } = readPage(request.query);
      return await showPayments(
        operator,
        { address: lower<Address>(request.params.address) },
        limit,
        from?.[0] ?? null,
      );
    },
  );
}
