import { Type, type TObject, type TProperties, type TSchema } from "typebox";
import { ALARM_CODES } from "../alarms.ts";
import { STATES } from "../settlement/planner.ts";

// What the answers look like, field for field; shapes.ts makes them. Only documentation and tests read this: an answer goes
// out as it is, whatever stands here.

const PURPOSE_NAMES = ["transfer", "upload", "extension", "purchase", "swap"];

/** What a route's schema says for the reader, beside what validates its requests: all these statuses have the same answer. */
export function documented(
  tag: string,
  summary: string,
  answer: object,
  statuses: readonly number[] = [200],
): { summary: string; tags: string[]; response: Record<number, object> } {
  return { summary, tags: [tag], response: Object.fromEntries(statuses.map((status) => [status, answer])) };
}

/** Of what was created, and of what was there already. */
export const CREATED = [201, 200];

/** An object that has all these fields and no others. */
export function exactly<T extends TProperties>(properties: T, description?: string): TObject<T> {
  return Type.Object(properties, {
    additionalProperties: false,
    ...(description === undefined ? {} : { description }),
  });
}

/** Where absent, null. */
export function nullable(schema: TSchema): TSchema {
  return Type.Union([schema, Type.Null()]);
}

/** A page of a list. */
export function pageOf(item: TSchema): TSchema {
  return exactly({ items: Type.Array(item), nextCursor: nullable(Type.String()) }, "A page, newest first");
}

export const Hash = Type.String({ pattern: "^0x[0-9a-f]{64}$" });
export const ChecksummedAddress = Type.String({
  pattern: "^0x[0-9a-fA-F]{40}$",
  description: "With ERC-55's checksum",
});
export const Amount = Type.String({ pattern: "^(0|[1-9][0-9]*)$", description: "In the smallest unit" });
export const Count = Type.Integer({ minimum: 0 });
export const Milliseconds = Type.Integer({ minimum: 0, description: "Unix milliseconds" });
export const Seconds = Type.Integer({ minimum: 0, description: "Unix seconds, Ethereum's" });
export const PurposeName = Type.Enum(PURPOSE_NAMES);
export const RoleName = Type.Enum(["validator", "mart", "owner", "serviceNode", "storage"]);

export const ProblemAnswer = exactly(
  {
    type: Type.String({ pattern: "^urn:plasma-billing:[A-Z_]+$" }),
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    code: Type.String({ pattern: "^[A-Z_]+$", description: "One of docs/ERRORS.md" }),
    detail: Type.String(),
    context: Type.Object({}, { description: "The values that offended" }),
  },
  "A problem (RFC 9457)",
);

export const Receipt = exactly({
  hash: Hash,
  blockNumber: Count,
  transactionIndex: Count,
  state: Type.Literal("accepted"),
  acceptedAt: Milliseconds,
});

export const BatchAnswer = exactly({
  results: Type.Array(Type.Union([exactly({ payment: Receipt }), exactly({ problem: ProblemAnswer })])),
});

export const OutputAnswer = exactly({
  id: Hash,
  owner: ChecksummedAddress,
  token: ChecksummedAddress,
  amount: Amount,
  state: Type.Enum(["pending", "available", "exiting", "spent", "withdrawn"]),
  blockNumber: nullable(Count),
  transactionIndex: nullable(Count),
  outputIndex: Count,
  depositId: nullable(Count),
});

export const PaymentAnswer = exactly({
  hash: Hash,
  purpose: PurposeName,
  inputs: Type.Array(OutputAnswer),
  outputs: Type.Array(OutputAnswer),
  fileHash: Hash,
  fileId: nullable(Type.String()),
  signatures: Type.Array(Type.String({ pattern: "^0x[0-9a-f]{130}$" })),
  state: Type.Enum(["accepted", "committed", "finalized"]),
  blockNumber: Count,
  transactionIndex: Count,
  acceptedAt: Milliseconds,
  committedAt: nullable(Milliseconds),
  finalizedAt: nullable(Milliseconds),
  commitTransaction: nullable(Hash),
  parties: Type.Array(exactly({ address: ChecksummedAddress, role: nullable(RoleName) })),
});

export const ProofAnswer = exactly({
  header: exactly({ number: Count, transactionsRoot: Hash, transactionCount: Count, timestamp: Seconds }),
  index: Count,
  siblings: Type.Array(Hash),
});

export const BlockAnswer = exactly({
  number: Count,
  state: Type.Enum(["open", "sealed", "sent", "committed", "finalized", "halted"]),
  transactionCount: Count,
  transactionsRoot: nullable(Hash),
  openedAt: Milliseconds,
  sealedAt: nullable(Milliseconds),
  timestamp: nullable(Seconds),
  commitTransaction: nullable(Hash),
  gasUsed: nullable(Count),
  fee: nullable(Amount),
});

/** A page, or the whole block in one of two other forms. */
export const BlockPaymentsAnswer = {
  description: "A page, newest first; or the whole block in order",
  content: {
    "application/json": { schema: pageOf(PaymentAnswer) },
    "application/x-ndjson": {
      schema: Type.String({ description: "One {blockNumber, transactionIndex, hash, transaction} a line" }),
    },
    "application/octet-stream": { schema: Type.String({ description: "A batch: docs/FORMATS.md" }) },
  },
};

export const AccountAnswer = exactly({
  address: ChecksummedAddress,
  role: nullable(RoleName),
  validator: nullable(ChecksummedAddress),
  balances: Type.Array(exactly({ token: ChecksummedAddress, available: Amount, exiting: Amount, pending: Amount })),
  transactionCount: Count,
});

export const DepositAnswer = exactly({
  id: Count,
  owner: ChecksummedAddress,
  token: ChecksummedAddress,
  amount: Amount,
  outputId: Hash,
  state: Type.Enum(["pending", "credited"]),
  ethereumBlock: Count,
  ethereumTransaction: Hash,
});

const EXIT_STATES = ["started", "challenged", "finalized", "unpayable", "closed"];

function exitAnswer(states: string[]): TSchema {
  return exactly({
    number: Count,
    kind: Type.Enum(["standard", "deposit", "inFlight"]),
    outputId: nullable(Hash),
    transactionHash: nullable(Hash),
    owner: nullable(ChecksummedAddress),
    token: nullable(ChecksummedAddress),
    amount: nullable(Amount),
    state: Type.Enum(states),
    exitableAt: Seconds,
    ethereumTransaction: Hash,
  });
}

export const ExitAnswer = exitAnswer(EXIT_STATES);
/** Of the event; a list leaves out what a reorganisation took away. */
const ExitEventAnswer = exitAnswer([...EXIT_STATES, "removed"]);

/** What stands behind `data:`, by the name of the event. */
const EVENT_ANSWERS = {
  transaction: PaymentAnswer,
  block: BlockAnswer,
  deposit: DepositAnswer,
  exit: ExitEventAnswer,
};

export const EventStream = {
  description: "Events `transaction`, `block`, `deposit`, `exit`, each with one of these shapes as its data",
  content: { "text/event-stream": { schema: Type.Union(Object.values(EVENT_ANSWERS)) } },
};

export const TokenAnswer = exactly({
  token: ChecksummedAddress,
  symbol: nullable(Type.String()),
  decimals: nullable(Count),
});

export const OutputHistoryAnswer = exactly({
  output: OutputAnswer,
  created: nullable(Hash),
  spentBy: nullable(Hash),
});

/** What is known by a hash, a number, an address or a name: where to look. */
export const FoundAnswer = exactly({
  kind: Type.Enum(["transaction", "block", "account", "file", "output", "exit"]),
  id: Type.String(),
});

const Volumes = exactly({ purpose: PurposeName, token: ChecksummedAddress, count: Count, volume: Amount });

export const StatisticsAnswer = exactly({
  payments: Count,
  blocks: Count,
  deposits: Count,
  liveOutputs: Count,
  tokens: Type.Array(
    exactly({ token: ChecksummedAddress, deposits: Count, deposited: Amount, live: Amount, withdrawn: Amount }),
  ),
  purposes: Type.Array(Volumes),
  hours: Type.Array(exactly({ hour: Milliseconds, purposes: Type.Array(Volumes) })),
});

export const StatusAnswer = exactly({
  chainId: Count,
  contract: ChecksummedAddress,
  version: Type.String(),
  operator: ChecksummedAddress,
  openBlock: Count,
  nextCommitAt: Milliseconds,
  lastCommitted: nullable(Count),
  lastFinalized: nullable(Count),
  backlog: Count,
  ethereum: exactly({ head: nullable(Count), finalized: nullable(Count), healthy: Type.Boolean() }),
  paused: Type.Boolean(),
  warnings: Type.Array(Type.String()),
  alarms: Type.Array(exactly({ code: Type.Enum([...ALARM_CODES]), text: Type.String() })),
  settlement: exactly({
    blocks: Type.Array(
      exactly({
        number: Count,
        state: Type.Enum(Object.keys(STATES)),
        transactionCount: Count,
        sealedAt: Milliseconds,
        nonce: nullable(Count),
        attempts: Count,
        transaction: nullable(Hash),
      }),
    ),
    oldestUnlandedSeconds: nullable(Type.Number({ minimum: 0 })),
    feesPaid: Amount,
    balance: nullable(Amount),
    hoursOfFeesLeft: nullable(Type.Number()),
    refusals: Type.Array(Type.String()),
    nodes: Type.Array(exactly({ host: Type.String(), head: nullable(Count), problem: nullable(Type.String()) })),
  }),
});

export const MetricsAnswer = {
  description: "Figures in the text format of Prometheus",
  content: { "text/plain": { schema: Type.String() } },
};
export const AliveAnswer = exactly({ alive: Type.Literal(true) });
export const ReadyAnswer = exactly({ ready: Type.Boolean(), reasons: Type.Array(Type.String()) });
export const CommitAnswer = exactly({ block: nullable(BlockAnswer) });
export const PausedAnswer = exactly({ paused: Type.Boolean() });

/** A signed transaction, as sent. */
export const TransactionBody = exactly({
  purpose: PurposeName,
  inputs: Type.Array(Type.String({ pattern: "^0x[0-9a-fA-F]{64}$" }), { minItems: 1, maxItems: 16 }),
  outputs: Type.Array(
    exactly({
      owner: Type.String({ pattern: "^0x[0-9a-fA-F]{40}$" }),
      token: Type.String({ pattern: "^0x[0-9a-fA-F]{40}$" }),
      amount: Amount,
    }),
    { minItems: 1, maxItems: 16 },
  ),
  fileHash: Type.String({ pattern: "^0x[0-9a-fA-F]{64}$" }),
  signatures: Type.Array(Type.String({ pattern: "^0x[0-9a-fA-F]{130}$" }), { minItems: 1, maxItems: 16 }),
});
export const BatchBody = exactly({ transactions: Type.Array(TransactionBody, { minItems: 1, maxItems: 1000 }) });
