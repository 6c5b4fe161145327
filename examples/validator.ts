// A validator: pays for storing its owner's data, offers it, and takes its income to Ethereum.
import { createCipheriv, randomBytes } from "node:crypto";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { balance, MONEY, openWallet, say, setting, until } from "./setup.ts";

const FILES = setting("FILES").split(",");
const OWNER = setting("OWNER").toLowerCase() as Address;
const SERVICE_URL = setting("SERVICE_URL");
const SALES = Number(setting("SALES"));

const wallet = await openWallet();
await wallet.market.register("validator");
await wallet.market.registerOwner(OWNER);
await wallet.credited(await wallet.deposit({ token: MONEY, amount: BigInt(setting("DEPOSIT")) }));
say(`deposited ${balance(wallet, MONEY)}`);

for (const [i, fileId] of FILES.entries()) {
  const key = randomBytes(32);
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const text = Buffer.concat([cipher.update(`contents of ${fileId}`), cipher.final()]);
  const data = Buffer.concat([iv, cipher.getAuthTag(), text]).toString("base64");
  // Quote, payment, and only then the data.
  const { hash, quote } = await wallet.market.upload({ fileId, sizeBytes: 2 ** 30, days: 30, token: MONEY });
  const signature = await wallet.signer.signMessage(`upload ${fileId} ${hash}`);
  const url = `${SERVICE_URL}/files/${encodeURIComponent(fileId)}?payment=${hash}&signature=${signature}`;
  const stored = await fetch(url, { method: "PUT", body: JSON.stringify({ data, key: key.toString("hex") }) });
  if (!stored.ok) throw new Error(await stored.text());
  const price = BigInt(setting("PRICE")) + BigInt(i);
  const terms = { fileId, owner: OWNER, token: MONEY, price, ownerShareBps: 2_500, serviceShareBps: 333, version: 1 };
  await wallet.market.offer(terms, { name: `Survey ${i + 1}`, mimeType: "text/csv", extension: "csv" });
  say(`uploaded ${fileId} for ${quote.fee}, offers it at ${price}`);
}

// Sales show as soon as they are accepted.
await until(async () => {
  await wallet.sync();
  const sold = [];
  for await (const payment of wallet.operator.payments(wallet.address)) {
    if (payment.transaction.purpose === "purchase") sold.push(payment.hash);
  }
  return sold.length >= SALES ? sold : null;
});
say(`sold ${SALES} times, has ${balance(wallet, MONEY)}; waiting for the hour to withdraw it`);
await until(async () => {
  await wallet.sync();
  return wallet.book.free(MONEY).every((output) => wallet.book.isCommitted(output)) ? true : null;
});
const exits = await wallet.withdraw({ token: MONEY });
say(`started ${exits.length} exits`);
process.exit(0);
