import { expect } from "chai";
import { playHonest } from "./honest.ts";
import { OPERATOR_VILLAINS } from "./operators.ts";
import { playOperator, playThief } from "./play.ts";
import type { Row } from "./report.ts";
import { THIEVES } from "./thieves.ts";

const HONEST_SECONDS = 8;

/** `npm run villains` has all of them, and a longer honest run. */
describe("villains against a watcher: a short selection", function () {
  this.timeout(240_000);

  const expectSurvived = (row: Row): void => {
    expect(row.survived, row.notes.join("\n")).to.equal(true);
    expect(row.falseFindings).to.deep.equal([]);
    expect(row.found).to.not.deep.equal([]);
  };

  for (const name of ["mints", "hides signatures", "publishes late"]) {
    const villain = OPERATOR_VILLAINS.find((one) => one.name === name)!;
    it(`INV-4: an operator ${villain.does}: everybody honest leaves with all they have, who sleeps as well`, async () => {
      expectSurvived(await playOperator(villain));
    });
  }

  for (const name of ["contradicts"]) {
    const thief = THIEVES.find((one) => one.name === name)!;
    it(`INV-5: a holder ${thief.does}: each is challenged once, by one of two watchers`, async () => {
      expectSurvived(await playThief(thief));
    });
  }

  it("an honest chain, with reorganisations and machines killed, is found nothing about", async () => {
    const { notes, falseFindings, failed } = await playHonest(HONEST_SECONDS);
    expect(failed, notes.join("\n")).to.equal(false);
    expect(falseFindings).to.deep.equal([]);
  });
});
