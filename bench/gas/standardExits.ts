import { ETHER } from "../../test/helpers/chain.ts";
import {
  EXIT_PERIOD_SECONDS,
  QUEUED,
  SAMPLES,
  randomAmount,
  shuffle,
  type Payment,
  type Stage,
  type StandardExit,
} from "./stage.ts";

/** While about 75 stand in the queue. */
const MEASURED_BATCHES = 4;
const BLOCKS = 5;

/** Deposits, standard exits, their challenges and processing, while `QUEUED` exits stand in the queues. */
export async function measureStandardExits(stage: Stage): Promise<void> {
  const { chain } = stage;
  // Payments from blocks of different ages: their exits' keys fall into the queue at different places.
  const ether: Payment[] = [];
  const tokens: Payment[] = [];
  const several = (count: number, token: string): Payment[] =>
    Array.from({ length: count }, () => stage.payment(token));
  for (let block = 0; block < BLOCKS; block++) {
    ether.push(...(await stage.commit(several(Math.ceil((QUEUED + SAMPLES) / BLOCKS), ETHER))));
    tokens.push(...(await stage.commit(several(QUEUED / BLOCKS, chain.tokenAddress))));
    await chain.passTime(4 * 86_400);
  }
  shuffle(ether);
  const queue: StandardExit[] = [];
  for (const payment of ether.splice(0, QUEUED)) queue.push(await stage.startStandardExit(payment));
  const tokenQueue: StandardExit[] = [];
  for (const payment of tokens) tokenQueue.push(await stage.startStandardExit(payment));

  const samples: StandardExit[] = [];
  for (const payment of ether.splice(0, SAMPLES))
    samples.push(await stage.startStandardExit(payment, "startStandardExit"));
  for (const { exit, id, owner } of samples) {
    const spend = stage.payment(ETHER, [id]);
    const signature = stage.sign(owner, spend);
    const call = stage.as(stage.owner(5)).challengeStandardExit(exit, spend.transaction, 0, signature);
    await stage.mined(call, "challengeStandardExit");
  }
  for (let i = 0; i < SAMPLES; i++) queue.push(await startDepositExit(stage, i));

  await chain.passTime(3 * EXIT_PERIOD_SECONDS);
  await stage.process(ETHER, queue, "ExitFinalized", "processExitEther", MEASURED_BATCHES);
  await stage.process(chain.tokenAddress, tokenQueue, "ExitFinalized", "processExitErc20", MEASURED_BATCHES);
}

async function startDepositExit(stage: Stage, i: number): Promise<StandardExit> {
  const { rootChain, tokenAddress } = stage.chain;
  const owner = stage.owner(i);
  const id = await rootChain["nextDepositId"]!();
  const deposit = { id, owner: owner.address, token: ETHER, amount: randomAmount() };
  await stage.mined(rootChain["depositEther"]!(owner.address, { value: deposit.amount }), "depositEther");
  await stage.mined(rootChain["deposit"]!(tokenAddress, randomAmount(), owner.address), "depositErc20");
  const call = stage.as(owner).startDepositExit(deposit, { value: stage.bonds.standardExit });
  return stage.standardExit(await stage.mined(call, "startDepositExit"), owner);
}
