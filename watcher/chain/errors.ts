/** A stored file is not what was written to it; its block is loaded anew. */
export class StoredDataError extends Error {
  readonly path: string;

  constructor(path: string, what: string) {
    super(`${path} is damaged: ${what}`);
    this.name = "StoredDataError";
    this.path = path;
  }
}

/** There is no payment at this place, or not on Ethereum. */
export class NoSuchPaymentError extends Error {
  constructor(blockNumber: number, transactionIndex: number, why: string) {
    super(`block ${blockNumber}, payment ${transactionIndex}: ${why}`);
    this.name = "NoSuchPaymentError";
  }
}
