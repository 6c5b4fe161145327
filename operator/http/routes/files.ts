import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Market, MarketFile } from "@plasma-billing/protocol/market/market.ts";
import { checkFileId } from "@plasma-billing/protocol/market/registry.ts";
import { fileHashOf } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { CREATED, documented, pageOf, PaymentAnswer } from "../answers.ts";
import { FileAnswer } from "../marketAnswers.ts";
import { busy, created, MARKET_BODY_BYTES_MAX, newestFirst } from "../marketRequests.ts";
import { FileParams, FilesQuery, OfferBody, readAmount, readMetadata } from "../marketSchemas.ts";
import { fileShape } from "../marketShapes.ts";
import { Problem } from "../problems.ts";
import { lower, NoQuery, PageQuery, readPage } from "../schemas.ts";
import { showPayments } from "./transactions.ts";
import type { OperatorPort } from "../ports.ts";
import type { Server } from "../server.ts";

/** Files, what they cost, and who bought them: docs/MARKETPLACE.md. */
export function fileRoutes(server: Server, operator: OperatorPort): void {
  const { market } = operator.reads;

  server.get(
    "/v1/files",
    { schema: { querystring: FilesQuery, ...documented("market", "Files that are offered", pageOf(FileAnswer)) } },
    (request) => {
      const { validator, owner } = request.query;
      const [by, of] = [validator, owner].map((text) => (text === undefined ? null : lower<Address>(text)));
      const chosen = [...market.files.values()].filter(
        (file) =>
          file.offer !== null && (by === null || file.validator === by) && (of === null || file.offer.owner === of),
      );
      return newestFirst(chosen, request.query, fileShape);
    },
  );

  server.get(
    "/v1/files/:id",
    {
      schema: { params: FileParams, querystring: NoQuery, ...documented("market", "A file and its offer", FileAnswer) },
    },
    (request) => fileShape(fileOf(market, request.params.id)),
  );

  server.get(
    "/v1/files/:id/purchases",
    {
      schema: {
        params: FileParams,
        querystring: PageQuery,
        ...documented("market", "Who bought a file", pageOf(PaymentAnswer)),
      },
    },
    async (request) => {
      const { fileHash } = fileOf(market, request.params.id);
      const { limit, from } = readPage(request.query);
      return await showPayments(operator, { purpose: "purchase", fileHash }, limit, from?.[0] ?? null);
    },
  );

  offerRoute(server, operator);
}

function offerRoute(server: Server, { reads, registrar }: OperatorPort): void {
  server.post(
    "/v1/files",
    {
      bodyLimit: MARKET_BODY_BYTES_MAX,
      schema: {
        querystring: NoQuery,
        body: OfferBody,
        ...documented("market", "Offers a file, or offers it otherwise", FileAnswer, CREATED),
      },
    },
    async (request, reply) => {
      const { body } = request;
      const judged = await busy(async () =>
        registrar.offer({
          ...{ fileId: body.fileId, version: body.version, signature: lower<Hex>(body.signature) },
          ...{ validator: lower<Address>(body.validator), owner: lower<Address>(body.owner) },
          ...{ token: lower<Address>(body.token), price: readAmount("price", body.price) },
          ...{ ownerShareBps: body.ownerShareBps, serviceShareBps: body.serviceShareBps },
          ...{ name: body.name ?? null, size: body.size ?? null, extension: body.extension ?? null },
          ...{ mimeType: body.mimeType ?? null, metadata: readMetadata(body.metadata) },
        }),
      );
      await created(reply, judged === "taken", fileShape(fileOf(reads.market, body.fileId)));
    },
  );
}

function fileOf(market: Market, fileId: string): MarketFile {
  checkFileId(fileId);
  const file = market.file(fileHashOf(fileId));
  if (file === null) throw new Problem("NOT_FOUND", "nobody has uploaded this file", { fileId });
  return file;
}
