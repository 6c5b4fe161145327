// What one would write first: ethers recovers, and every payment is a transaction of a database. A process of its own, which
// tells its port. It takes the same requests, single ones; whether inputs and sums are right it looks up as one would.
import { mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { TypedDataEncoder, recoverAddress, type TypedDataDomain } from "ethers";
import { TRANSACTION_TYPES } from "../../test/helpers/chain.ts";
import { outputId, PURPOSES, type Purpose } from "@plasma-billing/protocol/transaction.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";

interface Setup {
  domain: TypedDataDomain;
  deposits: { id: string; owner: string; amount: string }[];
}
interface Body {
  purpose: Purpose;
  inputs: string[];
  outputs: { owner: string; token: string; amount: string }[];
  fileHash: string;
  signatures: string[];
}

process.on("message", ({ domain, deposits }: Setup) => {
  const database = new DatabaseSync(join(mkdtempSync(join(tmpdir(), "plasma-naive-")), "naive.db"));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  database.exec("CREATE TABLE output (id TEXT PRIMARY KEY, owner TEXT, token TEXT, amount TEXT, spent_by TEXT)");
  database.exec("CREATE TABLE payment (hash TEXT PRIMARY KEY, number INTEGER, json TEXT)");
  const output = database.prepare("SELECT * FROM output WHERE id = ?");
  const spend = database.prepare("UPDATE output SET spent_by = ? WHERE id = ?");
  const create = database.prepare("INSERT INTO output VALUES (?, ?, ?, ?, NULL)");
  const note = database.prepare("INSERT INTO payment VALUES (?, ?, ?)");
  const token = `0x${"00".repeat(20)}`;
  for (const { id, owner, amount } of deposits) create.run(id, owner.toLowerCase(), token, amount);
  let count = 0;

  const accept = (text: string): { hash: string; transactionIndex: number } => {
    const payment = JSON.parse(text) as Body;
    const { inputs, outputs, fileHash, signatures } = payment;
    const hash = TypedDataEncoder.hash(domain, TRANSACTION_TYPES, {
      ...{ purpose: PURPOSES[payment.purpose], inputs, outputs, fileHash },
    });
    const signers = signatures.map((signature) => recoverAddress(hash, signature).toLowerCase());
    database.exec("BEGIN");
    try {
      let sum = 0n;
      for (const [i, id] of inputs.entries()) {
        const row = output.get(id);
        if (row === undefined || row["spent_by"] !== null) throw new Error(`unknown or spent: ${id}`);
        if (row["owner"] !== signers[i]) throw new Error(`not signed by ${String(row["owner"])}`);
        sum += BigInt(row["amount"] as string);
        spend.run(hash, id);
      }
      for (const [i, { owner, amount }] of outputs.entries()) {
        sum -= BigInt(amount);
        create.run(outputId(hash as Hex, i), owner.toLowerCase(), token, amount);
      }
      if (sum !== 0n) throw new Error(`inputs and outputs differ by ${sum}`);
      note.run(hash, count, text);
      database.exec("COMMIT");
    } catch (error) {
      database.exec("ROLLBACK");
      throw error;
    }
    return { hash, transactionIndex: count++ };
  };

  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    request.on("end", () => {
      try {
        const body = Buffer.from(JSON.stringify(accept(text)));
        response.writeHead(201, { "content-length": body.length }).end(body);
      } catch (error) {
        const body = Buffer.from(JSON.stringify({ problem: String(error) }));
        response.writeHead(422, { "content-length": body.length }).end(body);
      }
    });
  });
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as { port: number }).port));
});
