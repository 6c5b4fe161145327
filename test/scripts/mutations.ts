import { readFileSync } from "node:fs";
import { expect } from "chai";
import { EQUIVALENT, mutantsOf } from "../../scripts/mutations.ts";
import { importsOf } from "../../scripts/solidityTree.ts";

/** Mutants of one function's body, as `group: what -> what`, and what the body became. */
function mutantsOfBody(body: string): Record<string, string> {
  const before = "// é, of two bytes\ncontract A { function f(uint256 a, uint256 b) external {\n";
  const text = `${before}${body}\n} }`;
  return Object.fromEntries(
    mutantsOf("A.sol", text).map(({ group, line, description, mutatedText }) => {
      expect(line).to.equal(3);
      expect(description).to.match(/^f: /);
      expect(mutatedText.startsWith(before)).to.equal(true);
      return [`${group} ${description.slice(3)}`, mutatedText.slice(before.length, -"\n} }".length)];
    }),
  );
}

describe("the mutants of a source", () => {
  it("a require without its condition, and each operand and border of it", () => {
    expect(mutantsOfBody("require(a != 0 && b <= 9, Wrong(a));")).to.deep.equal({
      "check require(a != 0 && b <= 9) -> true": "require(true, Wrong(a));",
      "check a != 0 && b <= 9 -> b <= 9": "require(b <= 9, Wrong(a));",
      "check a != 0 && b <= 9 -> a != 0": "require(a != 0, Wrong(a));",
      "check a != 0 -> a == 0": "require(a == 0 && b <= 9, Wrong(a));",
      "check b <= 9 -> b < 9": "require(a != 0 && b < 9, Wrong(a));",
    });
  });

  it("a branch taken always and never, a loop never, a negation left out", () => {
    expect(mutantsOfBody("if (g()) revert E();")).to.deep.equal({
      "check if g() -> true": "if (true) revert E();",
      "check if g() -> false": "if (false) revert E();",
      "check revert E() -> (deleted)": "if (g()) {}",
    });
    expect(mutantsOfBody("while (!g()) {}")).to.deep.equal({
      "check while !g() -> false": "while (false) {}",
      "check !g() -> g()": "while (g()) {}",
    });
    expect(Object.values(mutantsOfBody("for (uint256 i = 0; i < a; ++i) {}"))).to.deep.equal([
      "for (uint256 i = 0; false; ++i) {}",
      "for (uint256 i = 0; i <= a; ++i) {}",
    ]);
    expect(Object.values(mutantsOfBody("return g() ? a : b;"))).to.deep.equal([
      "return true ? a : b;",
      "return false ? a : b;",
    ]);
  });

  it("each statement that does something, deleted whole", () => {
    expect(mutantsOfBody("x[a] -= b ; delete y; if (g) h(a); emit Z(a);")).to.include({
      "effect x[a] -= b -> (deleted)": "{} delete y; if (g) h(a); emit Z(a);",
      "effect delete y -> (deleted)": "x[a] -= b ; {} if (g) h(a); emit Z(a);",
      "effect h(a) -> (deleted)": "x[a] -= b ; delete y; if (g) {} emit Z(a);",
      "effect emit Z(a) -> (deleted)": "x[a] -= b ; delete y; if (g) h(a); {}",
    });
  });

  it("operands and borders in assembly", () => {
    expect(mutantsOfBody("assembly { s := and(s, gt(a, 31)) }")).to.deep.equal({
      "effect s := and(s, gt(a, 31)) -> (deleted)": "assembly {  }",
      "check and(s, gt(a, 31)) -> gt(a, 31)": "assembly { s := gt(a, 31) }",
      "check and(s, gt(a, 31)) -> s": "assembly { s := s }",
      "check gt(a, 31) -> iszero(lt(a, 31))": "assembly { s := and(s, iszero(lt(a, 31))) }",
    });
  });

  it("a function without its modifier; not a constructor without the one it calls", () => {
    const text = "contract A is B {\nconstructor() B(1) {}\nfunction f() external guarded returns (uint256) {} }";
    const [only, ...others] = mutantsOf("A.sol", text);
    expect(others).to.be.empty;
    expect(only).to.include({ group: "guard", line: 3, description: "f: guarded -> (deleted)" });
    expect(only!.mutatedText).to.contain("function f() external  returns (uint256)");
  });

  it("the same words twice are two mutants of two names", () => {
    const names = mutantsOf("A.sol", "contract A { function f() external { x = 1; x = 1; } }").map(
      (m) => m.description,
    );
    expect(names).to.deep.equal(["f: x = 1 -> (deleted)", "f: x = 1 -> (deleted) #2"]);
  });

  it("know what a test may mention: the function, and the error of the check", () => {
    const words = mutantsOf("A.sol", "contract A { function f() external { require(a < b, Wrong(a)); g(); } }").map(
      (mutant) => mutant.words,
    );
    expect(words).to.deep.equal([["f", "Wrong"], ["f", "Wrong"], ["f"]]);
  });

  it("listed as equivalent are mutants of today's sources, each once", () => {
    for (const { file, text } of EQUIVALENT) {
      const source = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
      expect(mutantsOf(file, source).filter(({ description }) => description === text)).to.have.length(1, text);
    }
  });

  it("a source that does not parse is an error; imports come as they are written", () => {
    expect(() => mutantsOf("A.sol", "contract {")).to.throw("ParserError");
    expect(importsOf('import {A} from "./A.sol"; import "b/C.sol";')).to.deep.equal(["./A.sol", "b/C.sol"]);
  });
});
