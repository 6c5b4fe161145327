// `npm run faucet -- ADDRESS`: ether and test tokens from the devnet of `npm start`, to try things with.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Contract, isAddress, JsonRpcProvider, NonceManager, parseEther, type TransactionResponse } from "ethers";
import { readArtifact } from "./deployment.ts";
import { type Devnet, devnetAccount } from "./devnetInfo.ts";

const ETHER = parseEther("10");
const TOKENS = parseEther("1000");
/** One of the node's accounts that nothing else uses. */
const GIVER = 17;

const [address] = process.argv.slice(2);
if (address === undefined || !isAddress(address)) {
  console.error("faucet: npm run faucet -- ADDRESS");
  process.exit(1);
}
const file = join(process.env["DATA_DIR"] ?? "data", "devnet", "devnet.json");
const text = await readFile(file, "utf8").catch(() => null);
if (text === null) {
  console.error(`faucet: no ${file}: run npm start in another terminal first`);
  process.exit(1);
}
const { rpcUrl, testToken } = JSON.parse(text) as Devnet;
const provider = new JsonRpcProvider(rpcUrl, undefined, { pollingInterval: 100, cacheTimeout: -1 });
const giver = new NonceManager(devnetAccount(GIVER).connect(provider));
const token = new Contract(testToken, (await readArtifact("mocks/TestToken.sol/TestToken")).abi, giver);
const sent = [
  await giver.sendTransaction({ to: address, value: ETHER }),
  (await token.getFunction("mint")(address, TOKENS)) as TransactionResponse,
];
await Promise.all(sent.map(async (one) => await one.wait()));
console.log(`${address} has got 10 ether and 1000 TestToken (${testToken})`);
provider.destroy();
