import { randomInt } from "node:crypto";
import { expect } from "chai";
import { describe as told } from "./actions.ts";
import { type History, play } from "./history.ts";
import { replay } from "./replay.ts";
import { KEPT_SEEDS, RULES, RULE_NAMES, WATCHERS_RULES, rulesWithout } from "./rules.ts";
import { shrink, story, thefts } from "./shrink.ts";
import { Stage } from "./stage.ts";

const HISTORIES = 1_500;
/** Where a kept seed finds nothing any more (the players have changed), so many others are tried. */
const TRIES_MAX = 2_000;
/** `ADVERSARY_SEED=n` plays again what a run has printed. */
const SEED = Number(process.env["ADVERSARY_SEED"] ?? randomInt(2 ** 31));
/** Of the fixed ones, and from the random one on. */
const REPLAYS = { fixed: 25, random: 5 };

/** Fails with the shortest story if a history of these seeds breaks an invariant. */
function playAll(first: number): void {
  const rules = rulesWithout();
  for (let seed = first; seed < first + HISTORIES; seed++) {
    const history = play(seed, rules);
    if (history.violations.length === 0) continue;
    expect.fail(story(shrink(history, rules, (other) => other.violations.length > 0)));
  }
}

describe("the exit game against a random adversary", () => {
  it("a seed gives the same history every time", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const [once, again] = [play(seed), play(seed)].map((history) => history.world.played.map((at) => told(at)));
      expect(once).to.deep.equal(again);
    }
  });

  it(`INV-1, 2, 3, 4, 6, 13 hold: seeds 1 to ${HISTORIES}`, () => playAll(1));

  it(`INV-1, 2, 3, 4, 6, 13 hold: seeds from ${SEED} on`, () => playAll(SEED));
});

describe("without one of its rules, the exit game loses money", () => {
  let stage: Stage;
  before(async () => {
    stage = await Stage.open();
  });

  for (const name of RULE_NAMES) {
    const isContracts = !WATCHERS_RULES.includes(name);
    const contract = isContracts ? "the contract does not play along" : "on the contract too";
    it(`${RULES[name]}: seed ${KEPT_SEEDS[name]}; ${contract}`, async () => {
      const rules = rulesWithout(name);
      let found: History = play(KEPT_SEEDS[name], rules);
      for (let seed = 1; thefts(found).length === 0 && seed <= TRIES_MAX; seed++) found = play(seed, rules);
      expect(thefts(found), `no theft in ${TRIES_MAX} histories; deep.ts --without ${name} looks further`).not.to.be
        .empty;
      const differences = await replay(stage, found.world);
      if (isContracts) expect(differences).not.to.be.empty;
      else expect(differences).to.deep.equal([]);
    });
  }
});

describe("the contract plays the model's histories to the wei", () => {
  let stage: Stage;
  before(async () => {
    stage = await Stage.open();
  });

  const seeds = [...new Set(Object.values(KEPT_SEEDS))].slice(0, REPLAYS.fixed);
  it(`${seeds.length} kept seeds`, async () => {
    for (const seed of seeds) expect(await replay(stage, play(seed).world), `seed ${seed}`).to.deep.equal([]);
  });

  it(`seeds ${SEED} to ${SEED + REPLAYS.random - 1}`, async () => {
    for (let seed = SEED; seed < SEED + REPLAYS.random; seed++) {
      expect(await replay(stage, play(seed).world), `seed ${seed}`).to.deep.equal([]);
    }
  });
});
