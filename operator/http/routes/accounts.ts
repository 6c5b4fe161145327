import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Balance } from "../../reads.ts";
import { checksum } from "../addresses.ts";
import type { OperatorPort } from "../ports.ts";
import { AccountAnswer, OutputAnswer, pageOf, PaymentAnswer, documented } from "../answers.ts";
import { AddressParams, lower, NoQuery, OutputsQuery, PageQuery, pageShape, readPage } from "../schemas.ts";
import type { Server } from "../server.ts";
import { outputShape } from "../shapes.ts";
import { showPayments } from "./transactions.ts";

export function accountRoutes(server: Server, operator: OperatorPort): void {
  const { reads } = operator;

  server.get(
    "/v1/accounts/:address",
    {
      schema: {
        params: AddressParams,
        querystring: NoQuery,
        ...documented(
          "accounts",
          "An address: its role, its balances by token, how many payments it has part in",
          AccountAnswer,
        ),
      },
    },
    async (request) => {
      const address = lower<Address>(request.params.address);
      const { transactionCount, balances } = await reads.account(address);
      const registration = reads.market.registration(address);
      return {
        address: checksum(address),
        role: registration?.role ?? null,
        validator: registration?.validator == null ? null : checksum(registration.validator),
        balances: [...balances].map(balanceShape),
        transactionCount,
      };
    },
  );

  server.get(
    "/v1/accounts/:address/outputs",
    {
      schema: {
        params: AddressParams,
        querystring: OutputsQuery,
        ...documented("accounts", "Outputs of an address", pageOf(OutputAnswer)),
      },
    },
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
    {
      schema: {
        params: AddressParams,
        querystring: PageQuery,
        ...documented("accounts", "Payments an address takes part in, on either side", pageOf(PaymentAnswer)),
      },
    },
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

function balanceShape([token, { available, exiting, pending }]: [Address, Balance]): object {
  return {
    token: checksum(token),
    available: available.toString(),
    exiting: exiting.toString(),
    pending: pending.toString(),
  };
}
