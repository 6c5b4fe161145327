// The run ends when its tests do: what a test left open is named, and does not keep the process for ever.
import { ChildProcess } from "node:child_process";

const PATIENCE_MS = 20_000;

/** The run's open handles, as far as Node tells: children by their command, the rest by kind. */
const openHandles = (): string[] => {
  const handles = (process as unknown as { _getActiveHandles(): object[] })._getActiveHandles();
  const children = handles.filter((handle) => handle instanceof ChildProcess);
  for (const child of children) child.kill("SIGKILL");
  return [...children.map((child) => child.spawnargs.join(" ")), ...process.getActiveResourcesInfo()];
};

after(() => {
  setTimeout(() => {
    console.error(`the tests are over, the process is not: a test left open ${openHandles().join(", ")}`);
    process.exit();
  }, PATIENCE_MS).unref();
});
