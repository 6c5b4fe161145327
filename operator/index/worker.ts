import { parentPort, workerData } from "node:worker_threads";
import { JournalReader } from "../journal/reader.ts";
import { feedPiece } from "./feed.ts";
import { History } from "./history.ts";
import {
  SharedProgress,
  type Answer,
  type FromIndex,
  type IndexThreadData,
  type Question,
  type ToIndex,
} from "./messages.ts";
import { isCorrupt, PageStore } from "./pages.ts";
import { IndexBehindError, IndexDamagedError, type IndexedPayment } from "./ports.ts";
import { Queries } from "./queries.ts";
import { Trees } from "./trees.ts";

/** Entries taken, and bytes of them read, between two looks for questions: about five milliseconds. */
const SLICE_ENTRIES = 2000;
const SLICE_BYTES = 1024 * 1024;
/** New entries are gathered for so long before they are read, unless somebody asks. */
const GATHER_MS = 20;
/** After a write that failed, as on a full disk. */
const RETRY_MS = 5000;

const { dataDir, limits, shared } = workerData as IndexThreadData;
const progress = new SharedProgress(shared);
const source = new JournalReader(dataDir);
const warn = (about: Record<string, unknown>, warning: string): void => tell({ warning, about: plain(about) });

let store: PageStore;
let history: History;
let queries: Queries;
let trees: Trees;
let retryAt = 0;
let ended = false;

function tell(message: FromIndex, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

function plain(about: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(about).map(([name, value]) => [name, value instanceof Error ? String(value) : value]),
  );
}

/** What is stored is derived: what cannot be used is made again. */
function open(): void {
  const attempt = (): void => {
    store = PageStore.open(dataDir);
    try {
      history = new History(store, source, progress.durable, limits);
    } catch (error) {
      store.close();
      throw error;
    }
  };
  try {
    attempt();
  } catch (error) {
    if (!isDamage(error)) throw error;
    warn({ reason: error.message }, "the index cannot be used: made again from the journal");
    PageStore.remove(dataDir);
    attempt();
  }
  queries = new Queries(history);
  trees = new Trees(dataDir, history.places, source, history.indexed, { warn: warn as Trees["log"]["warn"] });
  progress.indexed = history.indexed;
}

function isDamage(error: unknown): error is Error {
  return error instanceof IndexDamagedError || isCorrupt(error);
}

function makeAgain(error: Error): void {
  warn({ reason: error.message }, "the index is damaged: made again from the journal");
  void trees.close();
  store.close();
  PageStore.remove(dataDir);
  open();
}

/** Takes a slice of what is durable; false when there is nothing to take, or no room for it. */
function takeSlice(): boolean {
  const { durable } = progress;
  const next = history.indexed + 1;
  if (next > durable || history.blocked) return false;
  const entries = source.read(next, Math.min(durable, next + SLICE_ENTRIES - 1), SLICE_BYTES);
  for (const { position, body } of entries) {
    if (history.blocked) break;
    try {
      history.take(body);
    } catch (error) {
      // It may be half taken.
      fail(error);
      throw error;
    }
    trees.take(position, body);
  }
  progress.indexed = history.indexed;
  return true;
}

/** Writes a slice; false when there is nothing to write, or it cannot be written at the moment. */
function writeSlice(): boolean {
  if (performance.now() < retryAt) return false;
  try {
    return history.work();
  } catch (error) {
    if (isDamage(error)) makeAgain(error);
    else {
      if (retryAt === 0) warn({ reason: String(error) }, "the index cannot be written: tried again every few seconds");
      retryAt = performance.now() + RETRY_MS;
      setTimeout(run, RETRY_MS).unref();
      return false;
    }
  }
  retryAt = 0;
  return true;
}

/** Does what there is to do, in slices: questions are answered in between. */
function run(): void {
  if (ended) return;
  try {
    progress.setAwake(true);
    const [took, wrote] = [takeSlice(), writeSlice()];
    const grew = trees.work(history.indexed);
    if (took || wrote || grew) return void setImmediate(run);
    progress.setAwake(false);
    // Told of more in the meantime, nobody would have woken it.
    if (history.indexed < progress.durable && !history.blocked) setImmediate(run);
  } catch (error) {
    fail(error);
  }
}

function fail(error: unknown): void {
  if (ended) return;
  ended = true;
  tell({ failure: error instanceof Error ? String(error.stack) : String(error) });
}

/** Takes all that is durable. @throws IndexBehindError when that is too much */
function catchUp(): void {
  if (ended) throw new Error("the index has failed");
  const behind = progress.durable - history.indexed;
  if (behind > limits.behindMax) throw new IndexBehindError(behind);
  while (history.indexed < progress.durable) {
    if (!takeSlice() && !writeSlice()) throw new IndexBehindError(progress.durable - history.indexed);
  }
}

function answerOf(question: Question): unknown {
  const { ask, of } = question;
  switch (ask) {
    case "payment":
      return ownPayment(queries.payment(...of));
    case "spendOf":
      return ownPayment(queries.spendOf(...of));
    case "resolve": {
      const { payment, spentBy } = queries.resolve(...of);
      return { payment: ownPayment(payment), spentBy };
    }
    case "payments": {
      const { items, next } = queries.payments(...of);
      return { items: items.map(ownPayment), next };
    }
    case "account":
      return queries.account(...of);
    case "outputs":
      return queries.outputs(...of);
    case "deposits":
      return queries.deposits(...of);
    case "paymentAt":
      return ownPayment(queries.paymentAt(...of));
    case "siblings":
      return trees.siblings(...of, history.indexed);
    case "statistics":
      return history.statistics.view(...of);
    case "feed": {
      const { bytes, next } = feedPiece(source, ...of);
      return { bytes: new Uint8Array(bytes), next };
    }
  }
}

/** Of what was read in one piece, a message would take all along. */
function ownPayment<P extends IndexedPayment | null>(payment: P): P {
  return payment === null ? payment : { ...payment, bytes: new Uint8Array(payment.bytes) };
}

function answer(question: Question, again = false): unknown {
  try {
    // A feed needs the journal only.
    if (question.ask !== "feed") catchUp();
    return answerOf(question);
  } catch (error) {
    if (!isDamage(error) || again) throw error;
    makeAgain(error);
    return answer(question, true);
  }
}

function problemOf(id: number, error: unknown): Answer {
  const behind = error instanceof IndexBehindError ? error.behind : null;
  return { id, problem: error instanceof Error ? String(error.stack) : String(error), behind };
}

const ANSWERING_MS = 10;

/** Gives way to others now and then: a client may ask much that is long to look up. */
function answerAll(questions: readonly Question[]): void {
  const answers: Answer[] = [];
  const until = performance.now() + ANSWERING_MS;
  for (const [at, question] of questions.entries()) {
    if (at > 0 && performance.now() > until) {
      setImmediate(() => {
        if (!ended) answerAll(questions.slice(at));
      });
      break;
    }
    const { id } = question;
    try {
      const given = answer(question);
      if (given instanceof Promise) {
        given.then(
          (late: unknown) => tell({ answers: [{ id, answer: late }] }),
          (error: unknown) => tell({ answers: [problemOf(id, error)] }),
        );
      } else answers.push({ id, answer: given });
    } catch (error) {
      answers.push(problemOf(id, error));
    }
  }
  if (answers.length > 0) tell({ answers });
}

async function stop(): Promise<void> {
  ended = true;
  await trees.close();
  store.close();
  source.close();
  parentPort?.close();
}

parentPort?.on("message", (message: ToIndex | null) => {
  if (message === null) void stop();
  else if ("questions" in message) answerAll(message.questions);
  else setTimeout(run, GATHER_MS);
});
open();
tell({ opened: true });
run();
