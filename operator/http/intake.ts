import type { IncomingMessage, ServerResponse } from "node:http";
import type { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import { PAYMENT_BYTES_MAX } from "@plasma-billing/protocol/paymentBytes.ts";
import type { Logger } from "pino";
import type { SubmitResult } from "../sequencer.ts";
import { BATCH_PAYMENTS_MAX, type IntakeRequest } from "@plasma-billing/ethereum/verification/bodies.ts";
import { overloaded, pausedProblem, Problem, problemJson, problemHeaders } from "./problems.ts";

export type { IntakeRequest } from "@plasma-billing/ethereum/verification/bodies.ts";

/** What became of a body. `judged`: one result for each payment in it. */
export type IntakeAnswer =
  | { kind: "overloaded" }
  | { kind: "malformed"; problem: { detail: string; context: Record<string, unknown> } }
  | { kind: "judged"; results: SubmitResult[] };

export interface IntakeOptions {
  submit: (request: IntakeRequest) => Promise<IntakeAnswer>;
  log: Logger;
}

export const INTAKE_PATHS: Record<string, IntakeRequest["kind"]> = {
  "/v1/transactions": "single",
  "/v1/transactions/batch": "batch",
};
/** No object: it would have a `constructor`. */
const FORMATS = new Map<string, IntakeRequest["format"]>([
  ["application/json", "json"],
  ["application/octet-stream", "binary"],
]);
/** Sixteen inputs and outputs with their signatures are 7 kB of JSON; this leaves room for white space. */
const BYTES_MAX = {
  json: { single: 64 * 1024, batch: BATCH_PAYMENTS_MAX * 8 * 1024 },
  binary: { single: PAYMENT_BYTES_MAX, batch: BATCH_PAYMENTS_MAX * (PAYMENT_BYTES_MAX + 2) },
};
/** Of all bodies that are arriving: beyond it new ones are refused, however many connections there are. */
const ARRIVING_BYTES_MAX = 128 * 1024 * 1024;

/** Takes the requests that carry payments, and leaves the others alone: whether it did is what the function says. */
export function createIntake({
  submit,
  log,
}: IntakeOptions): (request: IncomingMessage, response: ServerResponse) => boolean {
  let arriving = 0;
  return (request, response) => {
    const url = request.url ?? "";
    const question = url.indexOf("?");
    const kind = request.method === "POST" ? INTAKE_PATHS[question === -1 ? url : url.slice(0, question)] : undefined;
    if (kind === undefined) return false;
    const refuse = (problem: Problem | ProtocolError): void => sendProblem(response, problem);
    const format = formatOf(request);
    if (format instanceof Problem) refuse(format);
    else if (question !== -1 && question < url.length - 1) refuse(unknownParameter(url.slice(question + 1)));
    else {
      const bytesMax = BYTES_MAX[format][kind];
      const length = Number(request.headers["content-length"] ?? 0);
      if (length > bytesMax) refuse(tooLarge(bytesMax));
      else if (arriving + length > ARRIVING_BYTES_MAX) refuse(overloaded());
      else {
        receive(request, bytesMax, (bytes) => (arriving += bytes))
          .then(async (body) => {
            if (body instanceof Problem) return refuse(body);
            answer(response, kind, await submit({ format, kind, body }));
          })
          .catch((error: unknown) => {
            // Whoever went away in the middle of a request is told nothing.
            if (request.destroyed && !request.complete) return;
            log.error({ err: error }, "a request failed");
            refuse(new Problem("INTERNAL", "something failed on our side: it is in the operator's log"));
          });
      }
    }
    return true;
  };
}

/** The whole body, or why it is not taken: too long, or too much arrives at once. Rejects when it does not arrive. */
async function receive(
  request: IncomingMessage,
  bytesMax: number,
  count: (bytes: number) => number,
): Promise<Buffer | Problem> {
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (body: Buffer | Problem): void => {
      request.off("data", take);
      resolve(body);
    };
    const take = (chunk: Buffer): void => {
      bytes += chunk.length;
      const arriving = count(chunk.length);
      if (bytes > bytesMax) return end(tooLarge(bytesMax));
      if (arriving > ARRIVING_BYTES_MAX) return end(overloaded());
      chunks.push(chunk);
    };
    request.on("data", take);
    request.once("end", () => end(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    request.once("error", reject);
    request.once("close", () => {
      count(-bytes);
      if (!request.complete) reject(new Error("the request ended before its body"));
    });
  });
}

function formatOf({ headers }: IncomingMessage): IntakeRequest["format"] | Problem {
  const encoding = headers["content-encoding"] ?? "identity";
  const type = headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  // Without a body there is no type to be named; what is missing is then said of the body.
  const empty =
    type === undefined && headers["transfer-encoding"] === undefined && !(Number(headers["content-length"]) > 0);
  const format = empty ? "json" : FORMATS.get(type ?? "");
  if (format !== undefined && encoding === "identity") return format;
  const detail = "send application/json, or a payment's bytes as application/octet-stream, uncompressed";
  return new Problem("UNSUPPORTED_MEDIA_TYPE", detail);
}

function answer(response: ServerResponse, kind: IntakeRequest["kind"], outcome: IntakeAnswer): void {
  if (outcome.kind === "overloaded") return sendProblem(response, overloaded());
  if (outcome.kind === "malformed") {
    return sendProblem(response, new Problem("MALFORMED", outcome.problem.detail, outcome.problem.context));
  }
  const { results } = outcome;
  if (kind === "batch") {
    if (results.every((result) => result.kind === "overloaded")) return sendProblem(response, overloaded());
    if (results.every((result) => result.kind === "paused")) return sendProblem(response, pausedProblem());
    return send(response, 200, `{"results":[${results.map(itemOf).join(",")}]}`);
  }
  const [result] = results as [SubmitResult];
  if (result.kind !== "accepted") return sendProblem(response, problemOf(result));
  send(response, result.repeated ? 200 : 201, receiptOf(result));
}

function itemOf(result: SubmitResult): string {
  if (result.kind === "accepted") return `{"payment":${receiptOf(result)}}`;
  return `{"problem":${JSON.stringify(problemJson(problemOf(result)))}}`;
}

function problemOf(result: Exclude<SubmitResult, { kind: "accepted" }>): Problem | ProtocolError {
  if (result.kind === "refused") return result.error;
  return result.kind === "paused" ? pausedProblem() : overloaded();
}

/** What a payer is told, the first time and every other: where the payment is. */
function receiptOf({ hash, position }: SubmitResult & { kind: "accepted" }): string {
  const { blockNumber, transactionIndex, acceptedAt } = position;
  return `{"hash":"${hash}","blockNumber":${blockNumber},"transactionIndex":${transactionIndex},"state":"accepted","acceptedAt":${acceptedAt}}`;
}

function send(response: ServerResponse, status: number, json: string): void {
  const headers = { "content-type": "application/json; charset=utf-8", "content-length": Buffer.byteLength(json) };
  // As text it goes out with its head in one write.
  response.writeHead(status, headers).end(json);
}

function sendProblem(response: ServerResponse, problem: Problem | ProtocolError): void {
  if (response.headersSent) return;
  const json = problemJson(problem);
  const body = Buffer.from(JSON.stringify(json));
  const headers = { ...problemHeaders(json), "content-length": body.length };
  // What was not read of the request would be taken for the next one.
  const rest = response.req.complete ? {} : { connection: "close" };
  response.writeHead(json.status, { ...headers, ...rest }).end(body);
}

function tooLarge(bytesMax: number): Problem {
  return new Problem("TOO_LARGE", `the body is larger than ${bytesMax} bytes`);
}

function unknownParameter(query: string): Problem {
  return new Problem("MALFORMED", "this route has no parameters", { query: query.slice(0, 100) });
}
