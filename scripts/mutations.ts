// What can be broken in a Solidity source: each check, and each effect, one at a time. Pure: text in, mutants out.
import { type Node, endOf, errorOf, isNode, isRequire, parse, startOf } from "./solidityTree.ts";

/** `check`: what refuses or decides; `guard`: a modifier; `effect`: a statement that does something. */
export type MutantGroup = "check" | "guard" | "effect";

export interface Mutant {
  /** Path from the project's root. */
  file: string;
  line: number;
  group: MutantGroup;
  /** `function: what stood there -> what stands there now`; with the file it names the mutant in `EQUIVALENT`. */
  description: string;
  /** What a test that kills it may mention: the function, the error of the check. */
  words: string[];
  mutatedText: string;
}

const PAYOUTS = "contracts/Payouts.sol";
const QUEUE = "contracts/libraries/PriorityQueue.sol";
const UNIQUE = "keys are unique";
const ITSELF = "it only adds the key that is on its way down as its own child, which ends the way as no child does";
const UNREAD = "reads a slot whose keys are not looked at";
const SHORT = "of an answer below 32 bytes the last byte of the word is 0: the length and the zeroed word say the same";

/** Mutants no test can kill: what the contract does stays the same. `--equivalent` tries them nevertheless. */
export const EQUIVALENT: { file: string; text: string; reason: string }[] = [
  {
    file: PAYOUTS,
    text: "_push: gasleft() >= required -> gasleft() > required",
    reason: "one unit of gas, of which PUSH_OVERHEAD_GAS has thousands to spare",
  },
  { file: PAYOUTS, text: "_sendToken: mstore(0, 0) -> (deleted)", reason: SHORT },
  { file: PAYOUTS, text: "_sendToken: gt(returndatasize(), 31) -> iszero(lt(returndatasize(), 31))", reason: SHORT },
  {
    file: PAYOUTS,
    text: "_sendToken: and(gt(returndatasize(), 31), eq(mload(0), 1)) -> eq(mload(0), 1)",
    reason: SHORT,
  },
  {
    file: "contracts/exits/Exits.sol",
    text: "_exitableAt: time > oldest -> time >= oldest",
    reason: "the larger of two equal times",
  },
  {
    file: "contracts/exits/StandardExits.sol",
    text:
      "_matchingStandard: record != _commitment(keccak256(encoded)) || finalizer == number -> " +
      "record != _commitment(keccak256(encoded))",
    reason: "a paid exit has left its queue: its number is never the first",
  },
  { file: QUEUE, text: "insert: parentKey < key -> parentKey <= key", reason: UNIQUE },
  { file: QUEUE, text: "removeFirst: childKey >= key -> childKey > key", reason: UNIQUE },
  { file: QUEUE, text: "_smallestChild: start >= last -> start > last", reason: ITSELF },
  { file: QUEUE, text: "_smallestChild: start + 2 < last -> true", reason: UNREAD },
  { file: QUEUE, text: "_smallestChild: start + 2 < last -> start + 2 <= last", reason: UNREAD },
  { file: QUEUE, text: "_smallestChild: start + 3 < last -> start + 3 <= last", reason: ITSELF },
  { file: QUEUE, text: "_smallestChild: if start + 1 < last -> true", reason: ITSELF },
  { file: QUEUE, text: "_smallestChild: start + 1 < last -> start + 1 <= last", reason: ITSELF },
];

const BORDERS: Record<string, string> = { "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==" };
/** The border of each comparison of assembly, which has no `<=`. */
const ASSEMBLY_BORDERS: Record<string, string> = { lt: "gt", gt: "lt", slt: "sgt", sgt: "slt" };
const DELETED = "(deleted)";
const DESCRIPTION_LENGTH_MAX = 140;

/** Every mutant of a source, in the order of its lines. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const generator = new Generator(file, text);
  generator.visit(parse(text), "");
  return generator.mutants.sort((a, b) => a.line - b.line);
}

class Generator {
  readonly #file: string;
  /** The compiler counts bytes, a string does not. */
  readonly #bytes: Buffer;
  readonly #seen = new Set<string>();
  readonly #named = new Map<string, number>();
  /** Name of the error of the `require` around the node. */
  #error: string | null = null;
  readonly mutants: Mutant[] = [];

  constructor(file: string, text: string) {
    this.#file = file;
    this.#bytes = Buffer.from(text);
  }

  /** @param scope Name of the function around the node. */
  visit(node: Node, scope: string): void {
    let inner = scope;
    if (node.nodeType === "FunctionDefinition" || node.nodeType === "ModifierDefinition") {
      inner = node["kind"] === "constructor" ? "constructor" : (node["name"] as string);
    }
    const outer = this.#error;
    if (isRequire(node)) this.#error = errorOf(node) ?? outer;
    this.#mutate(node, inner);
    // The step of a loop is not deleted: that would only run out of gas.
    const children = Object.entries(node).filter(
      ([field]) => !(node.nodeType === "ForStatement" && /^(initialization|loop)Expression$/.test(field)),
    );
    for (const [, value] of children) {
      for (const child of Array.isArray(value) ? (value as unknown[]) : [value])
        if (isNode(child)) this.visit(child, inner);
    }
    this.#error = outer;
  }

  #mutate(node: Node, scope: string): void {
    switch (node.nodeType) {
      case "FunctionCall":
        if (isRequire(node)) this.#require(node, scope);
        break;
      case "BinaryOperation":
        this.#operation(node, scope);
        break;
      case "UnaryOperation":
        if (node["operator"] === "!") this.#replace("check", scope, node, this.#text(node["subExpression"] as Node));
        break;
      case "IfStatement":
      case "Conditional":
        for (const value of ["true", "false"]) this.#replace("check", scope, node["condition"] as Node, value, node);
        break;
      case "WhileStatement":
      case "ForStatement":
        if (isNode(node["condition"])) this.#replace("check", scope, node["condition"], "false", node);
        break;
      case "FunctionDefinition":
        this.#modifiers(node, scope);
        break;
      case "RevertStatement":
        this.#delete("check", scope, node);
        break;
      case "EmitStatement":
        this.#delete("effect", scope, node);
        break;
      case "ExpressionStatement":
        if (this.#text(node).startsWith("require(")) break;
        this.#delete("effect", scope, node);
        break;
      default:
        this.#mutateAssembly(node, scope);
    }
  }

  #mutateAssembly(node: Node, scope: string): void {
    switch (node.nodeType) {
      case "YulFunctionCall":
        this.#assemblyCall(node, scope);
        break;
      case "YulIf":
        for (const value of ["1", "0"]) this.#replace("check", scope, node["condition"] as Node, value, node);
        break;
      case "YulExpressionStatement":
      case "YulAssignment":
        this.#replace("effect", scope, node, "");
        break;
      default:
    }
  }

  #require(node: Node, scope: string): void {
    const [condition] = node["arguments"] as Node[];
    if (condition !== undefined) this.#replace("check", scope, condition, "true", node);
  }

  /** Each operand of `&&` and `||` dropped; each comparison at its border. */
  #operation(node: Node, scope: string): void {
    const operator = node["operator"] as string;
    const [left, right] = [node["leftExpression"] as Node, node["rightExpression"] as Node];
    if (operator === "&&" || operator === "||") {
      for (const kept of [right, left]) this.#replace("check", scope, node, this.#text(kept));
      return;
    }
    const border = BORDERS[operator];
    if (border === undefined) return;
    const between = this.#slice(endOf(left), startOf(right));
    this.#replace("check", scope, node, this.#text(left) + between.replace(operator, border) + this.#text(right));
  }

  #assemblyCall(node: Node, scope: string): void {
    const name = (node["functionName"] as Node)["name"] as string;
    const operands = (node["arguments"] as Node[]).map((operand) => this.#text(operand));
    const list = operands.join(", ");
    if (name === "and" || name === "or") {
      for (const kept of operands.toReversed()) this.#replace("check", scope, node, kept);
    } else if (name === "eq") {
      this.#replace("check", scope, node, `iszero(eq(${list}))`);
    } else if (ASSEMBLY_BORDERS[name] !== undefined) {
      this.#replace("check", scope, node, `iszero(${ASSEMBLY_BORDERS[name]}(${list}))`);
    }
  }

  /** Not of a constructor, whose "modifiers" are the constructors it calls. */
  #modifiers(node: Node, scope: string): void {
    if (node["kind"] === "constructor") return;
    for (const modifier of node["modifiers"] as Node[]) this.#replace("guard", scope, modifier, "");
  }

  #delete(group: MutantGroup, scope: string, statement: Node): void {
    // The statement's end as the compiler gives it is before its semicolon; braces keep `if (c) x();` whole.
    const rest = this.#bytes.toString("utf8", endOf(statement), endOf(statement) + 200);
    const semicolon = /^\s*;/.exec(rest)?.[0].length ?? 0;
    this.#add(
      group,
      scope,
      startOf(statement),
      endOf(statement) + semicolon,
      "{}",
      `${this.#text(statement)} -> ${DELETED}`,
    );
  }

  /** @param shown What the description cites, when the replaced node alone would not say enough. */
  #replace(group: MutantGroup, scope: string, node: Node, replacement: string, shown: Node = node): void {
    const [start, end] = [startOf(node), endOf(node)];
    const was = shown.nodeType === "FunctionCall" ? `require(${this.#text(node)})` : this.#text(node);
    const keyword =
      { IfStatement: "if ", WhileStatement: "while ", ForStatement: "for ", YulIf: "if " }[shown.nodeType] ?? "";
    const now = replacement === "" ? DELETED : replacement;
    this.#add(group, scope, start, end, replacement, `${keyword}${was} -> ${now}`);
  }

  #add(group: MutantGroup, scope: string, start: number, end: number, replacement: string, what: string): void {
    const mutatedText = this.#slice(0, start) + replacement + this.#slice(end, this.#bytes.length);
    if (this.#seen.has(mutatedText)) return;
    this.#seen.add(mutatedText);
    const line = this.#slice(0, start).split("\n").length;
    const whole = `${scope}: ${what.replaceAll(/\s+/g, " ")}`;
    const name = whole.length > DESCRIPTION_LENGTH_MAX ? shorten(whole) : whole;
    const count = (this.#named.get(name) ?? 0) + 1;
    this.#named.set(name, count);
    // The second of the same words in a function is another mutant, with a name of its own.
    const description = count === 1 ? name : `${name} #${count}`;
    const words = this.#error === null ? [scope] : [scope, this.#error];
    this.mutants.push({ file: this.#file, line, group, description, words, mutatedText });
  }

  #text(node: Node): string {
    return this.#slice(startOf(node), endOf(node));
  }

  #slice(start: number, end: number): string {
    return this.#bytes.toString("utf8", start, end);
  }
}

/** Keeps both ends: the function, and what the fragment became. */
function shorten(text: string): string {
  const half = Math.floor((DESCRIPTION_LENGTH_MAX - 3) / 2);
  return `${text.slice(0, half)}...${text.slice(-half)}`;
}
