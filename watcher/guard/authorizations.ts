import { authorizer, type SignedAuthorization } from "@plasma-billing/sdk";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import type { OutputId } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { Problem } from "../http/problems.ts";
import type { GuardRecords } from "./records.ts";

/** Of one address: twice what an account with so many outputs needs that a watcher can exit for it within hours. */
const AUTHORIZATIONS_MAX = 100_000;
/** An authorization is used only when there is that much time to have the transaction mined. */
const MINED_SECONDS = 1_800;

/** Who signed what for whom. */
export class Authorizations {
  private readonly records: GuardRecords;
  private readonly separator: Hex;
  private readonly guarded: ReadonlySet<Address>;
  private readonly bondOwner: Address | null;

  /** @param bondOwner The account that pays bonds; null: this watcher sends nothing */
  constructor(records: GuardRecords, separator: Hex, guarded: ReadonlySet<Address>, bondOwner: Address | null) {
    this.records = records;
    this.separator = separator;
    this.guarded = guarded;
    this.bondOwner = bondOwner;
  }

  /**
   * Keeps all of them, or none.
   * @param now - Seconds
   * @throws Problem NO_KEY, UNAUTHORIZED, WRONG_BOND_OWNER, EXPIRED, BAD_SIGNATURE, TOO_MANY, with the index of the first
   */
  take(list: readonly SignedAuthorization[], now: number): void {
    const { bondOwner, records } = this;
    if (bondOwner === null) throw new Problem("NO_KEY", "this watcher has no key: it can exit for nobody");
    const lower = list.map((one) => ({
      ...{ blockNumber: one.blockNumber, deadline: one.deadline, signature: one.signature.toLowerCase() as Hex },
      owner: one.owner.toLowerCase() as Address,
      outputId: one.outputId.toLowerCase() as OutputId,
      bondOwner: one.bondOwner.toLowerCase() as Address,
    }));
    for (const [index, authorization] of lower.entries()) this.check(authorization, { index, now, bondOwner });
    for (const owner of new Set(lower.map((one) => one.owner))) {
      const count = records.authorizationsOf(owner) + lower.filter((one) => one.owner === owner).length;
      if (count <= AUTHORIZATIONS_MAX) continue;
      const message = `more than ${AUTHORIZATIONS_MAX} authorizations of one address: put outputs together first`;
      throw new Problem("TOO_MANY", message, { owner, count });
    }
    records.authorize(lower);
  }

  /** The owner's word for an exit of an output, if there is one that holds long enough. @param now - Seconds */
  of(id: OutputId, blockNumber: number, owner: Address, now: number): SignedAuthorization | null {
    if (this.bondOwner === null) return null;
    const found = this.records.authorization(id, blockNumber, owner, this.bondOwner);
    return found !== null && found.deadline >= now + MINED_SECONDS ? found : null;
  }

  private check(
    authorization: SignedAuthorization,
    { index, now, bondOwner }: { index: number; now: number; bondOwner: Address },
  ): void {
    const { owner, deadline } = authorization;
    if (!this.guarded.has(owner)) {
      throw new Problem("UNAUTHORIZED", `${owner} is not guarded by this watcher`, { index, owner });
    }
    if (authorization.bondOwner !== bondOwner) {
      const context = { index, bondOwner: authorization.bondOwner, expected: bondOwner };
      throw new Problem("WRONG_BOND_OWNER", `this watcher pays the bonds: they go back to ${bondOwner}`, context);
    }
    if (deadline < now + MINED_SECONDS) {
      throw new Problem("EXPIRED", "the deadline is past, or too near to be used", { index, deadline, now });
    }
    const signer = authorizer(this.separator, authorization);
    if (signer !== owner) {
      throw new Problem("BAD_SIGNATURE", `the signature is not the owner's`, { index, owner, signer });
    }
  }
}
