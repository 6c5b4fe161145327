/** Has the explorer's files built if they are not, or from other sources. Without them the operator works, and says so. */
export async function prepareExplorer(): Promise<void> {
  try {
    const { ensureExplorer } = await import("../explorer/build.ts");
    await ensureExplorer();
  } catch (error) {
    // Standard output is the operator's log.
    console.error(`the explorer could not be built: ${error instanceof Error ? error.message : String(error)}`);
  }
}
