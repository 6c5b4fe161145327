/** `FUZZ_RUNS=20 mocha test/fuzz` tries twenty times as much. */
export const FUZZ_RUNS = Number(process.env["FUZZ_RUNS"] ?? 1);
