import { InvariantError } from "@plasma-billing/protocol/errors.ts";
import type { VerificationPool, Verified } from "@plasma-billing/ethereum/verification/pool.ts";
import type { Piece } from "./feed.ts";

/** Pieces at the threads: enough that none of them waits, few enough that memory stays small. */
const IN_FLIGHT_MAX = 6;

export interface PipelineOptions<P extends Piece, End> {
  pool: VerificationPool;
  source: AsyncGenerator<P, End>;
  /** Signers are not recovered. */
  unsigned: boolean;
  /** Asked before each piece: whether to read on. */
  goOn: () => boolean;
  /** Gets the pieces in order with their records; false: no more of them. */
  take: (piece: P, records: Uint8Array[]) => Promise<boolean>;
}

/** Reads, has verified and takes, all at once and in order. Gives how the source ended, null when it was left before. */
export async function pipeline<P extends Piece, End>(options: PipelineOptions<P, End>): Promise<End | null> {
  const { pool, source, unsigned, goOn, take } = options;
  const waiting: { piece: P; verified: Promise<Verified> }[] = [];
  const takeOne = async (): Promise<boolean> => {
    const { piece, verified } = waiting.shift() as (typeof waiting)[0];
    const records = await verified;
    if (records.kind === "malformed" || records.count !== piece.count) {
      throw new InvariantError("the threads have other payments", { count: piece.count });
    }
    return await take(piece, records.records);
  };
  try {
    for (;;) {
      const next = goOn() ? await source.next() : null;
      if (next === null || next.done === true) {
        while (waiting.length > 0) if (!(await takeOne())) return null;
        return next === null ? null : next.value;
      }
      const body = { format: "binary", kind: "batch", body: next.value.bytes } as const;
      const verified = pool.verify(unsigned ? { ...body, unsigned } : body);
      if (verified === null) throw new InvariantError("the threads have too much to do", { waiting: waiting.length });
      // Whoever leaves before it is taken must not leave a rejection behind.
      verified.catch(() => undefined);
      waiting.push({ piece: next.value, verified });
      if (waiting.length >= IN_FLIGHT_MAX && !(await takeOne())) return null;
    }
  } finally {
    await source.return(undefined as never);
    await Promise.allSettled(waiting.map(({ verified }) => verified));
  }
}
