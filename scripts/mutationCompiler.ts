// A thread that keeps the compiler loaded, and compiles some of the project's sources with one of them changed.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";

export interface CompilerData {
  /** The folder whose `node_modules` the imports of packages are found in. */
  root: string;
  sources: Record<string, string>;
  /** Of the project's Hardhat configuration. */
  settings: object;
}
export interface CompileRequest {
  /** Sources that are not as `CompilerData` has them. */
  changed: Record<string, string>;
  /** The sources whose contracts are wanted. */
  wanted: string[];
}
export interface CompileAnswer {
  /** The first error, or null. */
  error: string | null;
  /** Artifacts as Hardhat writes them, by their path below `artifacts/`. */
  artifacts: Record<string, string>;
}

interface Bytecode {
  object: string;
  linkReferences: object;
  immutableReferences?: object;
}
interface Output {
  errors?: { severity: string; formattedMessage: string }[];
  contracts?: Record<string, Record<string, { abi: object; evm: { bytecode: Bytecode; deployedBytecode: Bytecode } }>>;
}
interface Compiler {
  compile(input: string, callbacks: { import(path: string): { contents: string } | { error: string } }): string;
}

const SELECTION = [
  "abi",
  "evm.bytecode.object",
  "evm.bytecode.linkReferences",
  "evm.deployedBytecode.object",
  "evm.deployedBytecode.linkReferences",
  "evm.deployedBytecode.immutableReferences",
];

function compile(compiler: Compiler, data: CompilerData, { changed, wanted }: CompileRequest): CompileAnswer {
  const read = (path: string): string =>
    changed[path] ?? data.sources[path] ?? readFileSync(join(data.root, "node_modules", path), "utf8");
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(wanted.map((path) => [path, { content: read(path) }])),
    settings: {
      ...data.settings,
      // Without a hash of the source, two sources that do the same are the same bytes.
      metadata: { bytecodeHash: "none", appendCBOR: false },
      outputSelection: Object.fromEntries(wanted.map((path) => [path, { "*": SELECTION }])),
    },
  };
  const text = compiler.compile(JSON.stringify(input), {
    import: (path) => {
      try {
        return { contents: read(path) };
      } catch (error) {
        return { error: String(error) };
      }
    },
  });
  const output = JSON.parse(text) as Output;
  const error = output.errors?.find(({ severity }) => severity === "error")?.formattedMessage ?? null;
  return { error, artifacts: error === null ? artifactsOf(output) : {} };
}

function artifactsOf(output: Output): Record<string, string> {
  const artifacts: Record<string, string> = {};
  for (const [sourceName, contracts] of Object.entries(output.contracts ?? {})) {
    for (const [contractName, { abi, evm }] of Object.entries(contracts)) {
      const artifact = {
        _format: "hh3-artifact-1",
        contractName,
        sourceName,
        abi,
        bytecode: `0x${evm.bytecode.object}`,
        deployedBytecode: `0x${evm.deployedBytecode.object}`,
        linkReferences: evm.bytecode.linkReferences,
        deployedLinkReferences: evm.deployedBytecode.linkReferences,
        immutableReferences: evm.deployedBytecode.immutableReferences ?? {},
        inputSourceName: `project/${sourceName}`,
      };
      artifacts[join(sourceName, `${contractName}.json`)] = JSON.stringify(artifact);
    }
  }
  return artifacts;
}

if (parentPort !== null) {
  const port = parentPort;
  const data = workerData as CompilerData;
  const compiler = createRequire(import.meta.url)("solc") as Compiler;
  port.on("message", (request: CompileRequest) => port.postMessage(compile(compiler, data, request)));
}
