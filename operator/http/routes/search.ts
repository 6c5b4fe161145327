import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { fileHashOf, type OutputId } from "@plasma-billing/protocol/transaction.ts";
import { checksum } from "../addresses.ts";
import { documented, exactly, FoundAnswer, OutputHistoryAnswer } from "../answers.ts";
import type { OperatorPort } from "../ports.ts";
import { Problem } from "../problems.ts";
import { lower, NoQuery, OutputParams, SearchQuery } from "../schemas.ts";
import type { Server } from "../server.ts";
import { outputShape } from "../shapes.ts";
import { Type } from "typebox";

interface Found {
  kind: "transaction" | "block" | "account" | "file" | "output" | "exit";
  id: string;
}

const SearchAnswer = exactly({ items: Type.Array(FoundAnswer) });

/** From what somebody holds in hand to where it is told of. */
export function searchRoutes(server: Server, operator: OperatorPort): void {
  const { reads } = operator;

  server.get(
    "/v1/outputs/:id",
    {
      schema: {
        params: OutputParams,
        querystring: NoQuery,
        ...documented(
          "accounts",
          "An output: the payment that made it, and the one that spent it",
          OutputHistoryAnswer,
        ),
      },
    },
    async (request) => {
      const id = lower<OutputId>(request.params.id);
      const history = await reads.outputHistory(id);
      if (history === null) throw new Problem("NOT_FOUND", "no such output", { id });
      return { ...history, output: outputShape(history.output) };
    },
  );

  server.get(
    "/v1/search",
    {
      schema: {
        querystring: SearchQuery,
        ...documented("transactions", "What a hash, an address, a file id or an hour's number is of", SearchAnswer),
      },
    },
    async (request) => {
      const text = request.query.q.trim();
      return { items: [...(await byForm(text)), ...byFile(text)] };
    },
  );

  async function byForm(text: string): Promise<Found[]> {
    if (/^[1-9][0-9]{0,9}$/.test(text)) {
      const number = Number(text);
      return number <= reads.openBlock.number ? [{ kind: "block", id: text }] : [];
    }
    if (/^0x[0-9a-fA-F]{40}$/.test(text)) return [{ kind: "account", id: checksum(lower(text)) }];
    if (/^0x[0-9a-fA-F]{64}$/.test(text)) return await byHash(lower<Hex>(text));
    return [];
  }

  async function byHash(hash: Hex): Promise<Found[]> {
    const found: Found[] = [];
    // The root of a block with one payment is its hash.
    const isPayment = (await reads.payment(hash)) !== null;
    if (isPayment) found.push({ kind: "transaction", id: hash });
    else if ((await reads.outputHistory(hash)) !== null) found.push({ kind: "output", id: hash });
    for (const { number, transactionsRoot, commit } of reads.sealedBlocks) {
      if ((transactionsRoot === hash && !isPayment) || commit.ethereumTransaction === hash) {
        found.push({ kind: "block", id: String(number) });
      }
    }
    for (const number of reads.exitsOf(hash)) found.push({ kind: "exit", id: String(number) });
    return found;
  }

  function byFile(text: string): Found[] {
    const hash = /^0x[0-9a-fA-F]{64}$/.test(text) ? lower<Hex>(text) : null;
    const file = reads.market.file(fileHashOf(text)) ?? (hash === null ? null : reads.market.file(hash));
    return file?.fileId == null ? [] : [{ kind: "file", id: file.fileId }];
  }
}
