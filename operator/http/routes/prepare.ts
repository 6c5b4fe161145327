import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address, Domain } from "@plasma-billing/protocol/typedData.ts";
import type { Static } from "typebox";
import { InsufficientFundsError, type Prepared } from "../../market/prepare.ts";
import { documented } from "../answers.ts";
import { PreparedAnswer } from "../marketAnswers.ts";
import { MARKET_BODY_BYTES_MAX } from "../marketRequests.ts";
import { PurchaseIntent, readAmount, StorageIntent, SwapIntentBody } from "../marketSchemas.ts";
import { preparedShape } from "../marketShapes.ts";
import { Problem } from "../problems.ts";
import { lower, NoQuery } from "../schemas.ts";
import type { OperatorPort } from "../ports.ts";
import type { Server } from "../server.ts";

/** Transactions made ready to sign, for wallets that know nothing of outputs: docs/MARKETPLACE.md. */
export function prepareRoutes(server: Server, operator: OperatorPort): void {
  const { reads, preparation } = operator;

  const storageIntent = (summary: string) => ({
    bodyLimit: MARKET_BODY_BYTES_MAX,
    schema: { querystring: NoQuery, body: StorageIntent, ...documented("market", summary, PreparedAnswer) },
  });
  server.post(
    "/v1/uploads/prepare",
    storageIntent("Makes an upload ready to sign"),
    async ({ body }) => await prepareStorage("upload", body),
  );
  server.post(
    "/v1/extensions/prepare",
    storageIntent("Makes an extension ready to sign"),
    async ({ body }) => await prepareStorage("extension", body),
  );

  server.post(
    "/v1/purchases/prepare",
    {
      bodyLimit: MARKET_BODY_BYTES_MAX,
      schema: {
        querystring: NoQuery,
        body: PurchaseIntent,
        ...documented("market", "Makes a purchase ready to sign", PreparedAnswer),
      },
    },
    async (request) => {
      const { mart, fileId, inputs } = request.body;
      const intent = { mart: lower<Address>(mart), fileId, inputs: readInputs(inputs) };
      return await prepared(reads.domain, async () => await preparation.purchase(intent));
    },
  );

  swapIntentRoute(server, operator);

  async function prepareStorage(
    purpose: "upload" | "extension",
    { validator, fileId, inputs }: Static<typeof StorageIntent>,
  ): Promise<object> {
    const intent = { validator: lower<Address>(validator), fileId, inputs: readInputs(inputs) };
    return await prepared(reads.domain, async () => await preparation.storage(purpose, intent, operator.now()));
  }
}

function readInputs(inputs: string[] | undefined): OutputId[] | null {
  return inputs === undefined ? null : inputs.map((id) => lower<OutputId>(id));
}

function swapIntentRoute(server: Server, { reads, preparation }: OperatorPort): void {
  server.post(
    "/v1/swaps/prepare",
    {
      bodyLimit: MARKET_BODY_BYTES_MAX,
      schema: {
        querystring: NoQuery,
        body: SwapIntentBody,
        ...documented("market", "Makes a swap ready to sign", PreparedAnswer),
      },
    },
    async (request) => {
      const { storage, gives, takes } = request.body;
      const side = (name: string, { token, amount }: typeof gives): { token: Address; amount: bigint } => {
        const units = readAmount(`${name}.amount`, amount);
        if (units === 0n) throw new Problem("MALFORMED", `${name}.amount must be above zero`, { amount });
        return { token: lower<Address>(token), amount: units };
      };
      const intent = { storage: lower<Address>(storage), gives: side("gives", gives), takes: side("takes", takes) };
      return await prepared(reads.domain, async () => await preparation.swap(intent));
    },
  );
}

async function prepared(domain: Domain, make: () => Promise<Prepared>): Promise<object> {
  try {
    return preparedShape(await make(), domain);
  } catch (error) {
    if (error instanceof InsufficientFundsError) {
      throw new Problem("INSUFFICIENT_FUNDS", error.message, error.context);
    }
    throw error;
  }
}
