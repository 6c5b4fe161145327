// The wallet of the Plasma Billing child chain, for Node and browsers.
export {
  authorizable,
  authorizer,
  signAuthorization,
  type AuthorizedOutput,
  type SignedAuthorization,
} from "./authorizations.ts";
export { Book, depositNote, isComplete, paymentNote, type KnownPayment, type Note, type OwnOutput } from "./book.ts";
export {
  checkDeposit,
  checkOutput,
  checkPayment,
  checkPrepared,
  checkProof,
  signerOf,
  typedDataOf,
  type Intent,
  type PreparedTransaction,
} from "./checks.ts";
export { chooseCoins, type Choice, type Coin } from "./coins.ts";
export type { Deposited, DepositRequest } from "./deposits.ts";
export { LyingOperatorError, OperatorError, WalletError, WatcherError, type WalletCode } from "./errors.ts";
export type { ExitProgress } from "./exitHistory.ts";
export { cannotFly, followExit, processExits, type StartedExit } from "./exits.ts";
export { GUARD_DAYS, Guarding, type Guarded, type GuardOptions } from "./guarding.ts";
export { decodeKit, encodeKit, kitOf, type ExitKit } from "./kit.ts";
export { finishLeaving, leave, leaving, type LeaveOptions, type Leaving } from "./leave.ts";
export type {
  Market,
  Offer,
  OfferDescription,
  OfferTerms,
  Quote,
  StorageRequest,
  SwapProposal,
  SwapTerms,
} from "./market.ts";
export {
  OperatorClient,
  type Account,
  type Balance,
  type BatchResult,
  type ChainStatus,
  type ClientOptions,
  type Proof,
  type Receipt,
  type ShownBlock,
  type ShownDeposit,
  type ShownExit,
  type ShownOutput,
  type ShownPayment,
} from "./operatorClient.ts";
export { RootChain, type ExitTerms } from "./rootChain.ts";
export { memoryStore, type TextStore, type WalletStore } from "./store.ts";
export { Wallet } from "./wallet.ts";
export type { Paid, PayRequest, WalletOptions } from "./walletOptions.ts";
