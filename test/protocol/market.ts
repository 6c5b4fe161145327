import { expect } from "chai";
import fc from "fast-check";
import type { MarketEntry, OfferEntry, QuoteEntry, RegistrationEntry } from "@plasma-billing/protocol/entries.ts";
import { decodeEntry, encodeEntry } from "@plasma-billing/protocol/entryJson.ts";
import { ProtocolError } from "@plasma-billing/protocol/errors.ts";
import { readMarket, writeMarket } from "@plasma-billing/protocol/ledgerHead.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import { marketFault } from "@plasma-billing/protocol/market/flows.ts";
import { Market } from "@plasma-billing/protocol/market/market.ts";
import { judgeOffer, judgeQuote, judgeRegistration } from "@plasma-billing/protocol/market/registry.ts";
import { sharesOf, storageFee } from "@plasma-billing/protocol/market/shares.ts";
import {
  fileHashOf,
  type Output,
  type Purpose,
  type Transaction,
  ZERO_HASH,
} from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import { addressOf } from "../helpers/protocol.ts";

const [VALIDATOR, OTHER, MART, OWNER, NODE, STORAGE, STRANGER] = [1, 2, 3, 4, 5, 6, 7].map(addressOf) as [
  ...[Address, Address, Address, Address, Address, Address, Address],
];
const [TOKEN, FIL] = [addressOf(0xa), addressOf(0xb)] as const;
const SIGNATURE: Hex = `0x${"11".repeat(65)}`;
const NOW = 1_800_000_000_000;
const SECONDS = NOW / 1000;
const FILE = "survey.csv";

const registration = (account: Address, role: RegistrationEntry["role"], more = {}): RegistrationEntry => ({
  ...{ type: "registration", account, role, validator: null, issuedAt: SECONDS, signedBy: account },
  ...{ signature: SIGNATURE, recordedAt: NOW, ...more },
});
const offer = (more: Partial<OfferEntry> = {}): OfferEntry => ({
  ...{ type: "offer", fileId: FILE, validator: VALIDATOR, owner: OWNER, token: TOKEN, price: 1000n },
  ...{ ownerShareBps: 2_000, serviceShareBps: 1_000, version: 1, signature: SIGNATURE, name: null, size: null },
  ...{ extension: null, mimeType: null, metadata: null, recordedAt: NOW, ...more },
});
const quote = (more: Partial<QuoteEntry> = {}): QuoteEntry => ({
  ...{ type: "quote", fileId: FILE, validator: VALIDATOR, serviceNode: NODE, token: TOKEN, fee: 50n, sizeBytes: 10 },
  ...{ days: 3, expiresAt: SECONDS + 3600, signature: SIGNATURE, recordedAt: NOW, ...more },
});

function openMarket(...more: MarketEntry[]): Market {
  const market = new Market();
  const people = [
    registration(VALIDATOR, "validator"),
    registration(OTHER, "validator"),
    registration(MART, "mart"),
    registration(STORAGE, "storage"),
    registration(NODE, "serviceNode", { signedBy: null, signature: null, issuedAt: 0 }),
  ];
  for (const entry of [...people, ...more]) market.apply(entry);
  return market;
}

const codeOf = (judge: () => unknown): string => {
  try {
    return String(judge());
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
};

const pay = (
  market: Market,
  purpose: Purpose,
  spent: Output[],
  outputs: [Address, bigint, Address?][],
  now = NOW,
): string | null => {
  const transaction: Transaction = {
    ...{ purpose, inputs: spent.map(() => ZERO_HASH) },
    outputs: outputs.map(([owner, amount, token = TOKEN]) => ({ owner, token, amount })),
    fileHash: purpose === "swap" || purpose === "transfer" ? ZERO_HASH : fileHashOf(FILE),
  };
  return marketFault(market, transaction, spent, now)?.code ?? null;
};
const own = (owner: Address, amount: bigint, token: Address = TOKEN): Output => ({ owner, token, amount });

describe("protocol: shares of a price", () => {
  it("add up to the unit for every price from 1 to 10^30", () => {
    const bps = fc.integer({ min: 0, max: 10_000 });
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 10n ** 30n }), bps, bps, (price, owner, rest) => {
        const service = Math.min(rest, 10_000 - owner);
        const shares = sharesOf(price, owner, service);
        expect(shares.owner + shares.serviceNode + shares.validator).to.equal(price);
        expect(shares.validator >= 0n).to.equal(true);
        // Floored: not a unit more than the exact share, and less than one below it.
        expect(shares.owner * 10_000n <= price * BigInt(owner)).to.equal(true);
        expect((shares.owner + 1n) * 10_000n > price * BigInt(owner)).to.equal(true);
        expect((shares.serviceNode + 1n) * 10_000n > price * BigInt(service)).to.equal(true);
      }),
      { numRuns: 2_000 },
    );
    for (const price of [1n, 2n, 9_999n, 10_000n, 10_001n, 10n ** 30n]) {
      const { owner, serviceNode, validator } = sharesOf(price, 3_333, 3_333);
      expect(owner + serviceNode + validator).to.equal(price);
    }
  });

  it("storage costs the exact fee, rounded up", () => {
    expect(storageFee(2 ** 30, 1, 7n)).to.equal(7n);
    expect(storageFee(2 ** 30 + 1, 1, 7n)).to.equal(8n);
    expect(storageFee(1, 1, 1n)).to.equal(1n);
    expect(storageFee(Number.MAX_SAFE_INTEGER, 36_500, 10n ** 18n)).to.equal(
      (BigInt(Number.MAX_SAFE_INTEGER) * 36_500n * 10n ** 18n + 2n ** 30n - 1n) / 2n ** 30n,
    );
  });
});

describe("protocol: registration", () => {
  it("an account registers itself; the same again is answered as before; another role is taken", () => {
    const market = openMarket();
    const entry = registration(STRANGER, "mart");
    expect(codeOf(() => judgeRegistration(market, entry, STRANGER))).to.equal("taken");
    market.apply(entry);
    expect(codeOf(() => judgeRegistration(market, entry, STRANGER))).to.equal("known");
    const other = registration(STRANGER, "storage", { issuedAt: SECONDS + 1 });
    expect(codeOf(() => judgeRegistration(market, other, STRANGER))).to.equal("ROLE_TAKEN");
    expect(market.roleOf(STRANGER)).to.equal("mart");
  });

  it("a validator registers its owner; the owner's own signature replaces that once, when it is newer", () => {
    const market = openMarket();
    const byValidator = registration(OWNER, "owner", { validator: VALIDATOR, signedBy: VALIDATOR });
    expect(codeOf(() => judgeRegistration(market, byValidator, VALIDATOR))).to.equal("taken");
    market.apply(byValidator);
    const ownWish = { validator: OTHER, signedBy: OWNER };
    const notNewer = registration(OWNER, "owner", ownWish);
    expect(codeOf(() => judgeRegistration(market, notNewer, OWNER))).to.equal("ROLE_TAKEN");
    const newer = registration(OWNER, "owner", { ...ownWish, issuedAt: SECONDS + 1 });
    expect(codeOf(() => judgeRegistration(market, newer, OTHER))).to.equal("ROLE_TAKEN");
    expect(codeOf(() => judgeRegistration(market, newer, OWNER))).to.equal("taken");
    market.apply(newer);
    const again = registration(OWNER, "owner", { validator: VALIDATOR, signedBy: OWNER, issuedAt: SECONDS + 2 });
    expect(codeOf(() => judgeRegistration(market, again, OWNER))).to.equal("ROLE_TAKEN");
    expect(market.registration(OWNER)?.validator).to.equal(OTHER);
  });

  it("a validator cannot sign so far ahead that its owner is never newer", () => {
    const entry = registration(OWNER, "owner", { validator: VALIDATOR, issuedAt: SECONDS + 601 });
    expect(codeOf(() => judgeRegistration(openMarket(), entry, VALIDATOR))).to.equal("MALFORMED");
  });

  it("is nobody else's, nor for a validator that is none, nor as the service node", () => {
    const market = openMarket();
    const judge = (entry: RegistrationEntry, signer: Address | null): string =>
      codeOf(() => judgeRegistration(market, entry, signer));
    expect(judge(registration(STRANGER, "mart"), OTHER)).to.equal("BAD_SIGNATURE");
    expect(judge(registration(STRANGER, "mart"), null)).to.equal("BAD_SIGNATURE");
    expect(judge(registration(STRANGER, "validator", { validator: VALIDATOR }), VALIDATOR)).to.equal("MALFORMED");
    expect(judge(registration(STRANGER, "owner"), STRANGER)).to.equal("MALFORMED");
    expect(judge(registration(STRANGER, "owner", { validator: MART }), STRANGER)).to.equal("WRONG_ROLE");
    expect(judge(registration(STRANGER, "owner", { validator: VALIDATOR }), OTHER)).to.equal("BAD_SIGNATURE");
    expect(judge(registration(STRANGER, "serviceNode"), STRANGER)).to.equal("WRONG_ROLE");
  });

  it("another service node takes the role from the one before", () => {
    const market = openMarket(registration(STRANGER, "serviceNode", { signedBy: null, signature: null }));
    expect([market.serviceNode, market.roleOf(NODE)]).to.deep.equal([STRANGER, null]);
  });
});

describe("protocol: offers and quotes", () => {
  const uploaded = (): Market => {
    const market = openMarket(quote());
    market.bind(fileHashOf(FILE), VALIDATOR);
    return market;
  };

  it("of two versions the higher counts, the same is answered as before, an older is stale", () => {
    const market = uploaded();
    expect(codeOf(() => judgeOffer(market, offer({ version: 5 }), VALIDATOR))).to.equal("taken");
    market.apply(offer({ version: 5 }));
    expect(codeOf(() => judgeOffer(market, offer({ version: 5 }), VALIDATOR))).to.equal("known");
    expect(codeOf(() => judgeOffer(market, offer({ version: 5, price: 1n }), VALIDATOR))).to.equal("STALE_VERSION");
    expect(codeOf(() => judgeOffer(market, offer({ version: 4 }), VALIDATOR))).to.equal("STALE_VERSION");
    expect(codeOf(() => judgeOffer(market, offer({ version: 6, price: 1n }), VALIDATOR))).to.equal("taken");
  });

  it("an offer is the validator's of its own uploaded file", () => {
    const market = uploaded();
    const judge = (entry: OfferEntry, signer: Address | null = entry.validator): string =>
      codeOf(() => judgeOffer(market, entry, signer));
    expect(judge(offer(), OTHER)).to.equal("BAD_SIGNATURE");
    expect(judge(offer({ validator: OTHER }))).to.equal("WRONG_FILE");
    expect(judge(offer({ validator: STRANGER }))).to.equal("WRONG_ROLE");
    expect(judge(offer({ fileId: "never uploaded" }))).to.equal("UNKNOWN_FILE");
    expect(judge(offer({ price: 0n }))).to.equal("MALFORMED");
    expect(judge(offer({ ownerShareBps: 9_001 }))).to.equal("MALFORMED");
    expect(judge(offer({ owner: MART }))).to.equal("WRONG_ROLE");
    expect(judge(offer({ owner: VALIDATOR }))).to.equal("taken");
    expect(judge(offer({ fileId: "\ud800" }))).to.equal("MALFORMED");
    expect(judge(offer({ fileId: "é".repeat(65) }))).to.equal("MALFORMED");
  });

  it("a quote is the service node's, for a registered validator's own file, and not yet expired", () => {
    const market = uploaded();
    const judge = (entry: QuoteEntry, signer: Address | null = entry.serviceNode): string =>
      codeOf(() => judgeQuote(market, entry, signer));
    expect(judge(quote())).to.equal("known");
    expect(judge(quote({ signature: `0x${"22".repeat(65)}` }))).to.equal("taken");
    expect(judge(quote(), STRANGER)).to.equal("BAD_SIGNATURE");
    expect(judge(quote({ serviceNode: STRANGER }))).to.equal("WRONG_ROLE");
    expect(judge(quote({ validator: STRANGER }))).to.equal("WRONG_ROLE");
    expect(judge(quote({ validator: OTHER }))).to.equal("WRONG_FILE");
    expect(judge(quote({ expiresAt: SECONDS }))).to.equal("MALFORMED");
    expect(judge(quote({ fee: 0n }))).to.equal("MALFORMED");
  });
});

describe("protocol: the marketplace's flows", () => {
  it("upload: one registered validator pays the fee of a quote for an unbound file or its own", () => {
    const market = openMarket(quote());
    const upload = (spent: Output[], outputs: [Address, bigint, Address?][], now = NOW): string | null =>
      pay(market, "upload", spent, outputs, now);
    const mine = [own(VALIDATOR, 100n)];
    expect(upload([own(MART, 100n)], [[NODE, 50n]])).to.equal("WRONG_ROLE");
    expect(upload([own(VALIDATOR, 50n), own(OTHER, 50n)], [[NODE, 100n]])).to.equal("WRONG_ROLE");
    expect(upload([own(OTHER, 100n)], [[NODE, 100n]])).to.equal("NO_QUOTE");
    expect(
      upload(
        mine,
        [
          [NODE, 50n],
          [VALIDATOR, 50n],
        ],
        NOW + 3_600_000,
      ),
    ).to.equal("NO_QUOTE");
    expect(
      upload(mine, [
        [NODE, 50n, FIL],
        [VALIDATOR, 50n],
      ]),
    ).to.equal("WRONG_TOKEN");
    expect(upload(mine, [[VALIDATOR, 100n]])).to.equal("WRONG_TOKEN");
    expect(
      upload(mine, [
        [NODE, 49n],
        [VALIDATOR, 51n],
      ]),
    ).to.equal("UNDERPAID");
    expect(
      upload(mine, [
        [NODE, 50n],
        [VALIDATOR, 50n],
      ]),
    ).to.equal(null);
    expect(
      upload(mine, [
        [NODE, 30n],
        [NODE, 20n],
        [VALIDATOR, 50n],
      ]),
    ).to.equal(null);
    market.bind(fileHashOf(FILE), VALIDATOR);
    expect(market.file(fileHashOf(FILE))).to.deep.include({ fileId: FILE, validator: VALIDATOR });
    expect(
      upload(mine, [
        [NODE, 50n],
        [VALIDATOR, 50n],
      ]),
    ).to.equal(null);
    expect(upload([own(OTHER, 100n)], [[NODE, 100n]])).to.equal("WRONG_FILE");
    market.bind(fileHashOf(FILE), OTHER);
    expect(market.file(fileHashOf(FILE))?.validator).to.equal(VALIDATOR);
  });

  it("a quote is a promise: what somebody else has quoted later does not make it dearer", () => {
    const market = openMarket(quote(), quote({ fee: 10n ** 20n, days: 9_999 }));
    expect(pay(market, "upload", [own(VALIDATOR, 50n)], [[NODE, 50n]])).to.equal(null);
    expect(pay(market, "upload", [own(VALIDATOR, 49n)], [[NODE, 49n]])).to.equal("UNDERPAID");
  });

  it("extension: only of a file that was uploaded", () => {
    const market = openMarket(quote());
    expect(pay(market, "extension", [own(VALIDATOR, 50n)], [[NODE, 50n]])).to.equal("UNKNOWN_FILE");
    market.bind(fileHashOf(FILE), VALIDATOR);
    expect(pay(market, "extension", [own(VALIDATOR, 50n)], [[NODE, 50n]])).to.equal(null);
    expect(pay(market, "extension", [own(OTHER, 50n)], [[NODE, 50n]])).to.equal("WRONG_FILE");
  });

  it("purchase: exactly the shares of the offer, beside the mart's own change", () => {
    const market = openMarket(quote());
    const buy = (spent: Output[], outputs: [Address, bigint, Address?][]): string | null =>
      pay(market, "purchase", spent, outputs);
    const money = [own(MART, 1_500n)];
    const split: [Address, bigint][] = [
      [VALIDATOR, 700n],
      [OWNER, 200n],
      [NODE, 100n],
    ];
    expect(buy(money, [...split, [MART, 500n]])).to.equal("UNKNOWN_FILE");
    market.bind(fileHashOf(FILE), VALIDATOR);
    expect(buy(money, [...split, [MART, 500n]])).to.equal("UNKNOWN_FILE");
    market.apply(offer());
    expect(buy([own(VALIDATOR, 1_500n)], split)).to.equal("WRONG_ROLE");
    expect(buy(money, [...split, [MART, 500n]])).to.equal(null);
    expect(
      buy(money, [
        [VALIDATOR, 1000n, FIL],
        [MART, 500n],
      ]),
    ).to.equal("WRONG_TOKEN");
    expect(
      buy(money, [
        [VALIDATOR, 699n],
        [OWNER, 200n],
        [NODE, 100n],
        [MART, 501n],
      ]),
    ).to.equal("UNDERPAID");
    expect(
      buy(money, [
        [VALIDATOR, 701n],
        [OWNER, 199n],
        [NODE, 100n],
        [MART, 500n],
      ]),
    ).to.equal("WRONG_SPLIT");
    expect(buy(money, [...split, [STRANGER, 1n], [MART, 499n]])).to.equal("WRONG_SPLIT");
    expect(
      buy(money, [
        [VALIDATOR, 700n],
        [OWNER, 150n],
        [OWNER, 50n],
        [NODE, 100n],
        [MART, 500n],
      ]),
    ).to.equal(null);
  });

  it("purchase: a mart that has a share itself pays the others theirs, and has it in its change", () => {
    const market = openMarket(quote());
    market.bind(fileHashOf(FILE), VALIDATOR);
    market.apply(offer({ owner: MART }));
    const buy = (outputs: [Address, bigint][]): string | null => pay(market, "purchase", [own(MART, 1_500n)], outputs);
    const others: [Address, bigint][] = [
      [VALIDATOR, 700n],
      [NODE, 100n],
    ];
    expect(buy([...others, [MART, 700n]])).to.equal(null);
    expect(
      buy([
        [VALIDATOR, 699n],
        [NODE, 100n],
        [MART, 701n],
      ]),
    ).to.equal("UNDERPAID");
  });

  it("purchase: whatever the price and the shares, the exact split passes and a unit moved does not", () => {
    const bps = fc.integer({ min: 0, max: 5_000 });
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 10n ** 30n }), bps, bps, (price, ownerShareBps, serviceShareBps) => {
        const market = openMarket(quote());
        market.bind(fileHashOf(FILE), VALIDATOR);
        market.apply(offer({ price, ownerShareBps, serviceShareBps }));
        const shares = sharesOf(price, ownerShareBps, serviceShareBps);
        const split = (
          [
            [VALIDATOR, shares.validator],
            [OWNER, shares.owner],
            [NODE, shares.serviceNode],
          ] as [Address, bigint][]
        ).filter(([, amount]) => amount > 0n);
        expect(pay(market, "purchase", [own(MART, price)], split)).to.equal(null);
        const [first, second] = split;
        if (first === undefined || second === undefined) return;
        const moved: [Address, bigint][] = [[first[0], first[1] + 1n], [second[0], second[1] - 1n], ...split.slice(2)];
        expect(pay(market, "purchase", [own(MART, price)], moved)).to.equal("WRONG_SPLIT");
        expect(
          pay(
            market,
            "purchase",
            [own(MART, price)],
            [
              [first[0], price - 1n],
              [MART, 1n],
            ],
          ),
        ).to.equal("UNDERPAID");
      }),
      { numRuns: 300 },
    );
  });

  it("swap: the service node's token against a storage provider's, change apart", () => {
    const market = openMarket();
    const swap = (spent: Output[], outputs: [Address, bigint, Address?][]): string | null =>
      pay(market, "swap", spent, outputs);
    const sides = [own(NODE, 100n), own(STORAGE, 30n, FIL)];
    expect(
      swap(sides, [
        [STORAGE, 90n],
        [NODE, 10n],
        [NODE, 20n, FIL],
        [STORAGE, 10n, FIL],
      ]),
    ).to.equal(null);
    expect(swap([own(NODE, 100n)], [[STORAGE, 100n]])).to.equal("WRONG_ROLE");
    expect(
      swap(
        [own(NODE, 100n), own(MART, 30n, FIL)],
        [
          [MART, 100n],
          [NODE, 30n, FIL],
        ],
      ),
    ).to.equal("WRONG_ROLE");
    expect(
      swap(
        [...sides, own(MART, 1n)],
        [
          [STORAGE, 101n],
          [NODE, 30n, FIL],
        ],
      ),
    ).to.equal("WRONG_ROLE");
    expect(
      swap(
        [own(NODE, 1n), own(STORAGE, 1n)],
        [
          [STORAGE, 1n],
          [NODE, 1n],
        ],
      ),
    ).to.equal("NOT_A_SWAP");
    expect(
      swap(
        [...sides, own(NODE, 5n, FIL)],
        [
          [STORAGE, 100n],
          [NODE, 35n, FIL],
        ],
      ),
    ).to.equal("NOT_A_SWAP");
    expect(
      swap(sides, [
        [STORAGE, 99n],
        [STRANGER, 1n],
        [NODE, 30n, FIL],
      ]),
    ).to.equal("NOT_A_SWAP");
    expect(
      swap(sides, [
        [STORAGE, 100n],
        [STORAGE, 30n, FIL],
      ]),
    ).to.equal("NOT_A_SWAP");
    expect(
      swap(sides, [
        [NODE, 100n],
        [NODE, 30n, FIL],
      ]),
    ).to.equal("NOT_A_SWAP");
  });
});

describe("protocol: the market's state", () => {
  it("is the same after its records were written and read, expired quotes gone", () => {
    const market = openMarket(
      quote({ expiresAt: SECONDS + 10 }),
      quote({ recordedAt: NOW + 60_000, fileId: "later", signature: `0x${"33".repeat(65)}` }),
    );
    expect(market.quoteCount).to.equal(1);
    market.bind(fileHashOf("later"), VALIDATOR);
    market.apply(offer({ fileId: "later", metadata: '{"a":"n"}', name: "a\nb" }));
    market.apply({ type: "swapProposal", hash: ZERO_HASH, payment: "0x01", expiresAt: SECONDS, recordedAt: NOW });
    const again = new Market();
    for (const record of readMarket(writeMarket(market.records()))) again.restore(record);
    expect(again.records()).to.deep.equal(market.records());
    expect(again.serviceNode).to.equal(NODE);
    expect(again.quotesFor(fileHashOf("later"), VALIDATOR, NOW + 60_000)).to.have.length(1);
  });

  it("its entries come back from JSON as they went", () => {
    const entries: MarketEntry[] = [registration(OWNER, "owner", { validator: VALIDATOR }), offer(), quote()];
    for (const entry of entries) expect(decodeEntry(encodeEntry(entry))).to.deep.equal(entry);
  });
});
