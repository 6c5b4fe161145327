// The operator's API as the explorer reads it: docs/API.md. Amounts stay strings until they are shown.

export type Purpose = "transfer" | "upload" | "extension" | "purchase" | "swap";
export type PaymentState = "accepted" | "committed" | "finalized";
export const PURPOSES: Purpose[] = ["transfer", "upload", "extension", "purchase", "swap"];
export const PAYMENT_STATES: PaymentState[] = ["accepted", "committed", "finalized"];

export interface Output {
  id: string;
  owner: string;
  token: string;
  amount: string;
  state: string;
  blockNumber: number | null;
  transactionIndex: number | null;
  outputIndex: number;
  depositId: number | null;
}
export interface Payment {
  hash: string;
  purpose: Purpose;
  inputs: Output[];
  outputs: Output[];
  fileHash: string;
  fileId: string | null;
  signatures: string[];
  state: PaymentState;
  blockNumber: number;
  transactionIndex: number;
  acceptedAt: number;
  committedAt: number | null;
  finalizedAt: number | null;
  commitTransaction: string | null;
  parties: Party[];
}
export interface Party {
  address: string;
  role: string | null;
}
export interface OutputHistory {
  output: Output;
  created: string | null;
  spentBy: string | null;
}
export interface Found {
  kind: "transaction" | "block" | "account" | "file" | "output" | "exit";
  id: string;
}
export interface Hour {
  number: number;
  state: string;
  transactionCount: number;
  transactionsRoot: string | null;
  openedAt: number;
  sealedAt: number | null;
  timestamp: number | null;
  commitTransaction: string | null;
  gasUsed: number | null;
  fee: string | null;
}
export interface Status {
  chainId: number;
  contract: string;
  operator: string;
  openBlock: number;
  nextCommitAt: number;
  lastCommitted: number | null;
  backlog: number;
  ethereum: { head: number | null; finalized: number | null; healthy: boolean };
  paused: boolean;
  warnings: string[];
}
export interface Account {
  address: string;
  role: string | null;
  validator: string | null;
  balances: { token: string; available: string; exiting: string; pending: string }[];
  transactionCount: number;
}
export interface Registration {
  account: string;
  role: string;
  validator: string | null;
  registeredAt: number;
}
export interface FileOffer {
  fileId: string | null;
  fileHash: string;
  validator: string;
  owner: string | null;
  token: string | null;
  price: string | null;
  ownerShareBps: number | null;
  serviceShareBps: number | null;
  version: number | null;
  name: string | null;
  size: number | null;
  mimeType: string | null;
  offeredAt: number | null;
}
export interface Deposit {
  id: number;
  owner: string;
  token: string;
  amount: string;
  outputId: string;
  state: string;
  ethereumBlock: number;
  ethereumTransaction: string;
}
export interface Exit {
  number: number;
  kind: string;
  outputId: string | null;
  transactionHash: string | null;
  owner: string | null;
  token: string | null;
  amount: string | null;
  state: string;
  exitableAt: number;
  ethereumTransaction: string;
}
export interface Proof {
  header: { number: number; transactionsRoot: string; transactionCount: number; timestamp: number };
  index: number;
  siblings: string[];
}
export interface Volume {
  purpose: Purpose;
  token: string;
  count: number;
  volume: string;
}
export interface Statistics {
  payments: number;
  blocks: number;
  deposits: number;
  liveOutputs: number;
  tokens: { token: string; deposits: number; deposited: string; live: string; withdrawn: string }[];
  purposes: Volume[];
  hours: { hour: number; purposes: Volume[] }[];
}
export interface Token {
  token: string;
  symbol: string | null;
  decimals: number | null;
}
export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}
