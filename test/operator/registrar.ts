import { expect } from "chai";
import { Wallet } from "ethers";
import type { JsonEntry } from "@plasma-billing/protocol/entries.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { Ledger } from "@plasma-billing/protocol/ledger.ts";
import { ROLES } from "@plasma-billing/protocol/market/roles.ts";
import { DOMAIN_NAME, DOMAIN_VERSION, TYPES, type Address } from "@plasma-billing/protocol/typedData.ts";
import { Registrar, RegistrarBusyError, type RegistrationRequest } from "../../operator/market/registrar.ts";
import { devKey, ETHER } from "../helpers/chain.ts";
import { CONTRACT, DOMAIN } from "../helpers/protocol.ts";

describe("the registrar's limits", () => {
  it("entries that cost nothing are taken at a bounded rate; what was taken before is answered all the same", async () => {
    const ledger = new Ledger(DOMAIN);
    ledger.apply({ type: "genesis", version: 1, chainId: DOMAIN.chainId, contract: CONTRACT, createdAt: 0 });
    let now = 1_000_000_000;
    let overloaded = false;
    const sequencer = {
      get overloaded() {
        return overloaded;
      },
      record: async (entries: readonly JsonEntry[]) => {
        for (const entry of entries) ledger.apply(entry);
        await Promise.resolve();
      },
      whenDurable: async () => await Promise.resolve(),
    };
    const registrar = new Registrar({
      ...{ ledger, sequencer, clock: { now: () => now }, pricing: null },
      limits: { burst: 3, perSecond: 2 },
    });
    const request = async (index: number): Promise<RegistrationRequest> => {
      const wallet = new Wallet(devKey(index));
      const domain = { name: DOMAIN_NAME, version: DOMAIN_VERSION, ...DOMAIN };
      const message = { account: wallet.address, role: ROLES.mart, validator: ETHER, issuedAt: 1 };
      const signature = (await wallet.signTypedData(domain, { Registration: [...TYPES.Registration] }, message)) as Hex;
      const account = wallet.address.toLowerCase() as Address;
      return { account, role: "mart", validator: null, issuedAt: 1, signature };
    };
    const requests = await Promise.all(Array.from({ length: 8 }, async (_, i) => await request(i)));
    const ask = async (index: number): Promise<string> => {
      try {
        return await registrar.register(requests[index]!);
      } catch (error) {
        if (error instanceof RegistrarBusyError) return "busy";
        throw error;
      }
    };
    expect([await ask(0), await ask(1), await ask(2), await ask(3)]).to.deep.equal(["taken", "taken", "taken", "busy"]);
    expect(await ask(0)).to.equal("known");
    now += 1_000;
    expect([await ask(3), await ask(4), await ask(5)]).to.deep.equal(["taken", "taken", "busy"]);
    // A clock that was set back gives nothing, and takes nothing.
    now -= 3_600_000;
    expect(await ask(5)).to.equal("busy");
    now += 10_000;
    overloaded = true;
    expect(await ask(5)).to.equal("busy");
    overloaded = false;
    expect([await ask(5), await ask(6), await ask(7), await ask(7)]).to.deep.equal([
      "taken",
      "taken",
      "taken",
      "known",
    ]);
    expect(ledger.market.accounts.size).to.equal(8);
  });
});
