// The syntax tree of a Solidity source, as the compiler gives it.
import { createRequire } from "node:module";

/** A node of the compiler's syntax tree: `src` is `offset:length:file`, in bytes. */
export interface Node {
  nodeType: string;
  src: string;
  [field: string]: unknown;
}

interface Compiler {
  compile(input: string): string;
}
let compiler: Compiler | undefined;

/** The syntax tree of one source, for which its imports need not be there. */
export function parse(text: string): Node {
  compiler ??= createRequire(import.meta.url)("solc") as Compiler;
  const input = {
    language: "Solidity",
    sources: { source: { content: text } },
    settings: { stopAfter: "parsing", outputSelection: { "*": { "": ["ast"] } } },
  };
  const output = JSON.parse(compiler.compile(JSON.stringify(input))) as {
    errors?: { severity: string; formattedMessage: string }[];
    sources: Record<string, { ast: Node }>;
  };
  const error = output.errors?.find(({ severity }) => severity === "error");
  if (error !== undefined) throw new Error(error.formattedMessage);
  return output.sources["source"]!.ast;
}

/** The paths a source imports, as written in it. */
export function importsOf(text: string): string[] {
  const nodes = parse(text)["nodes"] as Node[];
  return nodes.filter(({ nodeType }) => nodeType === "ImportDirective").map((node) => node["file"] as string);
}

export function isRequire(node: Node): boolean {
  return node.nodeType === "FunctionCall" && (node["expression"] as Node)["name"] === "require";
}

/** Of `require(condition, Error(...))`. */
export function errorOf(node: Node): string | undefined {
  const error = (node["arguments"] as Node[])[1]?.["expression"];
  return isNode(error) ? (error["name"] as string | undefined) : undefined;
}

export function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "nodeType" in value;
}

export function startOf(node: Node): number {
  return Number(node.src.split(":")[0]);
}

export function endOf(node: Node): number {
  return startOf(node) + Number(node.src.split(":")[1]);
}
