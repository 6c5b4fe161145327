import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { checksum } from "../addresses.ts";
import type { OperatorPort } from "../ports.ts";
import { AddressParams, lower, NoQuery, OutputsQuery, pageShape, readPage } from "../schemas.ts";
import type { Server } from "../server.ts";
import { outputShape } from "../shapes.ts";

export function accountRoutes(server: Server, { views }: OperatorPort): void {
  server.get("/v1/accounts/:address", { schema: { params: AddressParams, querystring: NoQuery } }, (request) => {
    const address = lower<Address>(request.params.address);
    return {
      address: checksum(address),
      role: null,
      validator: null,
      balances: [...views.balances(address)].map(([token, { available, exiting, pending }]) => ({
        token: checksum(token),
        available: available.toString(),
        exiting: exiting.toString(),
        pending: pending.toString(),
      })),
      transactionCount: views.paymentCount(address),
    };
  });

  server.get(
    "/v1/accounts/:address/outputs",
    { schema: { params: AddressParams, querystring: OutputsQuery } },
    (request) => {
      const address = lower<Address>(request.params.address);
      const { limit, from } = readPage(request.query, 2);
      const [index, deposit] = from ?? [];
      const start = index === undefined || deposit === undefined ? null : { index, deposit };
      const { items, next } = views.outputs(address, limit, start, request.query.state ?? null);
      return pageShape(items.map(outputShape), next === null ? null : [next.index, next.deposit]);
    },
  );
}
