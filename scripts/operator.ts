// `npm run operator`: the operator alone, with the explorer built when it is not.
import { prepareExplorer } from "./explorer.ts";

if (process.argv[2] === undefined) await prepareExplorer();
await import("../operator/main.ts");
