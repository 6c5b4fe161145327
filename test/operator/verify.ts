import { expect } from "chai";
import { Signature, Wallet, toBeHex } from "ethers";
import fc from "fast-check";
import { fromHex, type Hex } from "@plasma-billing/protocol/hex.ts";
import { domainSeparator } from "@plasma-billing/protocol/typedData.ts";
import { transactionHash } from "@plasma-billing/protocol/transaction.ts";
import { recover, verifyPayment } from "../../operator/verify.ts";
import { DOMAIN, anyTransaction, bytes32 } from "../helpers/protocol.ts";

const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const separator = domainSeparator(DOMAIN);
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
        const signed = wallet.signingKey.sign(hash).serialized as Hex;
        const payment = verifyPayment(separator, {
          ...transaction,
          signatures: [signed, `0x${"00".repeat(65)}`, signed],
        });
        expect(payment.hash).to.equal(hash);
        expect(payment.signers).to.deep.equal([wallet.address.toLowerCase(), null, wallet.address.toLowerCase()]);
      }),
    );
  });
});
