import { createRequire } from "node:module";

type Check = ((value: unknown) => boolean) & { errors?: unknown };

// The validator that the framework validates requests with; it is nobody else's dependency.
const ofFastify = createRequire(createRequire(import.meta.url).resolve("fastify"));
const { Ajv2020 } = createRequire(ofFastify.resolve("@fastify/ajv-compiler"))("ajv/dist/2020.js") as {
  Ajv2020: new (options: object) => { compile: (schema: object) => Check };
};
const ajv = new Ajv2020({ strict: true, allErrors: true });
/** By the schema's text: every operator of a process has the same document. */
const compiled = new Map<string, Check>();

export interface OpenApiDocument {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
}

export interface Operation {
  summary?: string;
  tags?: string[];
  requestBody?: unknown;
  parameters?: { in: string; name: string }[];
  responses: Record<string, { description?: string; content?: Record<string, { schema?: object }> }>;
}

/** The operation that a request is for, with its path as the document has it; null when there is none. */
export function operationOf(
  { paths }: OpenApiDocument,
  method: string,
  url: string,
): { path: string; operation: Operation } | null {
  const asked = url.split("?", 1)[0] as string;
  // What is named exactly counts more than a parameter.
  const candidates = Object.keys(paths).sort((a, b) => Number(a.includes("{")) - Number(b.includes("{")));
  for (const path of candidates) {
    const pattern = new RegExp(`^${path.replaceAll(/\{[^}]+\}/g, "[^/]+").replaceAll(".", "\\.")}$`);
    const operation = paths[path]?.[method.toLowerCase()];
    if (operation !== undefined && pattern.test(asked)) return { path, operation };
  }
  return null;
}

/** What is wrong with an answer, by the document; null when it is as documented, or nothing is said of it. */
export function faultOf({ responses }: Operation, status: number, type: string, body: unknown): string | null {
  const response = responses[String(status)] ?? responses["default"];
  const schema = response?.content?.[type.split(";", 1)[0] as string]?.schema;
  if (schema === undefined) return `nothing is said of ${status} ${type}`;
  const text = JSON.stringify(schema);
  let check = compiled.get(text);
  if (check === undefined) compiled.set(text, (check = ajv.compile(JSON.parse(text) as object)));
  return check(body) ? null : JSON.stringify(check.errors);
}
