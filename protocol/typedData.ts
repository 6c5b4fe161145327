import { fromHex, toHex, type Hex } from "./hex.ts";
import { keccak256 } from "./keccak.ts";
import { hashText, Words } from "./words.ts";

/** Twenty bytes as lower-case hex; checksums belong to what people read. */
export type Address = Hex & { readonly brand?: "Address" };

/** Where signatures count: one contract on one chain. */
export interface Domain {
  chainId: bigint;
  verifyingContract: Address;
}

export const DOMAIN_NAME = "Plasma Billing";
export const DOMAIN_VERSION = "1";

/** The EIP-712 types, in the form wallets and libraries take them. */
export const TYPES = {
  Transaction: [
    { name: "purpose", type: "uint8" },
    { name: "inputs", type: "bytes32[]" },
    { name: "outputs", type: "Output[]" },
    { name: "fileHash", type: "bytes32" },
  ],
  Output: [
    { name: "owner", type: "address" },
    { name: "token", type: "address" },
    { name: "amount", type: "uint256" },
  ],
  Deposit: [
    { name: "id", type: "uint64" },
    { name: "owner", type: "address" },
    { name: "token", type: "address" },
    { name: "amount", type: "uint256" },
  ],
  ExitAuthorization: [
    { name: "owner", type: "address" },
    { name: "outputId", type: "bytes32" },
    { name: "blockNumber", type: "uint64" },
    { name: "bondOwner", type: "address" },
    { name: "deadline", type: "uint64" },
  ],
  Registration: [
    { name: "account", type: "address" },
    { name: "role", type: "uint8" },
    { name: "validator", type: "address" },
    { name: "issuedAt", type: "uint64" },
  ],
  FileOffer: [
    { name: "fileId", type: "string" },
    { name: "validator", type: "address" },
    { name: "owner", type: "address" },
    { name: "token", type: "address" },
    { name: "price", type: "uint256" },
    { name: "ownerShareBps", type: "uint16" },
    { name: "serviceShareBps", type: "uint16" },
    { name: "version", type: "uint64" },
  ],
  StorageQuote: [
    { name: "fileId", type: "string" },
    { name: "validator", type: "address" },
    { name: "serviceNode", type: "address" },
    { name: "token", type: "address" },
    { name: "fee", type: "uint256" },
    { name: "sizeBytes", type: "uint64" },
    { name: "days", type: "uint32" },
    { name: "expiresAt", type: "uint64" },
  ],
} as const;

/** `Name(type name,…)` of one of the types, without those it refers to. */
export function encodeType(name: keyof typeof TYPES): string {
  return `${name}(${TYPES[name].map((field) => `${field.type} ${field.name}`).join(",")})`;
}

const DOMAIN_TYPEHASH = hashText("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
const EXIT_AUTHORIZATION_TYPEHASH = hashText(encodeType("ExitAuthorization"));
const REGISTRATION_TYPEHASH = hashText(encodeType("Registration"));
const FILE_OFFER_TYPEHASH = hashText(encodeType("FileOffer"));
const STORAGE_QUOTE_TYPEHASH = hashText(encodeType("StorageQuote"));

/** EIP-712 `hashStruct(eip712Domain)`. */
export function domainSeparator(domain: Domain): Hex {
  return toHex(
    new Words(5)
      .word(DOMAIN_TYPEHASH)
      .word(hashText(DOMAIN_NAME))
      .word(hashText(DOMAIN_VERSION))
      .uint(domain.chainId)
      .address(domain.verifyingContract)
      .hash(),
  );
}

/** EIP-712 digest: keccak256(0x1901 ‖ domain separator ‖ struct hash). */
export function typedDataDigest(separator: Hex, structHash: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(66);
  bytes[0] = 0x19;
  bytes[1] = 0x01;
  bytes.set(fromHex(separator), 2);
  bytes.set(structHash, 34);
  return keccak256(bytes);
}

export interface ExitAuthorization {
  owner: Address;
  outputId: Hex;
  blockNumber: bigint;
  bondOwner: Address;
  /** Unix seconds. */
  deadline: bigint;
}

export function exitAuthorizationDigest(separator: Hex, value: ExitAuthorization): Hex {
  const words = new Words(6)
    .word(EXIT_AUTHORIZATION_TYPEHASH)
    .address(value.owner)
    .hex(value.outputId)
    .uint(value.blockNumber)
    .address(value.bondOwner)
    .uint(value.deadline);
  return toHex(typedDataDigest(separator, words.hash()));
}

export interface Registration {
  account: Address;
  role: number;
  validator: Address;
  /** Unix seconds. */
  issuedAt: bigint;
}

export function registrationDigest(separator: Hex, value: Registration): Hex {
  const words = new Words(5)
    .word(REGISTRATION_TYPEHASH)
    .address(value.account)
    .uint(value.role)
    .address(value.validator)
    .uint(value.issuedAt);
  return toHex(typedDataDigest(separator, words.hash()));
}

export interface FileOffer {
  fileId: string;
  validator: Address;
  owner: Address;
  token: Address;
  price: bigint;
  ownerShareBps: number;
  serviceShareBps: number;
  version: bigint;
}

export function fileOfferDigest(separator: Hex, value: FileOffer): Hex {
  const words = new Words(9)
    .word(FILE_OFFER_TYPEHASH)
    .word(hashText(value.fileId))
    .address(value.validator)
    .address(value.owner)
    .address(value.token)
    .uint(value.price)
    .uint(value.ownerShareBps)
    .uint(value.serviceShareBps)
    .uint(value.version);
  return toHex(typedDataDigest(separator, words.hash()));
}

export interface StorageQuote {
  fileId: string;
  validator: Address;
  serviceNode: Address;
  token: Address;
  fee: bigint;
  sizeBytes: bigint;
  days: number;
  /** Unix seconds. */
  expiresAt: bigint;
}

export function storageQuoteDigest(separator: Hex, value: StorageQuote): Hex {
  const words = new Words(9)
    .word(STORAGE_QUOTE_TYPEHASH)
    .word(hashText(value.fileId))
    .address(value.validator)
    .address(value.serviceNode)
    .address(value.token)
    .uint(value.fee)
    .uint(value.sizeBytes)
    .uint(value.days)
    .uint(value.expiresAt);
  return toHex(typedDataDigest(separator, words.hash()));
}
