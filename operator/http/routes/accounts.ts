import type { LedgerOutput } from "@plasma-billing/protocol/output.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { getAddress } from "ethers";
import type { OperatorPort } from "../ports.ts";
import { AddressParams, lower, NoQuery, OutputsQuery, pageShape, readPage } from "../schemas.ts";
import type { Server } from "../server.ts";
import { outputShape, pendingOutputShape } from "../shapes.ts";

export function accountRoutes(server: Server, { views }: OperatorPort): void {
  server.get("/v1/accounts/:address", { schema: { params: AddressParams, querystring: NoQuery } }, (request) => {
    const address = lower<Address>(request.params.address);
    return {
      address: getAddress(address),
      role: null,
      validator: null,
      balances: [...views.balances(address)].map(([token, { available, exiting, pending }]) => ({
        token: getAddress(token),
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
      const { state } = request.query;
      const { limit, from } = readPage(request.query);
      const wanted = (output: LedgerOutput): boolean => state === undefined || output.state === state;
      // Pending deposits are few, and newer than anything credited: they stand before the first page.
      const pendingToo = from === null && (state === undefined || state === "pending");
      const pending = pendingToo ? views.pendingDeposits(address).map(pendingOutputShape) : [];
      const { items, next } = views.outputs(address, limit, from, wanted);
      return pageShape([...pending, ...items.map(outputShape)], next);
    },
  );
}
