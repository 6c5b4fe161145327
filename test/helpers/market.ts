import { Wallet, type BaseWallet } from "ethers";
import { ROLES, type Role } from "@plasma-billing/protocol/market/roles.ts";
import { TYPES } from "@plasma-billing/protocol/typedData.ts";
import { DOMAIN, type Answer } from "./memoryOperator.ts";
import { devKey, ETHER } from "./chain.ts";

export const [VALIDATOR, RIVAL, MART, OWNER, STORAGE, STRANGER] = [10, 11, 12, 13, 14, 15].map(
  (index) => new Wallet(devKey(index)),
) as [Wallet, Wallet, Wallet, Wallet, Wallet, Wallet];
export const MONEY = `0x${"70".repeat(20)}`;
export const COIN = `0x${"71".repeat(20)}`;

/** Where signed things are sent to. */
export interface Marketplace {
  post(path: string, body: unknown): Promise<Answer>;
}

const domainOf = (domain: object | undefined): object => domain ?? DOMAIN;

export async function register(
  operator: Marketplace,
  account: BaseWallet,
  role: Role,
  { by = account, validator = null, issuedAt = 1_800_000_000, domain }: RegisterOptions = {},
): Promise<Answer> {
  const message = { account: account.address, role: ROLES[role], validator: validator ?? ETHER, issuedAt };
  const types = { Registration: [...TYPES.Registration] };
  const signature = await by.signTypedData(domainOf(domain), types, message);
  return await operator.post("/v1/accounts", { account: account.address, role, validator, issuedAt, signature });
}
interface RegisterOptions {
  by?: BaseWallet;
  validator?: string | null;
  issuedAt?: number;
  domain?: object;
}

export interface OfferTerms {
  fileId: string;
  validator: string;
  owner: string;
  token: string;
  price: string;
  ownerShareBps: number;
  serviceShareBps: number;
  version: number;
}

export async function offerFile(
  operator: Marketplace,
  by: BaseWallet,
  terms: OfferTerms,
  { more = {}, domain }: { more?: object; domain?: object } = {},
): Promise<Answer> {
  const signature = await by.signTypedData(domainOf(domain), { FileOffer: [...TYPES.FileOffer] }, terms);
  return await operator.post("/v1/files", { ...terms, ...more, signature });
}

export interface QuoteTerms {
  fileId: string;
  validator: string;
  serviceNode: string;
  token: string;
  fee: string;
  sizeBytes: number;
  days: number;
  expiresAt: number;
}

export async function signQuote(by: BaseWallet, terms: QuoteTerms, domain?: object): Promise<string> {
  return await by.signTypedData(domainOf(domain), { StorageQuote: [...TYPES.StorageQuote] }, terms);
}

/** Signs a prepared transaction's typed data as wallets do, and makes it one that can be sent. */
export async function signPrepared(prepared: any, ...signers: BaseWallet[]): Promise<any> {
  const { EIP712Domain: _, ...types } = prepared.typedData.types;
  const signatures = await Promise.all(
    prepared.inputs.map(async ({ owner }: { owner: string }) => {
      const signer = signers.find(({ address }) => address === owner);
      return await signer?.signTypedData(prepared.typedData.domain, types, prepared.typedData.message);
    }),
  );
  return { ...prepared.transaction, signatures: signatures.map((signature: string | undefined) => signature ?? null) };
}
