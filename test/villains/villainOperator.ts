// A process that stands before an honest operator, has its key, and turns evil when it is told to: it takes the open block's
// payments, makes a block of them as it likes, commits that, shows it as it likes, and takes its loot to Ethereum.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import { Contract, Interface, JsonRpcProvider, Wallet, keccak256, toUtf8Bytes, type TransactionReceipt } from "ethers";
import abi from "@plasma-billing/protocol/RootChain.abi.json" with { type: "json" };
import type { BlockHeader } from "@plasma-billing/protocol/header.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { PURPOSES, type SignedTransaction, type TransactionHash } from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import { OperatorClient } from "@plasma-billing/sdk";
import { keyOf } from "./accounts.ts";
import { EVIL_BLOCKS, type Desk, type EvilBlock, type EvilBlockName } from "./evilBlocks.ts";
import { LIES, type LieName } from "./lies.ts";
import { hashOf, readFeed, treeOf } from "./payments.ts";

/** What the process is told to do. */
export type Order =
  | {
      do: "commit";
      block: EvilBlockName;
      lie: LieName;
      /** Commit another root than that of what is shown. */
      otherRoot: boolean;
      /** Lie on all routes, not the block's alone. */
      everywhere: boolean;
    }
  /** Stream the block that is committed next, before it is. */
  | { do: "stream"; block: EvilBlockName }
  /** Show all of the block that was hidden. */
  | { do: "publish" }
  /** Hide deposits from this one on. */
  | { do: "hideDeposits"; from: number }
  /** Answer nobody any more. */
  | { do: "fallSilent" };

export type Done =
  | { number: number; committedAtMs: number; timestamp: number; loot: string[]; payments: TransactionHash[] }
  | { failed: string }
  | null;

export interface VillainSettings {
  /** The honest operator behind. */
  operatorUrl: string;
  rpcUrl: string;
  contract: Address;
  chainId: number;
  token: Address;
}

const MINED_POLL_MS = 20;
const EXITS_A_CALL = 40;
/** From the first whose deed was done on: the block's number and everything that was said of it. */
interface Deed {
  header: BlockHeader;
  payments: SignedTransaction[];
  lie: LieName;
  everywhere: boolean;
}

class VillainOperator {
  private readonly settings: VillainSettings;
  private readonly client: OperatorClient;
  private readonly provider: JsonRpcProvider;
  private readonly contract: Contract;
  private readonly separator: Hex;
  private deed: Deed | null = null;
  private streamed: { number: number; evil: EvilBlock } | null = null;
  private hiddenFrom = Infinity;
  private silent = false;

  constructor(settings: VillainSettings) {
    const { operatorUrl, rpcUrl, contract, chainId } = settings;
    this.settings = settings;
    this.client = new OperatorClient(operatorUrl);
    this.provider = new JsonRpcProvider(rpcUrl, undefined, { cacheTimeout: -1, staticNetwork: true });
    this.contract = new Contract(contract, new Interface(abi), this.provider);
    this.separator = domainSeparator({ chainId: BigInt(chainId), verifyingContract: contract });
  }

  async obey(order: Order): Promise<Done> {
    switch (order.do) {
      case "commit":
        return await this.commit(order);
      case "stream":
        this.streamed = { number: await this.nextNumber(), evil: await this.make(order.block) };
        return null;
      case "publish":
        this.deed = this.deed === null ? null : { ...this.deed, lie: "none", everywhere: false };
        return null;
      case "hideDeposits":
        this.hiddenFrom = order.from;
        return null;
      case "fallSilent":
        this.silent = true;
        return null;
    }
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { deed, silent } = this;
    if (silent) return void request.socket.destroy();
    const url = new URL(request.url ?? "/", "http://villain");
    const path = url.pathname;
    if (deed?.everywhere === true && request.method === "GET") return await this.lie(deed, response, 0);
    const block = /^\/v1\/blocks\/(\w+)(\/transactions)?$/.exec(path);
    if (deed !== null && block !== null) {
      const number = block[1] === "open" ? deed.header.number + 1 : Number(block[1]);
      if (number >= deed.header.number)
        return await this.showBlock(deed, number, block[2] !== undefined, url, response);
    }
    const { streamed } = this;
    if (deed === null && streamed !== null && block?.[2] !== undefined) {
      const isIt = block[1] === "open" || Number(block[1]) === streamed.number;
      if (isIt) return await LIES.none(response, streamed.evil.payments, Number(url.searchParams.get("from") ?? 0));
    }
    if (deed !== null && path.startsWith("/v1/transactions/"))
      return await this.showPayment(deed, path, request, response);
    if (path === "/v1/status" && deed !== null) {
      return await this.changed(request, response, (status) => {
        const { number } = deed.header;
        return { ...status, openBlock: number + 1, lastCommitted: number, backlog: 0, paused: false, warnings: [] };
      });
    }
    if (this.hiddenFrom < Infinity && /^\/v1\/(deposits|accounts\/\w+\/outputs)$/.test(path)) {
      return await this.changed(request, response, (list) => ({ ...list, items: list.items.filter(this.isShown) }));
    }
    await this.forward(request, response);
  }

  private readonly isShown = ({ id, depositId }: any): boolean => {
    const deposit = depositId === undefined ? id : depositId;
    return deposit === null || deposit < this.hiddenFrom;
  };

  private async lie(deed: Deed, response: ServerResponse, from: number): Promise<void> {
    await LIES[deed.lie](response, deed.payments, from);
  }

  private async showBlock(
    deed: Deed,
    number: number,
    feed: boolean,
    url: URL,
    response: ServerResponse,
  ): Promise<void> {
    const { header } = deed;
    if (feed) {
      const from = Number(url.searchParams.get("from") ?? 0);
      if (number === header.number) return await this.lie(deed, response, from);
      response.writeHead(200, { "content-type": "application/octet-stream" }).end();
      return;
    }
    const committed = number === header.number;
    const body = {
      ...{ number, state: committed ? "committed" : "open", transactionCount: committed ? header.transactionCount : 0 },
      ...{ transactionsRoot: committed ? header.transactionsRoot : null, openedAt: null, sealedAt: null },
      ...{ timestamp: committed ? header.timestamp : null, commitTransaction: null, gasUsed: null, fee: null },
    };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  }

  /** Proofs of the evil block are right, and those of older ones are the honest operator's. */
  private async showPayment(
    deed: Deed,
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const [, , , hash, part] = path.split("/");
    const index = deed.payments.findIndex((payment) => hashOf(this.separator, payment) === hash);
    if (index === -1 || part !== "proof") return await this.forward(request, response);
    const siblings = treeOf(this.separator, deed.payments).proof(index);
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ header: deed.header, index, siblings }));
  }

  private async changed(
    request: IncomingMessage,
    response: ServerResponse,
    change: (body: any) => object,
  ): Promise<void> {
    const answer = await fetch(this.settings.operatorUrl + request.url!);
    const body: any = await answer.json();
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(JSON.stringify(answer.ok ? change(body) : body));
  }

  private async forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers: Record<string, string> = {};
    for (const name of ["accept", "content-type", "authorization", "last-event-id"]) {
      const value = request.headers[name];
      if (typeof value === "string") headers[name] = value;
    }
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const answer = await fetch(this.settings.operatorUrl + request.url!, {
      ...{ method: request.method ?? "GET", headers, signal: gone.signal },
      ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
    });
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/plain" });
    if (answer.body === null) response.end();
    else await pipeline(Readable.fromWeb(answer.body as any), response);
  }

  private async commit({ block, lie, otherRoot, everywhere }: Extract<Order, { do: "commit" }>): Promise<Done> {
    const evil = this.streamed?.evil ?? (await this.make(block));
    const number = await this.nextNumber();
    const transactionCount = evil.payments.length;
    const right = treeOf(this.separator, evil.payments).root();
    const transactionsRoot = otherRoot ? (keccak256(toUtf8Bytes("of nothing")) as Hex) : right;
    const receipt = await this.send("operator", "commitBlock", [number, transactionsRoot, transactionCount]);
    const { timestamp } = (await this.provider.getBlock(receipt.blockNumber))!;
    const header = { number, transactionsRoot, transactionCount, timestamp };
    const committedAtMs = Date.now();
    this.deed = { header, payments: evil.payments, lie, everywhere };
    const loot = otherRoot ? [] : await this.takeLoot(evil, header);
    const hashes = evil.payments.map((payment) => hashOf(this.separator, payment));
    return { number, committedAtMs, timestamp, loot, payments: hashes };
  }

  private async make(block: EvilBlockName): Promise<EvilBlock> {
    return await EVIL_BLOCKS[block](this.desk(readFeed(await this.openFeed())));
  }

  private async nextNumber(): Promise<number> {
    return Number(await this.contract["nextBlockNumber"]!());
  }

  private async openFeed(): Promise<Uint8Array> {
    const accept = "application/octet-stream";
    const answer = await fetch(`${this.settings.operatorUrl}/v1/blocks/open/transactions`, { headers: { accept } });
    return new Uint8Array(await answer.arrayBuffer());
  }

  private desk(taken: SignedTransaction[]): Desk {
    return {
      ...{ taken, separator: this.separator, token: this.settings.token },
      outputsOf: async (owner, state) => {
        const outputs = await this.client.outputs(owner, state);
        return outputs.filter(({ blockNumber, depositId }) => blockNumber !== null || depositId !== null);
      },
      held: async (token) => (await this.contract["held"]!(token)) as bigint,
    };
  }

  /** Exits of everything the block made for the thief, at once. Gives the ids of the outputs. */
  private async takeLoot({ payments, loot }: EvilBlock, header: BlockHeader): Promise<string[]> {
    const tree = treeOf(this.separator, payments);
    const bond = (await this.contract["standardExitBond"]!()) as bigint;
    const requests = loot.map(({ payment, index: outputIndex }) => {
      const index = payments.indexOf(payment);
      const transaction = { ...payment, purpose: PURPOSES[payment.purpose] };
      const output = { transaction, proof: { header, index, siblings: tree.proof(index) }, outputIndex };
      return { output, authorization: { bondOwner: `0x${"00".repeat(20)}`, deadline: 0, signature: "0x" } };
    });
    const ids: string[] = [];
    for (let at = 0; at < requests.length; at += EXITS_A_CALL) {
      const some = requests.slice(at, at + EXITS_A_CALL);
      const receipt = await this.send("mallory", "startStandardExits", [some], bond * BigInt(some.length));
      for (const log of receipt.logs) ids.push(this.contract.interface.parseLog(log)!.args["outputId"] as string);
    }
    return ids;
  }

  private async send(
    by: "operator" | "mallory",
    name: string,
    args: unknown[],
    value = 0n,
  ): Promise<TransactionReceipt> {
    const wallet = new Wallet(keyOf(by), this.provider);
    const contract: any = this.contract.connect(wallet);
    const { hash } = await contract[name](...args, { value });
    for (;;) {
      const receipt = await this.provider.getTransactionReceipt(hash);
      if (receipt !== null && receipt.status !== 1) throw new Error(`${name} reverted`);
      if (receipt !== null) return receipt;
      await setTimeout(MINED_POLL_MS);
    }
  }
}

if (import.meta.main) {
  const villain = new VillainOperator(JSON.parse(process.env["VILLAIN"]!) as VillainSettings);
  const server = createServer((request, response) => {
    villain.serve(request, response).catch(() => response.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  process.on("message", (order: Order) => {
    villain.obey(order).then(
      (done) => process.send!({ done }),
      (error: unknown) => process.send!({ done: { failed: String(error) } }),
    );
  });
  process.on("disconnect", () => process.exit());
  process.send!({ port: (server.address() as AddressInfo).port });
}
