import type { Session } from "./session.ts";

/** Makes a command's action of work on a session, which is closed whatever happens. Commander gives arguments, then options. */
export type Runner = <A extends unknown[]>(
  work: (session: Session, ...args: A) => Promise<void>,
) => (...args: A) => Promise<void>;
