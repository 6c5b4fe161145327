import { expect } from "chai";
import { CrashRounds } from "../crash/rounds.ts";

const ROUNDS = 25;
const ROUNDS_MAX = 4 * ROUNDS;

describe("an operator killed with -9 at random moments (INV-11)", function () {
  this.timeout(300_000);
  let rounds: CrashRounds;
  const seed = Math.floor(Math.random() * 2 ** 32);
  before(async () => (rounds = await CrashRounds.open(seed)));
  after(async () => await rounds?.close());

  it(`keeps every payment it acknowledged at its position, none twice, in ${ROUNDS} rounds and more`, async () => {
    try {
      // A kill between a write and its answer is rare on a quiet machine: some more until one was met.
      const { figures } = rounds;
      const missed = (): boolean => figures.unanswered === 0 || figures.fromSnapshot === 0;
      while (figures.rounds < ROUNDS || (missed() && figures.rounds < ROUNDS_MAX)) await rounds.play();
      await rounds.settle();
    } catch (error) {
      throw new Error(`seed ${seed}, round ${rounds.figures.rounds + 1}: ${String(error)}`, { cause: error });
    }
    // Otherwise the kills met nothing.
    const { acknowledged, unanswered, fromSnapshot, sealedBlocks } = rounds.figures;
    expect(acknowledged).to.be.above(500);
    expect(unanswered).to.be.above(0);
    expect(fromSnapshot).to.be.above(0);
    expect(sealedBlocks).to.be.above(3);
    console.log(`      ${JSON.stringify(rounds.figures)}`);
  });
});
