// The operator's API: docs/API.md.

/** Where the operator is: this server, unless the page says otherwise. */
export const API = (document.querySelector<HTMLMetaElement>('meta[name="operator"]')?.content ?? "").replace(
  /\/+$/,
  "",
);

/** The operator said no, or nothing. */
export class ApiError extends Error {
  readonly code: string;
  /** Asked again it would say the same. */
  readonly final: boolean;
  constructor(code: string, message: string, final = false) {
    super(message);
    this.code = code;
    this.final = final;
  }
}

/** @throws ApiError */
export async function get<T>(path: string, query: Record<string, string | undefined> = {}): Promise<T> {
  const set = Object.entries(query).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== "",
  );
  const search = set.length === 0 ? "" : `?${new URLSearchParams(set).toString()}`;
  let response: Response;
  try {
    response = await fetch(`${API}${path}${search}`);
  } catch {
    throw new ApiError("UNREACHABLE", "The operator does not answer.");
  }
  const body = (await response.json().catch(() => null)) as (T & { code?: string; detail?: string }) | null;
  if (response.ok && body !== null) return body;
  const final = response.status >= 400 && response.status < 500;
  throw new ApiError(body?.code ?? "BAD_ANSWER", body?.detail ?? `The operator answered ${response.status}.`, final);
}
