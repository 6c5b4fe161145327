// `npm run villains [-- --list | --only NAME | --soak MINUTES]`: thieves against a watcher, each a process on a real chain.
import { main } from "../test/villains/main.ts";

process.exitCode = await main(process.argv.slice(2));
