// A mart: buys every file that is offered, and reads it.
import { createDecipheriv } from "node:crypto";
import { balance, MONEY, openWallet, say, setting, until } from "./setup.ts";

const SERVICE_URL = setting("SERVICE_URL");
const FILES = Number(setting("FILES").split(",").length);

const wallet = await openWallet();
await wallet.market.register("mart");
await wallet.credited(await wallet.deposit({ token: MONEY, amount: BigInt(setting("DEPOSIT")) }));
say(`deposited ${balance(wallet, MONEY)}`);

const offered = await until(async () => {
  const found = [];
  for await (const item of wallet.operator.items("/v1/files")) found.push(String(item["fileId"]));
  return found.length >= FILES ? found : null;
});

// All at once: the wallet makes lanes of its one deposit.
await Promise.all(
  offered.map(async (fileId) => {
    const { hash, offer } = await wallet.market.purchase({ fileId, maxPrice: BigInt(setting("MAX_PRICE")) });
    const signature = await wallet.signer.signMessage(`purchase ${fileId} ${hash}`);
    const name = encodeURIComponent(fileId);
    const get = async (path: string): Promise<Record<string, string>> => {
      const response = await fetch(SERVICE_URL + path);
      if (!response.ok) throw new Error(await response.text());
      return (await response.json()) as Record<string, string>;
    };
    const { data = "" } = await get(`/files/${name}`);
    const { key = "" } = await get(`/keys/${name}?payment=${hash}&signature=${signature}`);
    const bytes = Buffer.from(data, "base64");
    const cipher = createDecipheriv("aes-256-gcm", Buffer.from(key, "hex"), bytes.subarray(0, 12));
    cipher.setAuthTag(bytes.subarray(12, 28));
    const text = Buffer.concat([cipher.update(bytes.subarray(28)), cipher.final()]).toString();
    if (text !== `contents of ${fileId}`) throw new Error(`${fileId} is something else: ${text}`);
    say(`bought ${fileId} for ${offer.price} and read it`);
  }),
);
say(`has ${balance(wallet, MONEY)} left`);
process.exit(0);
