import { expect } from "chai";
import { Signature, Wallet, toBeHex } from "ethers";
import fc from "fast-check";
import { fromHex, toHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { domainSeparator } from "@plasma-billing/protocol/typedData.ts";
import { transactionHash } from "@plasma-billing/protocol/transaction.ts";
import { encodePayment } from "@plasma-billing/protocol/paymentBytes.ts";
import { verifiedPaymentBytes } from "@plasma-billing/protocol/verifiedPayment.ts";
import { recover as recoverBytes, verifyPayment } from "@plasma-billing/ethereum/verification/recover.ts";
import { DOMAIN, anyTransaction, bytes32 } from "../helpers/protocol.ts";

const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const separator = domainSeparator(DOMAIN);
function recover(digest: Uint8Array, signature: Uint8Array): Hex | null {
  const address = recoverBytes(digest, signature);
  return address === null ? null : toHex(address);
}
const key = fc.bigInt({ min: 1n, max: CURVE_ORDER - 1n }).map((number) => toBeHex(number, 32));

describe("verification of signatures, by the contract's rules", () => {
  it("recovers who signed, as ethers signs", () => {
    fc.assert(
      fc.property(key, bytes32, (privateKey, digest) => {
        const wallet = new Wallet(privateKey);
        const { serialized } = wallet.signingKey.sign(digest);
        expect(recover(fromHex(digest), fromHex(serialized as Hex))).to.equal(wallet.address.toLowerCase());
      }),
    );
  });

  it("takes no other form: s in the upper half, v other than 27 and 28, other lengths, what no key can have made", () => {
    fc.assert(
      fc.property(key, bytes32, fc.nat(255), (privateKey, digest, v) => {
        const signature = Signature.from(new Wallet(privateKey).signingKey.sign(digest).serialized);
        const parts = (r: string, s: string, last: number): Hex =>
          `0x${r.slice(2)}${s.slice(2)}${toBeHex(last).slice(2)}` as Hex;
        const none = (hex: Hex): void =>
          expect(recover(fromHex(digest), fromHex(hex))).to.equal(null) as unknown as void;
        const highS = toBeHex(CURVE_ORDER - BigInt(signature.s), 32);
        none(parts(signature.r, highS, 27));
        none(parts(signature.r, highS, 28));
        if (v !== 27 && v !== 28) none(parts(signature.r, signature.s, v));
        none(signature.serialized.slice(0, -2) as Hex);
        none(`${signature.serialized}00` as Hex);
        none(parts(toBeHex(0, 32), signature.s, 27));
        none(parts(signature.r, toBeHex(0, 32), 27));
        none(parts(toBeHex(CURVE_ORDER, 32), signature.s, 27));
      }),
      { numRuns: 30 },
    );
  });

  it("random bytes never throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 65, maxLength: 65 }), bytes32, (bytes, digest) => {
        const address = recover(fromHex(digest), bytes);
        if (address !== null) expect(address).to.match(/^0x[0-9a-f]{40}$/);
      }),
    );
  });

  it("gives a payment's hash and one signer a signature, in their order", () => {
    fc.assert(
      fc.property(anyTransaction, key, (transaction, privateKey) => {
        const wallet = new Wallet(privateKey);
        const hash = transactionHash(separator, transaction);
        const { serialized } = wallet.signingKey.sign(hash);
        const signatures = [serialized, `0x${"00".repeat(65)}`, serialized] as Hex[];
        const payment = { ...transaction, signatures };
        const signer = wallet.address.toLowerCase() as Hex;
        const expected = verifiedPaymentBytes(payment, fromHex(hash), [signer, null, signer]);
        expect(toHex(verifyPayment(separator, encodePayment(payment)))).to.equal(toHex(expected));
      }),
    );
  });
});
