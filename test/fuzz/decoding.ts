import { expect } from "chai";
import fc from "fast-check";
import { corpus } from "./corpus.ts";
import { DECODERS, type Decoder } from "./decoders.ts";
import { mutated } from "./mutations.ts";
import { FUZZ_RUNS } from "./runs.ts";

/** No input keeps a decoder longer. */
const MS_MAX = 1_000;
const MEMORY_RUNS = 20_000;
const GROWTH_MAX = 8 * 1024 * 1024;
const UNCOLLECTED_MAX = 160 * 1024 * 1024;

/** What became of the input; what is neither taken nor refused in the right way fails, with the input to be kept. */
function outcomeOf({ name, decode, check, refusals }: Decoder, bytes: Uint8Array, right = false): "taken" | "refused" {
  const began = performance.now();
  try {
    const given = bytes.slice();
    let result: unknown;
    try {
      result = decode(given);
    } catch (error) {
      if (!refusals.some((type) => error instanceof type)) throw error;
      result = null;
    }
    expect(performance.now() - began, "milliseconds").to.be.below(MS_MAX);
    expect(Buffer.compare(given, bytes), "the input was changed").to.equal(0);
    if (result === null) return "refused";
    check(result, bytes, right);
    return "taken";
  } catch (error) {
    const shown = Buffer.from(bytes).toString("hex");
    throw new Error(`${name}: ${String(error)}\n${shown.length > 4_000 ? `${shown.slice(0, 4_000)}…` : shown}`, {
      cause: error,
    });
  }
}

async function memory(): Promise<number> {
  if (globalThis.gc !== undefined) globalThis.gc();
  else await new Promise((resolve) => setTimeout(resolve, 20));
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

describe("fuzz: decoders", () => {
  for (const decoder of DECODERS) {
    const { name, valid, mend = (bytes: Uint8Array) => bytes } = decoder;
    const options = { numRuns: 300 * FUZZ_RUNS };

    describe(name, () => {
      it("INV-10: takes and refuses what is kept", () => {
        const kept = corpus(name);
        for (const { name: file, bytes, taken } of kept) {
          expect(outcomeOf(decoder, bytes), file).to.equal(taken ? "taken" : "refused");
        }
        // Neither all the one nor all the other: such a corpus would say nothing.
        expect(new Set(kept.map(({ taken }) => taken)).size).to.equal(decoder.total === true ? 1 : 2);
      });

      it("takes what is right, and it is what it was", () => {
        const outcomes = new Set<string>();
        fc.assert(
          fc.property(valid, (bytes) => void outcomes.add(outcomeOf(decoder, bytes, true))),
          { numRuns: 100 * FUZZ_RUNS },
        );
        expect(outcomes).to.include("taken");
        if (name !== "jsonDepth" && name !== "tornTail") expect([...outcomes]).to.deep.equal(["taken"]);
      });

      it("any bytes", () => {
        fc.assert(
          fc.property(fc.uint8Array({ maxLength: 600, size: "max" }), (bytes) => {
            outcomeOf(decoder, bytes);
            outcomeOf(decoder, mend(bytes));
          }),
          options,
        );
      });

      it("right ones with bits, bytes and pieces changed, cut, put in, doubled and moved", () => {
        const checksumsFit = fc.boolean();
        fc.assert(
          fc.property(mutated(valid), checksumsFit, (bytes, fit) => {
            outcomeOf(decoder, fit ? mend(bytes) : bytes);
          }),
          { numRuns: 4 * options.numRuns },
        );
      });

      it("keeps nothing of what it decoded", async () => {
        const inputs = corpus(name)
          .map(({ bytes }) => bytes)
          .filter(({ length }) => length < 1_500);
        const decodeAll = (count: number): void => {
          for (let i = 0; i < count; i++) {
            try {
              decoder.decode(inputs[i % inputs.length] as Uint8Array);
            } catch {
              // Refused.
            }
          }
        };
        decodeAll(2_000);
        const before = await memory();
        decodeAll(MEMORY_RUNS);
        const bound = globalThis.gc === undefined ? UNCOLLECTED_MAX : GROWTH_MAX;
        expect((await memory()) - before, "bytes").to.be.below(bound);
      });
    });
  }
});
