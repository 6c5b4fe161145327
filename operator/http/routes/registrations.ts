import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { ETHER } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { CREATED, documented, pageOf } from "../answers.ts";
import { RegistrationAnswer } from "../marketAnswers.ts";
import { busy, created, MARKET_BODY_BYTES_MAX, newestFirst } from "../marketRequests.ts";
import { AccountsQuery, RegistrationBody } from "../marketSchemas.ts";
import { registrationShape } from "../marketShapes.ts";
import { Problem } from "../problems.ts";
import { lower, NoQuery } from "../schemas.ts";
import type { OperatorPort } from "../ports.ts";
import type { Server } from "../server.ts";

/** Who has which role: docs/MARKETPLACE.md. */
export function registrationRoutes(server: Server, operator: OperatorPort): void {
  const { reads, registrar } = operator;
  const { market } = reads;

  server.get(
    "/v1/accounts",
    {
      schema: {
        querystring: AccountsQuery,
        ...documented("accounts", "Registered accounts", pageOf(RegistrationAnswer)),
      },
    },
    (request) => {
      const { role, validator } = request.query;
      const by = validator === undefined ? null : lower<Address>(validator);
      const chosen = [...market.accounts.values()].filter(
        (one) => (role === undefined || one.role === role) && (by === null || one.validator === by),
      );
      return newestFirst(chosen, request.query, registrationShape);
    },
  );

  server.post(
    "/v1/accounts",
    {
      bodyLimit: MARKET_BODY_BYTES_MAX,
      schema: {
        querystring: NoQuery,
        body: RegistrationBody,
        ...documented("accounts", "Registers an account with a role", RegistrationAnswer, CREATED),
      },
    },
    async (request, reply) => {
      const { account, role, validator, issuedAt, signature } = request.body;
      const named = validator === undefined || validator === null ? null : lower<Address>(validator);
      const judged = await busy(async () =>
        registrar.register({
          ...{ account: lower<Address>(account), role, issuedAt, signature: lower<Hex>(signature) },
          validator: named === ETHER ? null : named,
        }),
      );
      const registered = market.registration(lower<Address>(account));
      if (registered === null) throw new Problem("INTERNAL", "a registration was taken and is not there");
      await created(reply, judged === "taken", registrationShape(registered));
    },
  );
}
