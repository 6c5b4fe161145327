import { ROLES, type Role } from "@plasma-billing/protocol/market/roles.ts";
import { duesOf } from "@plasma-billing/protocol/market/shares.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import {
  ETHER,
  fileHashOf,
  transactionHash,
  ZERO_HASH,
  type Output,
  type Transaction,
  type TransactionHash,
} from "@plasma-billing/protocol/transaction.ts";
import { decodeTransaction, encodeTransaction } from "@plasma-billing/protocol/transactionJson.ts";
import { TYPES, type Address } from "@plasma-billing/protocol/typedData.ts";
import { verifyTypedData } from "ethers";
import { NO_SIGNATURE } from "./book.ts";
import { signerOf, typedDataOf } from "./checks.ts";
import { chooseCoins } from "./coins.ts";
import { LyingOperatorError, WalletError } from "./errors.ts";
import { address, units, type Json, type ShownOutput } from "./operatorClient.ts";
import type { Wallet } from "./wallet.ts";
import type { Paid } from "./walletOptions.ts";

/** How long the other side of a swap has. */
const SWAP_SECONDS = 3_600;

export interface OfferTerms {
  fileId: string;
  owner: Address;
  token: Address;
  price: bigint;
  ownerShareBps: number;
  serviceShareBps: number;
  version: number;
}
export interface OfferDescription {
  name?: string;
  /** Bytes. */
  size?: number;
  extension?: string;
  mimeType?: string;
  metadata?: Record<string, unknown>;
}
export interface Offer extends OfferTerms {
  validator: Address;
}
export interface Quote {
  fileId: string;
  validator: Address;
  serviceNode: Address;
  token: Address;
  fee: bigint;
  sizeBytes: number;
  days: number;
  /** Unix seconds. */
  expiresAt: number;
  signature: Hex;
}
export interface StorageRequest {
  fileId: string;
  sizeBytes: number;
  days: number;
  token: Address;
  /** Refuses a dearer quote. */
  maxFee?: bigint;
}
export interface SwapTerms {
  storage: Address;
  gives: { token: Address; amount: bigint };
  takes: { token: Address; amount: bigint };
}
/** A swap that one side signed. */
export interface SwapProposal {
  hash: TransactionHash;
  transaction: Transaction;
  signatures: (Hex | null)[];
  /** Unix seconds. */
  expiresAt: number;
}

/**
 * The marketplace for a wallet: what it is offered and quoted is checked by signature, and what it pays is made here, from
 * what was signed, never from what the operator made ready.
 */
export class Market {
  private readonly wallet: Wallet;
  private known: Address | null;

  constructor(wallet: Wallet, serviceNode: Address | null) {
    this.wallet = wallet;
    this.known = serviceNode;
  }

  /** Registers this account; an owner names its validator. */
  async register(role: Exclude<Role, "serviceNode">, validator: Address | null = null): Promise<void> {
    await this.sendRegistration(this.wallet.address, role, validator);
  }

  /** A validator registers an owner, who may replace that by a registration of its own. */
  async registerOwner(owner: Address): Promise<void> {
    await this.sendRegistration(owner, "owner", this.wallet.address);
  }

  /** A quote of the service node for keeping a file. @throws LyingOperatorError for one that it did not sign, or for something else */
  async quote({ fileId, sizeBytes, days, token }: StorageRequest): Promise<Quote> {
    const body = await this.post("/v1/quotes", { fileId, validator: this.wallet.address, token, sizeBytes, days });
    const quote: Quote = {
      ...{ fileId: String(body["fileId"]), validator: address(body["validator"]), token: address(body["token"]) },
      ...{ serviceNode: address(body["serviceNode"]), fee: units(body["fee"]), sizeBytes: Number(body["sizeBytes"]) },
      ...{ days: Number(body["days"]), expiresAt: Number(body["expiresAt"]), signature: body["signature"] as Hex },
    };
    const asked = { fileId, sizeBytes, days, token: token.toLowerCase(), validator: this.wallet.address };
    const got = {
      fileId: quote.fileId,
      sizeBytes: quote.sizeBytes,
      days: quote.days,
      token: quote.token,
      validator: quote.validator,
    };
    if (JSON.stringify(asked) !== JSON.stringify(got))
      throw new LyingOperatorError("a quote is for something else", got, asked);
    const serviceNode = await this.serviceNode();
    const signer = this.signerOf("StorageQuote", quote, quote.signature);
    if (quote.serviceNode !== serviceNode || signer !== serviceNode) {
      throw new LyingOperatorError(
        "a quote is not the service node's",
        quote.serviceNode,
        `${signer ?? "nobody"} signed`,
      );
    }
    return quote;
  }

  async upload(request: StorageRequest): Promise<Paid & { quote: Quote }> {
    return await this.payStorage("upload", request);
  }

  async extendStorage(request: StorageRequest): Promise<Paid & { quote: Quote }> {
    return await this.payStorage("extension", request);
  }

  /** Offers an own uploaded file for sale; of two versions the higher counts. */
  async offer(terms: OfferTerms, description: OfferDescription = {}): Promise<void> {
    const message = { ...terms, validator: this.wallet.address };
    const signature = await this.sign("FileOffer", message);
    await this.post("/v1/files", { ...message, price: terms.price.toString(), ...description, signature });
  }

  /** What a file costs, as its validator signed it. @throws LyingOperatorError */
  async offerOf(fileId: string): Promise<Offer> {
    const body = await this.wallet.operator.request("GET", `/v1/files/${encodeURIComponent(fileId)}`);
    if (body["price"] === null) throw new WalletError("NOT_READY", "the file is not for sale", { fileId });
    const offer: Offer = {
      ...{ fileId: String(body["fileId"]), validator: address(body["validator"]), owner: address(body["owner"]) },
      ...{ token: address(body["token"]), price: units(body["price"]), version: Number(body["version"]) },
      ownerShareBps: Number(body["ownerShareBps"]),
      serviceShareBps: Number(body["serviceShareBps"]),
    };
    const signer = this.signerOf("FileOffer", offer, body["signature"] as Hex);
    if (offer.fileId !== fileId || signer !== offer.validator) {
      throw new LyingOperatorError("an offer is not its validator's", offer, `${signer ?? "nobody"} signed it`);
    }
    return offer;
  }

  /** Buys a file at its offer's price. @throws WalletError NOT_READY when it costs more than `maxPrice` */
  async purchase(request: {
    fileId: string;
    maxPrice?: bigint;
    validator?: Address;
  }): Promise<Paid & { offer: Offer }> {
    const { fileId, maxPrice, validator } = request;
    const offer = await this.offerOf(fileId);
    if (validator !== undefined && validator.toLowerCase() !== offer.validator) {
      throw new LyingOperatorError("the file is another validator's", offer.validator, `${validator} was asked for`);
    }
    if (maxPrice !== undefined && offer.price > maxPrice) {
      const context = { price: offer.price.toString(), maxPrice: maxPrice.toString() };
      throw new WalletError("NOT_READY", `the file costs ${offer.price}, more than ${maxPrice}`, context);
    }
    const { token } = offer;
    const dues = duesOf(offer, offer.serviceShareBps > 0 ? await this.serviceNode() : null);
    const outputs = [...dues].map(([owner, amount]) => ({ owner, token, amount }));
    const paid = await this.wallet.pay({ purpose: "purchase", fileHash: fileHashOf(fileId), outputs });
    return { ...paid, offer };
  }

  /**
   * The service node's half of a swap: chooses committed outputs of both sides, signs its own and leaves it for the other.
   * It is bound by it until it expires. @throws WalletError INSUFFICIENT_FUNDS, NOT_PROVEN
   */
  async swap({ storage: other, gives, takes }: SwapTerms): Promise<SwapProposal> {
    const { wallet } = this;
    const storage = other.toLowerCase() as Address;
    const own = await this.committedOutputs(wallet.address, gives);
    const others = await this.committedOutputs(storage, takes);
    const inputs = [...own, ...others];
    const outputs: Output[] = [
      { owner: storage, token: lower(gives.token), amount: gives.amount },
      { owner: wallet.address, token: lower(takes.token), amount: takes.amount },
    ];
    const change = (owner: Address, spent: ShownOutput[], { token, amount }: SwapTerms["gives"]): void => {
      const rest = spent.reduce((sum, output) => sum + output.amount, 0n) - amount;
      if (rest > 0n) outputs.push({ owner, token: lower(token), amount: rest });
    };
    change(wallet.address, own, gives);
    change(storage, others, takes);
    const transaction: Transaction = {
      purpose: "swap",
      inputs: inputs.map(({ id }) => id),
      outputs,
      fileHash: ZERO_HASH,
    };
    const signatures = await wallet.signShared(transaction, inputs);
    const expiresAt = Math.floor(Date.now() / 1000) + SWAP_SECONDS;
    const hash = transactionHash(wallet.rootChain.separator, transaction);
    const json = { ...encodeTransaction({ ...transaction, signatures: [] }), signatures };
    await this.post("/v1/swaps", { transaction: json, expiresAt });
    return { hash, transaction, signatures, expiresAt };
  }

  /** Swaps that wait for this account's signature. */
  async waitingSwaps(): Promise<SwapProposal[]> {
    const found: SwapProposal[] = [];
    for await (const item of this.wallet.operator.items(`/v1/swaps?address=${this.wallet.address}`)) {
      const { signatures, ...rest } = item["transaction"] as Json & { signatures: (Hex | null)[] };
      const { signatures: _, ...transaction } = decodeTransaction({ ...rest, signatures: [] });
      const hash = transactionHash(this.wallet.rootChain.separator, transaction);
      if (hash !== item["hash"]) throw new LyingOperatorError("a swap has another hash", item["hash"], hash);
      found.push({ hash, transaction, signatures, expiresAt: Number(item["expiresAt"]) });
    }
    return found;
  }

  /**
   * Signs the missing side of a swap and sends it, if it gives and takes exactly what was meant.
   * @throws WalletError NOT_READY for other terms, NOT_PROVEN; LyingOperatorError
   */
  async acceptSwap(
    proposal: SwapProposal,
    terms: { gives: SwapTerms["gives"]; takes: SwapTerms["takes"] },
  ): Promise<Paid> {
    const { wallet } = this;
    const { transaction, signatures, hash } = proposal;
    const inputs = await this.shownInputs(transaction, signatures, hash);
    // Every token it moves: what of others it would take away stands in no terms.
    for (const token of new Set([...inputs, ...transaction.outputs].map((one) => one.token))) {
      const spent = sumOf(
        inputs.filter((one) => one.owner === wallet.address),
        token,
      );
      const got = sumOf(
        transaction.outputs.filter((one) => one.owner === wallet.address),
        token,
      );
      let meant = 0n;
      if (token === lower(terms.gives.token)) meant -= terms.gives.amount;
      if (token === lower(terms.takes.token)) meant += terms.takes.amount;
      if (got - spent !== meant) {
        const context = { token, meant: meant.toString(), proposed: (got - spent).toString() };
        throw new WalletError("NOT_READY", "the swap has other terms", context);
      }
    }
    const own = await wallet.signShared(transaction, inputs);
    const all = own.map((one, i) => one ?? signatures[i] ?? NO_SIGNATURE);
    return await wallet.submit({ ...transaction, signatures: all });
  }

  /** The service node that was given when the wallet was opened, else the one the operator names. */
  async serviceNode(): Promise<Address> {
    if (this.known !== null) return this.known;
    for await (const item of this.wallet.operator.items("/v1/accounts?role=serviceNode")) {
      this.known = address(item["account"]);
      return this.known;
    }
    throw new WalletError("NOT_READY", "this operator has no service node");
  }

  private async payStorage(purpose: "upload" | "extension", request: StorageRequest): Promise<Paid & { quote: Quote }> {
    const quote = await this.quote(request);
    const { fee, token, serviceNode: owner } = quote;
    if (request.maxFee !== undefined && fee > request.maxFee) {
      const context = { fee: fee.toString(), maxFee: request.maxFee.toString() };
      throw new WalletError("NOT_READY", `storage costs ${fee}, more than ${request.maxFee}`, context);
    }
    const outputs = [{ owner, token, amount: fee }];
    const paid = await this.wallet.pay({ purpose, fileHash: fileHashOf(request.fileId), outputs });
    return { ...paid, quote };
  }

  private async sendRegistration(account: Address, role: Role, validator: Address | null): Promise<void> {
    const issuedAt = Math.floor(Date.now() / 1000);
    const message = { account, role: ROLES[role], validator: validator ?? ETHER, issuedAt };
    const signature = await this.sign("Registration", message);
    await this.post("/v1/accounts", { account, role, validator, issuedAt, signature });
  }

  /** Outputs of an account that suffice, whose hours are committed: what a swap spends must be provable by both. */
  private async committedOutputs(owner: Address, { token, amount }: SwapTerms["gives"]): Promise<ShownOutput[]> {
    const { wallet } = this;
    const { openBlock } = await wallet.operator.status();
    const own = owner === wallet.address ? new Set(wallet.book.free().map(({ id }) => id)) : null;
    const coins = (await wallet.operator.outputs(owner, "available"))
      .filter((output) => output.token === lower(token) && (own === null || own.has(output.id)))
      .filter(({ blockNumber }) => blockNumber === null || blockNumber < openBlock)
      .map((output) => ({ ...output, committed: true }));
    const choice = chooseCoins(coins, amount);
    // Half of the inputs for each side.
    if (choice.kind === "inputs" && choice.inputs.length <= 8) return choice.inputs;
    const context = { owner, token, amount: amount.toString(), committed: sumOf(coins, lower(token)).toString() };
    throw new WalletError(
      "INSUFFICIENT_FUNDS",
      `${owner} has not so much of ${token} in few committed outputs`,
      context,
    );
  }

  /** The outputs that a swap spends; those that are signed for are their signers'. */
  private async shownInputs(transaction: Transaction, signatures: (Hex | null)[], hash: Hex): Promise<ShownOutput[]> {
    const owners = new Set([this.wallet.address]);
    for (const signature of signatures) {
      const signer = signature === null ? null : signerOf(hash, signature);
      if (signer !== null) owners.add(signer);
    }
    const shown = new Map<string, ShownOutput>();
    for (const owner of owners) {
      for (const output of await this.wallet.operator.outputs(owner, "available")) shown.set(output.id, output);
    }
    return transaction.inputs.map((id) => {
      const output = shown.get(id);
      if (output === undefined)
        throw new WalletError("NOT_READY", "an input of the swap is not available any more", { id });
      return output;
    });
  }

  private async post(path: string, body: object): Promise<Json> {
    return await this.wallet.operator.request("POST", path, body);
  }

  private async sign(type: keyof typeof TYPES, message: object): Promise<Hex> {
    const [domain] = typedDataOf(this.wallet.rootChain.domain, EMPTY);
    return (await this.wallet.signer.signTypedData(domain, { [type]: [...TYPES[type]] }, message)) as Hex;
  }

  private signerOf(type: keyof typeof TYPES, message: object, signature: Hex): Address | null {
    const [domain] = typedDataOf(this.wallet.rootChain.domain, EMPTY);
    try {
      return lower(verifyTypedData(domain, { [type]: [...TYPES[type]] }, message, signature) as Address);
    } catch {
      return null;
    }
  }
}

const EMPTY: Transaction = { purpose: "transfer", inputs: [], outputs: [], fileHash: ZERO_HASH };

function lower(text: Address): Address {
  return text.toLowerCase() as Address;
}

function sumOf(outputs: readonly Output[], token: Address): bigint {
  return outputs.reduce((all, output) => (output.token === token ? all + output.amount : all), 0n);
}
