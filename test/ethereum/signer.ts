import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Transaction, Wallet, encryptKeystoreJson } from "ethers";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { keySigner, keystoreSigner } from "@plasma-billing/ethereum/signer.ts";
import { devKey } from "../helpers/chain.ts";

describe("signers", () => {
  const wallet = new Wallet(devKey(1));
  const transaction = { type: 2, chainId: 31_337n, nonce: 3, to: wallet.address, gasLimit: 21_000n, maxFeePerGas: 5n };

  it("a key, and an encrypted keystore with the password in a file, sign the same", async () => {
    const folder = await mkdtemp(join(tmpdir(), "plasma-signer-"));
    try {
      const [path, password] = [join(folder, "key.json"), join(folder, "password")];
      const account = { address: wallet.address, privateKey: wallet.privateKey };
      await writeFile(path, await encryptKeystoreJson(account, "correct horse", { scrypt: { N: 1024 } }));
      await writeFile(password, "correct horse\n");
      const signer = await keystoreSigner(path, password);
      const plain = keySigner(devKey(1) as Hex);
      expect(signer.address).to.equal(wallet.address.toLowerCase());
      const raw = await signer.signTransaction(transaction);
      expect(raw).to.equal(await plain.signTransaction(transaction));
      expect(Transaction.from(raw).from).to.equal(wallet.address);
      await writeFile(password, "wrong");
      expect(await keystoreSigner(path, password).catch(() => "refused")).to.equal("refused");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
