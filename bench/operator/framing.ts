/** Payments behind their lengths, as a batch has them (docs/FORMATS.md). */
export function frame(payments: readonly Uint8Array[]): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(payments.reduce((sum, { length }) => sum + 2 + length, 0));
  let at = 0;
  for (const payment of payments) {
    at = bytes.writeUInt16BE(payment.length, at);
    bytes.set(payment, at);
    at += payment.length;
  }
  return bytes;
}

export function unframe(bytes: Buffer): Buffer[] {
  const payments: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const start = at + 2;
    at = start + bytes.readUInt16BE(at);
    payments.push(bytes.subarray(start, at));
  }
  return payments;
}
