import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import type { FollowerUpdate } from "@plasma-billing/ethereum/follower.ts";
import type { RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import type { EthereumRpc, Header } from "@plasma-billing/ethereum/rpc.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Sending } from "./planner.ts";
import type { Attempt, Sender, SettlementRecords } from "./records.ts";

/** Of one commit, to tell how long the balance lasts. */
const COMMIT_GAS = 53_000n;

export interface SituationOptions {
  rpc: EthereumRpc;
  rootChain: RootChainReader;
  chainId: bigint;
  signer: { address: Address };
  records: SettlementRecords;
  maxFeeGwei: number;
  /** An exit on Ethereum that would make a block invalid if it were committed now. */
  exitConflict: (number: number, head: Header) => Promise<Sending["exit"]>;
}

/** What the account that commits has, and needs. */
export interface Account {
  /** The Ethereum block it was read at. */
  height: number;
  balance: bigint;
  /** In wei, of one commit at the fees there. */
  commitCost: bigint;
}

export async function readAccount(
  { rpc, signer }: Pick<SituationOptions, "rpc" | "signer">,
  head: Header,
): Promise<Account> {
  const balance = await rpc.balance(signer.address, head.hash);
  return { height: head.number, balance, commitCost: COMMIT_GAS * (head.baseFeePerGas + (await rpc.tip())) };
}

/** Everything that decides how a bound block is sent, read in the state of one Ethereum block. */
export async function readSending(
  options: SituationOptions,
  number: number,
  { head, finalHeight }: Pick<FollowerUpdate, "head" | "finalHeight">,
  sent: ReadonlyMap<Hex, number>,
): Promise<Sending> {
  const { rpc, rootChain, chainId, signer, records, maxFeeGwei, exitConflict } = options;
  const sender = { chainId, address: signer.address };
  const nonces = records.nonces(number, sender);
  const nonce = nonces.at(-1);
  const attempts = nonce === undefined ? [] : records.attempts(sender, nonce);
  const last = attempts.at(-1);
  const nonceNow = await rpc.nonce(signer.address, head.hash);
  const nonceFinal = await finalNonce(rpc, records, sender, finalHeight);
  const tip = await rpc.tip();
  const { baseFeePerGas } = head;
  return {
    operator: await rootChain.operator(head.hash),
    key: signer.address,
    ...{ nonces, nonceNow, nonceFinal, nonceIsOurs: records.tookAll(sender, nonceFinal, nonceNow) },
    usedBy: nonce !== undefined && nonceNow > nonce ? await user(rpc, sender, attempts, nonce, head) : null,
    ...{ ethereumBlock: head.number, baseFeePerGas, tip, maxFeePerGas: BigInt(maxFeeGwei) * 10n ** 9n },
    ...{ attempts, sentAt: last === undefined ? null : (sent.get(last.hash) ?? null) },
    balance: await rpc.balance(signer.address, head.hash),
    exit: await exitConflict(number, head),
  };
}

/** The nonce in the final state; nodes that keep few states may not have it, then as far as our own commits tell. */
async function finalNonce(
  rpc: EthereumRpc,
  records: SettlementRecords,
  sender: Sender,
  finalHeight: number,
): Promise<number> {
  try {
    return await rpc.nonce(sender.address, finalHeight);
  } catch (error) {
    if (!(error instanceof EthereumError) || error.code !== "RPC_ERROR") throw error;
    return records.finalNonce(sender);
  }
}

/** What used a nonce: one of its attempts, or the transaction found by bisecting the nonce over blocks; in words. */
async function user(
  rpc: EthereumRpc,
  { address }: Sender,
  attempts: readonly Attempt[],
  nonce: number,
  head: Header,
): Promise<string | null> {
  try {
    for (const { hash } of attempts) {
      const receipt = await rpc.receipt(hash);
      if (receipt !== null)
        return `its own commit ${hash}, which ${receipt.succeeded ? "succeeded" : "failed"} in block ${receipt.blockNumber}`;
    }
    let [before, at] = [Math.max(0, (attempts[0]?.ethereumBlock ?? head.number) - 1), head.number];
    while (at - before > 1) {
      const middle = Math.floor((before + at) / 2);
      if ((await rpc.nonce(address, middle)) > nonce) at = middle;
      else before = middle;
    }
    const block = await rpc.block(at);
    const transactions = block === null ? [] : await rpc.transactions(block.hash);
    const found = transactions.find((transaction) => transaction.from === address && transaction.nonce === nonce);
    return found === undefined ? null : `the foreign transaction ${found.hash}`;
  } catch (error) {
    // Nodes forget old states; what used the nonce is only told, not needed.
    if (error instanceof EthereumError && error.code === "RPC_ERROR") return null;
    throw error;
  }
}
