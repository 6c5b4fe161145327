import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { keccak256 } from "@plasma-billing/protocol/keccak.ts";
import { MerkleTree } from "@plasma-billing/protocol/merkle.ts";
import { decodePayment, encodePayment, hashPayment } from "@plasma-billing/protocol/paymentBytes.ts";
import {
  depositHash,
  ETHER,
  outputId,
  ZERO_HASH,
  type Deposit,
  type Output,
  type OutputId,
  type SignedTransaction,
} from "@plasma-billing/protocol/transaction.ts";
import { domainSeparator, type Address } from "@plasma-billing/protocol/typedData.ts";
import secp256k1 from "secp256k1";
import type { CommittedBlock } from "../../watcher/chain/types.ts";
import { DOMAIN } from "./protocol.ts";

const SEPARATOR = domainSeparator(DOMAIN);
const START_SECONDS = 1_800_000_000;

export interface Owner {
  key: Uint8Array;
  address: Address;
}

/** A payment with its bytes, as it would be served. */
export interface Served {
  hash: Hex;
  bytes: Uint8Array;
  transaction: SignedTransaction;
  id(index: number): OutputId;
}

export function ownerOf(number: number): Owner {
  const key = keccak256(Buffer.from(`owner ${number}`));
  return { key, address: toHex(keccak256(secp256k1.publicKeyCreate(key, false).subarray(1)).subarray(12)) };
}

export function sign(
  inputs: OutputId[],
  outputs: Output[],
  owners: Owner[],
  more: Partial<SignedTransaction> = {},
): Served {
  const unsigned = { purpose: "transfer" as const, inputs, outputs, fileHash: ZERO_HASH, signatures: [], ...more };
  const hash = hashPayment(SEPARATOR, encodePayment(unsigned));
  const signatures = more.signatures ?? owners.map(({ key }) => signature(hash, key));
  const transaction = { ...unsigned, signatures };
  return served(encodePayment(transaction));
}

/** Bytes as they are, whatever they break. */
export function served(bytes: Uint8Array): Served {
  const hash = toHex(hashPayment(SEPARATOR, bytes));
  let transaction: SignedTransaction;
  try {
    transaction = decodePayment(bytes);
  } catch {
    transaction = { purpose: "transfer", inputs: [], outputs: [], fileHash: ZERO_HASH, signatures: [] };
  }
  return { hash, bytes, transaction, id: (index) => outputId(hash, index) };
}

function signature(hash: Uint8Array, key: Uint8Array): Hex {
  const { signature: rs, recid } = secp256k1.ecdsaSign(hash, key);
  return `${toHex(rs)}${(27 + recid).toString(16)}`;
}

export function ether(owner: Owner, amount: bigint): Output {
  return { owner: owner.address, token: ETHER, amount };
}

export function frame(payments: readonly { bytes: Uint8Array }[]): Buffer {
  return Buffer.concat(payments.flatMap(({ bytes }) => [Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]));
}

export function rootOf(payments: readonly { hash: Hex }[]): Hex {
  const tree = new MerkleTree();
  for (const { hash } of payments) tree.append(hash);
  return tree.root();
}

/** Answers instead of the honest server; false: the honest answer. */
export type Lie = (number: number, from: number, response: ServerResponse) => boolean;

/** A child chain as somebody serves it over HTTP; what Ethereum has is told beside it, and need not be the same. */
export class ServedChain {
  /** By number, from 1 on; the last one is open. */
  readonly blocks: Served[][] = [[], []];
  readonly deposits = new Map<OutputId, Deposit>();
  committed: CommittedBlock[] = [];
  lie: Lie = () => false;
  /** "number from", as they came. */
  readonly requests: string[] = [];
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
    server.on("request", (request: IncomingMessage, response: ServerResponse) => this.answer(request, response));
  }

  static async start(): Promise<ServedChain> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new ServedChain(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get open(): Served[] {
    return this.blocks.at(-1)!;
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, "close").catch(() => undefined);
  }

  deposit(owner: Owner, amount: bigint, token: Address = ETHER): OutputId {
    const deposit = { id: BigInt(this.deposits.size + 1), owner: owner.address, token, amount };
    const id = outputId(depositHash(SEPARATOR, deposit), 0);
    this.deposits.set(id, deposit);
    return id;
  }

  /** Into the open block. */
  pay(inputs: OutputId[], outputs: Output[], owners: Owner[]): Served {
    const payment = sign(inputs, outputs, owners);
    this.open.push(payment);
    return payment;
  }

  seal(): number {
    this.blocks.push([]);
    return this.blocks.length - 2;
  }

  /** Ethereum gets the next block, as it is here or with something else. */
  commit(more: Partial<CommittedBlock> = {}): CommittedBlock {
    const number = this.committed.length + 1;
    const payments = this.blocks[number]!;
    const block = {
      ...{ number, transactionsRoot: more.transactionsRoot ?? rootOf(payments), transactionCount: payments.length },
      ...{ timestamp: START_SECONDS + 3600 * number, ...more },
    };
    this.committed.push(block);
    return block;
  }

  sealAndCommit(): CommittedBlock {
    this.seal();
    return this.commit();
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const match = /^\/v1\/blocks\/([0-9]+)\/transactions\?from=([0-9]+)$/.exec(request.url ?? "");
    if (match === null || request.headers.accept !== "application/octet-stream") {
      response.writeHead(400).end();
      return;
    }
    const [number, from] = [Number(match[1]), Number(match[2])];
    this.requests.push(`${number} ${from}`);
    if (this.lie(number, from, response)) return;
    const payments = number < 1 ? undefined : this.blocks[number];
    if (payments === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-type": "application/octet-stream" }).end(frame(payments.slice(from)));
  }
}
