/** What was asked cannot be done as it was asked; the message says what to do. */
export class UsageError extends Error {
  readonly code = "USAGE";
}
