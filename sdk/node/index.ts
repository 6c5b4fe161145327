// What needs files: for Node only.
export { fileStore, textFile } from "./fileStore.ts";
