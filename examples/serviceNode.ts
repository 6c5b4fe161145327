// The service node: stores what was paid for, gives a file's key to whoever bought it, and swaps its income into the token
// that its storage provider gives.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { OperatorError, type ShownPayment } from "@plasma-billing/sdk";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { fileHashOf } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { verifyMessage } from "ethers";
import { balance, COIN, MONEY, openWallet, RATE, say, setting } from "./setup.ts";

const STORAGE = setting("STORAGE").toLowerCase() as Address;
const SWAP_FROM = BigInt(setting("SWAP_FROM"));
const BODY_BYTES_MAX = 1024 * 1024;

const wallet = await openWallet();
const files = new Map<string, { data: string; key: string }>();

/** The accepted payment of that purpose for the file, made by who signed the request. */
async function paid(purpose: string, fileId: string, hash: string, signature: string): Promise<ShownPayment> {
  const payment = await wallet.operator.payment(hash as Hex);
  const signer = verifyMessage(`${purpose} ${fileId} ${hash}`, signature).toLowerCase();
  const { transaction, inputs } = payment;
  const right = transaction.purpose === purpose && transaction.fileHash === fileHashOf(fileId);
  if (!right || inputs[0]?.owner !== signer) throw new Error(`payment ${hash} is not for this`);
  return payment;
}

/** PUT /files/{id}: store. GET /files/{id}: anyone gets it, encrypted. GET /keys/{id}: who bought it gets the key. */
async function serve(request: IncomingMessage): Promise<object> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://service");
  const [, kind, name = ""] = pathname.split("/");
  const fileId = decodeURIComponent(name);
  const [payment = "", signature = ""] = [searchParams.get("payment") ?? "", searchParams.get("signature") ?? ""];
  if (request.method === "PUT" && kind === "files") {
    // The fee first, then the disk.
    await paid("upload", fileId, payment, signature);
    files.set(fileId, JSON.parse(await read(request)) as { data: string; key: string });
    say(`stored ${fileId}, paid by ${payment.slice(0, 10)}…`);
    return { stored: fileId };
  }
  const file = files.get(fileId);
  if (file === undefined) throw new Error(`no file ${fileId}`);
  if (kind === "files") return { data: file.data };
  // Accepted is enough for this service node; another may wait for `committed` or `finalized`.
  const { state } = await paid("purchase", fileId, payment, signature);
  say(`key of ${fileId} released to its buyer, payment ${state}`);
  return { key: file.key };
}

async function read(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > BODY_BYTES_MAX) throw new Error("the file is too large for this example");
  }
  return text;
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

const server = createServer((request, response) => {
  serve(request).then(
    (body) => answer(response, 200, body),
    (error: unknown) => answer(response, 402, { problem: String(error) }),
  );
});
server.listen(Number(setting("SERVICE_PORT")), "127.0.0.1", () => say("open"));
process.once("SIGTERM", () => process.exit(0));

/** Its income into the storage token, whenever enough of it is committed. */
for (;;) {
  await wallet.sync();
  const amount = wallet.book
    .free(MONEY)
    .filter((output) => wallet.book.isCommitted(output))
    .reduce((sum, output) => sum + output.amount, 0n);
  if (amount >= SWAP_FROM) {
    try {
      const { hash } = await wallet.market.swap({
        storage: STORAGE,
        gives: { token: MONEY, amount },
        takes: { token: COIN, amount: amount * RATE },
      });
      say(`proposed to swap ${amount} for ${amount * RATE} of the storage token: ${hash.slice(0, 10)}…`);
      await wallet.committed(hash);
      say(`swapped: ${balance(wallet, COIN)} of the storage token`);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      say(`no swap this time: ${error.message}`);
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
}
