import type { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import type { RootChainReader } from "@plasma-billing/ethereum/rootChain.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { planSending, planStanding, type Action, type Plan } from "./planner.ts";
import type { SettlementRecords } from "./records.ts";
import { readAccount, readSending } from "./situation.ts";

export interface StatusOptions {
  rpc: EthereumRpc;
  rootChain: RootChainReader;
  chainId: bigint;
  address: Address;
  records: SettlementRecords;
  maxFeeGwei: number;
}

/** How the next commit stands by the records and the contract, and what would be done about it, in lines for a person. */
export async function settlementStatus(options: StatusOptions): Promise<string[]> {
  const { rpc, rootChain, records, address, chainId } = options;
  const { head, finalized } = await rpc.look();
  const number = await rootChain.nextBlockNumber(head.hash);
  const { balance, commitCost } = await readAccount({ rpc, signer: { address } }, head);
  const sender = { chainId, address };
  const lines = [
    `Ethereum     block ${head.number}, final ${finalized}, base fee ${head.baseFeePerGas} wei`,
    ...rpc.health.map(({ host, problem }) => `node         ${host}: ${problem ?? "asked"}`),
    `account      ${address}: ${balance} wei, a commit costs about ${commitCost}`,
    `contract     ${rootChain.address} expects block ${number}`,
    `records      blocks up to ${records.highest} are bound`,
  ];
  for (const nonce of records.nonces(number, sender)) {
    lines.push(`nonce        ${nonce} for block ${number}`);
    for (const { index, hash, maxFeePerGas, ethereumBlock } of records.attempts(sender, nonce)) {
      const receipt = await rpc.receipt(hash);
      const where = receipt === null ? "not in a block" : `in block ${receipt.blockNumber}`;
      lines.push(`attempt ${index}    ${hash}, at most ${maxFeePerGas} wei, signed at ${ethereumBlock}: ${where}`);
    }
  }
  const { action, alarm } = await plan(options, number, { head, finalHeight: finalized });
  lines.push(`next         ${describe(action, number, records.highest)}`);
  if (alarm !== null) lines.push(`${alarm.code}: ${alarm.text}`);
  return lines;
}

async function plan(options: StatusOptions, number: number, at: Parameters<typeof readSending>[2]): Promise<Plan> {
  const { records, address } = options;
  const { highest } = records;
  const standing = planStanding({
    // The journal is not read: what is bound was sealed, and on the disk.
    ...{ number, sealed: highest, durable: highest, highestBound: highest, bound: records.block(number) !== null },
    ...{ previousIsOurs: true, conflict: null },
  });
  if (standing !== null) return standing;
  const reading = { ...options, signer: { address }, exitConflict: async () => await Promise.resolve(null) };
  return planSending(await readSending(reading, number, at, new Map()));
}

function describe(action: Action, number: number, highest: number): string {
  switch (action.do) {
    case "wait":
      return number > highest ? `wait: nothing is bound for block ${number} yet` : `wait with block ${number}`;
    case "bind":
      return `bind block ${number}`;
    case "takeNonce":
      return `take nonce ${action.nonce} for block ${number}`;
    case "sign":
      return `sign attempt ${action.index} for block ${number}, at most ${action.fees.maxFeePerGas} wei for gas`;
    case "send":
      return `send attempt ${action.attempt.index} of block ${number} again, ${action.attempt.hash}`;
    case "halt":
      return `halt: ${action.reason}`;
  }
}
