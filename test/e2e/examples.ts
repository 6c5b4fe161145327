import { expect } from "chai";
import { runScript } from "../helpers/script.ts";

describe("npm run examples", function () {
  this.timeout(300_000);

  it("four programs run a market, and its balance sheet adds up", async () => {
    const run = runScript(["examples/market.ts"], {});
    expect(await run.exited, run.stdout() + run.stderr()).to.equal(0);
    const lines = run.stdout().trim().split("\n");
    expect(lines.at(-1)).to.equal("The balance sheet adds up.");
    for (const said of ["key of maps/zürich.json released to its buyer, payment accepted", "swapped: 9990"]) {
      expect(run.stdout()).to.contain(said);
    }
  });
});
