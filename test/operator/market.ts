import { expect } from "chai";
import { TypedDataEncoder, SigningKey } from "ethers";
import { sharesOf } from "@plasma-billing/protocol/market/shares.ts";
import { fileHashOf } from "@plasma-billing/protocol/transaction.ts";
import type { Address } from "@plasma-billing/protocol/typedData.ts";
import type { Hex } from "@plasma-billing/protocol/hex.ts";
import {
  COIN,
  MART,
  MONEY,
  offerFile,
  OWNER,
  register,
  RIVAL,
  signPrepared,
  signQuote,
  STORAGE,
  STRANGER,
  VALIDATOR,
  type OfferTerms,
} from "../helpers/market.ts";
import { DOMAIN, MemoryOperator, SERVICE_NODE, signPayment, START_MS } from "../helpers/memoryOperator.ts";
import { ETHER } from "../helpers/chain.ts";

const GIB_DAY = 1_000n;
const FILE = "surveys/2026 — Zürich.csv";
const SECONDS = Math.floor(START_MS / 1000);

describe("the marketplace over HTTP", () => {
  let operator: MemoryOperator;
  const key = new SigningKey(SERVICE_NODE.privateKey);

  beforeEach(async () => {
    operator = await MemoryOperator.start({
      pricing: {
        ...{ token: MONEY as Address, pricePerGibDay: GIB_DAY },
        sign: (digest) => key.sign(digest).serialized as Hex,
      },
    });
    await register(operator, VALIDATOR, "validator");
    await register(operator, RIVAL, "validator");
    await register(operator, MART, "mart");
    await register(operator, STORAGE, "storage");
  });
  afterEach(async () => await operator.stop());

  const terms = (more: Partial<OfferTerms> = {}): OfferTerms => ({
    ...{ fileId: FILE, validator: VALIDATOR.address, owner: OWNER.address, token: MONEY, price: "1001" },
    ...{ ownerShareBps: 2_500, serviceShareBps: 333, version: 1, ...more },
  });
  const askQuote = async (more: object = {}): Promise<any> => {
    const asked = { fileId: FILE, validator: VALIDATOR.address, token: MONEY, sizeBytes: 2 ** 31, days: 30 };
    return await operator.post("/v1/quotes", { ...asked, ...more });
  };
  /** Quotes, prepares, signs and pays an upload. */
  const upload = async (fileId = FILE): Promise<any> => {
    await operator.deposit(VALIDATOR.address, 100_000n, MONEY);
    await askQuote({ fileId });
    const prepared = await operator.post("/v1/uploads/prepare", { validator: VALIDATOR.address, fileId });
    expect(prepared.status, JSON.stringify(prepared.body)).to.equal(200);
    return await operator.post("/v1/transactions", await signPrepared(prepared.body, VALIDATOR));
  };
  const balances = async (...addresses: string[]): Promise<string[]> =>
    await Promise.all(
      addresses.map(async (address) => {
        const { body } = await operator.get(`/v1/accounts/${address}`);
        return body.balances.map((one: any) => one.available).join(" ");
      }),
    );

  it("upload, offer, purchase: everybody gets their share to the unit, and every list shows it", async () => {
    const paid = await upload();
    expect(paid.status).to.equal(201);
    expect(await balances(SERVICE_NODE.address)).to.deep.equal(["60000"]);
    const payment = (await operator.get(`/v1/transactions/${paid.body.hash}`)).body;
    expect(payment).to.deep.include({ purpose: "upload", fileId: FILE, fileHash: fileHashOf(FILE), state: "accepted" });

    expect(payment.parties).to.deep.equal([
      { address: VALIDATOR.address, role: "validator" },
      { address: SERVICE_NODE.address, role: "serviceNode" },
    ]);
    for (const query of [FILE, fileHashOf(FILE)]) {
      const found = await operator.get(`/v1/search?q=${encodeURIComponent(query)}`);
      expect(found.body.items, query).to.deep.equal([{ kind: "file", id: FILE }]);
    }

    const metadata = { rows: 120_000, tags: ["health"] };
    const offered = await offerFile(operator, VALIDATOR, terms(), {
      more: { name: "Survey", size: 2 ** 31, metadata },
    });
    expect(offered.status, JSON.stringify(offered.body)).to.equal(201);
    expect(
      (await offerFile(operator, VALIDATOR, terms(), { more: { name: "Survey", size: 2 ** 31, metadata } })).status,
    ).to.equal(200);
    const file = (await operator.get(`/v1/files/${encodeURIComponent(FILE)}`)).body;
    expect(file).to.deep.include({ fileId: FILE, price: "1001", version: 1, metadata, name: "Survey" });
    expect((await operator.get("/v1/files")).body.items).to.deep.equal([file]);

    await operator.deposit(MART.address, 1_500n, MONEY);
    const prepared = (await operator.post("/v1/purchases/prepare", { mart: MART.address, fileId: FILE })).body;
    // What a wallet signs is what ethers makes of it.
    const { EIP712Domain: _, ...types } = prepared.typedData.types;
    expect(TypedDataEncoder.hash(prepared.typedData.domain, types, prepared.typedData.message)).to.equal(prepared.hash);
    const bought = await operator.post("/v1/transactions", await signPrepared(prepared, MART));
    expect(bought.status, JSON.stringify(bought.body)).to.equal(201);
    const { parties } = (await operator.get(`/v1/transactions/${bought.body.hash}`)).body;
    expect(new Set(parties.map(({ address, role }: any) => `${role} ${address}`))).to.deep.equal(
      new Set([
        `mart ${MART.address}`,
        `owner ${OWNER.address}`,
        `serviceNode ${SERVICE_NODE.address}`,
        `validator ${VALIDATOR.address}`,
      ]),
    );
    const shares = sharesOf(1001n, 2_500, 333);
    expect(await balances(OWNER.address, SERVICE_NODE.address, VALIDATOR.address, MART.address)).to.deep.equal([
      String(shares.owner),
      String(60_000n + shares.serviceNode),
      String(40_000n + shares.validator),
      "499",
    ]);
    const purchases = (await operator.get(`/v1/files/${encodeURIComponent(FILE)}/purchases`)).body.items;
    expect(purchases.map((one: any) => one.hash)).to.deep.equal([bought.body.hash]);
    const byFile = (await operator.get(`/v1/transactions?fileId=${encodeURIComponent(FILE)}`)).body.items;
    expect(byFile.map((one: any) => one.purpose)).to.deep.equal(["purchase", "upload"]);
  });

  it("a purchase of the same file again is a new payment", async () => {
    await upload();
    await offerFile(operator, VALIDATOR, terms());
    await operator.deposit(MART.address, 5_000n, MONEY);
    for (let i = 0; i < 2; i++) {
      const { body } = await operator.post("/v1/purchases/prepare", { mart: MART.address, fileId: FILE });
      expect((await operator.post("/v1/transactions", await signPrepared(body, MART))).status).to.equal(201);
    }
    expect((await operator.get(`/v1/files/${encodeURIComponent(FILE)}/purchases`)).body.items).to.have.length(2);
  });

  it("extension: pays again for a file that is there", async () => {
    await upload();
    await askQuote({ days: 1 });
    const { body } = await operator.post("/v1/extensions/prepare", { validator: VALIDATOR.address, fileId: FILE });
    expect(body.transaction).to.deep.include({ purpose: "extension" });
    expect(body.transaction.outputs[0].amount).to.equal("2000");
    expect((await operator.post("/v1/transactions", await signPrepared(body, VALIDATOR))).status).to.equal(201);
  });

  it("swap: one side signs, the other finds it, signs too, and both have the other's token", async () => {
    await operator.deposit(SERVICE_NODE.address, 900n, MONEY);
    await operator.deposit(STORAGE.address, 50n, COIN);
    const intent = {
      storage: STORAGE.address,
      gives: { token: MONEY, amount: "700" },
      takes: { token: COIN, amount: "35" },
    };
    const { body: prepared } = await operator.post("/v1/swaps/prepare", intent);
    const half = await signPrepared(prepared, SERVICE_NODE);
    const expiresAt = SECONDS + 3_600;
    const posted = await operator.post("/v1/swaps", { transaction: half, expiresAt });
    expect(posted.status, JSON.stringify(posted.body)).to.equal(201);
    expect(posted.body).to.deep.include({ hash: prepared.hash, expiresAt });
    const found = (await operator.get(`/v1/swaps?address=${STORAGE.address}`)).body.items;
    expect(found).to.have.length(1);
    expect(found[0].transaction).to.deep.equal(half);
    expect((await operator.get(`/v1/swaps?address=${MART.address}`)).body.items).to.deep.equal([]);
    const other = await signPrepared(prepared, STORAGE);
    const signatures = found[0].transaction.signatures.map(
      (one: string | null, i: number) => one ?? other.signatures[i],
    );
    const paid = await operator.post("/v1/transactions", { ...found[0].transaction, signatures });
    expect(paid.status, JSON.stringify(paid.body)).to.equal(201);
    expect((await operator.get("/v1/swaps")).body.items).to.deep.equal([]);
    const { body } = await operator.get(`/v1/accounts/${STORAGE.address}`);
    const has = (token: string): string =>
      body.balances.find((one: any) => one.token.toLowerCase() === token)?.available;
    expect([has(MONEY), has(COIN)]).to.deep.equal(["700", "15"]);
  });

  it("a swap waits for one side only, is a swap, and is gone when it expires or an input is spent", async () => {
    await operator.deposit(SERVICE_NODE.address, 900n, MONEY);
    const coin = await operator.deposit(STORAGE.address, 50n, COIN);
    const intent = {
      storage: STORAGE.address,
      gives: { token: MONEY, amount: "700" },
      takes: { token: COIN, amount: "50" },
    };
    const { body: prepared } = await operator.post("/v1/swaps/prepare", intent);
    const none = await signPrepared(prepared);
    const half = await signPrepared(prepared, SERVICE_NODE);
    const forged = await signPrepared(prepared, SERVICE_NODE);
    forged.signatures[0] = (await signPrepared(prepared, STORAGE)).signatures[1];
    const expiresAt = SECONDS + 3_600;
    const codes = [];
    for (const [transaction, until] of [
      [none, expiresAt],
      [await signPrepared(prepared, SERVICE_NODE, STORAGE), expiresAt],
      [forged, expiresAt],
      [half, SECONDS - 1],
      [{ ...half, outputs: half.outputs.slice(1) }, expiresAt],
    ]) {
      codes.push((await operator.post("/v1/swaps", { transaction, expiresAt: until })).body.code);
    }
    expect(codes).to.deep.equal(["MALFORMED", "MALFORMED", "BAD_SIGNATURE", "MALFORMED", "BAD_SIGNATURE"]);
    expect((await operator.post("/v1/swaps", { transaction: half, expiresAt })).status).to.equal(201);
    expect((await operator.get("/v1/swaps")).body.items).to.have.length(1);
    await operator.pay(signPayment([coin], [{ owner: STORAGE.address, token: COIN, amount: 50n }], [STORAGE]));
    expect((await operator.get("/v1/swaps")).body.items).to.deep.equal([]);
  });

  it("quotes: ours are signed by the service node, the same request gets the same; theirs are taken as signed", async () => {
    const first = await askQuote();
    expect(first.status).to.equal(201);
    expect(first.body).to.deep.include({
      fee: "60000",
      serviceNode: SERVICE_NODE.address,
      sizeBytes: 2 ** 31,
      days: 30,
    });
    const { signature, ...signed } = first.body;
    expect(await signQuote(SERVICE_NODE, signed)).to.equal(signature);
    expect((await askQuote()).body).to.deep.equal(first.body);
    expect((await askQuote({ token: COIN })).body.code).to.equal("WRONG_TOKEN");
    expect((await askQuote({ validator: STRANGER.address })).body.code).to.equal("WRONG_ROLE");
    expect((await askQuote({ sizeBytes: 0 })).body.code).to.equal("MALFORMED");
    expect((await askQuote({ fileId: "é".repeat(65) })).body.code).to.equal("MALFORMED");

    const own = { ...signed, token: COIN, fee: "7", expiresAt: SECONDS + 100_000 };
    const sent = await operator.post("/v1/quotes", { ...own, signature: await signQuote(SERVICE_NODE, own) });
    expect(sent.status, JSON.stringify(sent.body)).to.equal(201);
    const forged = await operator.post("/v1/quotes", { ...own, signature: await signQuote(STRANGER, own) });
    expect(forged.body.code).to.equal("BAD_SIGNATURE");
    expect((await operator.post("/v1/quotes", { ...own })).body.code).to.equal("MALFORMED");
  });

  it("prepare says what is missing: a quote, an offer, money, or that outputs have to be merged", async () => {
    const ask = async (path: string, body: object): Promise<any> => (await operator.post(path, body)).body;
    const mine = { validator: VALIDATOR.address, fileId: FILE };
    expect((await ask("/v1/uploads/prepare", mine)).code).to.equal("NO_QUOTE");
    await askQuote();
    const poor = await ask("/v1/uploads/prepare", mine);
    expect(poor).to.deep.include({ code: "INSUFFICIENT_FUNDS", status: 422 });
    expect(poor.context).to.deep.include({ due: "60000", available: "0" });
    for (let i = 0; i < 20; i++) await operator.deposit(VALIDATOR.address, 3_000n + BigInt(i), MONEY);
    expect((await ask("/v1/uploads/prepare", mine)).detail).to.contain("merge");
    const big = await operator.deposit(VALIDATOR.address, 58_000n, MONEY);
    const prepared = await ask("/v1/uploads/prepare", mine);
    expect(prepared.inputs.map((one: any) => one.amount)).to.deep.equal(["58000", "3019"]);
    expect((await ask("/v1/uploads/prepare", { ...mine, inputs: [big] })).code).to.equal("INSUFFICIENT_FUNDS");
    expect((await ask("/v1/purchases/prepare", { mart: MART.address, fileId: FILE })).code).to.equal("UNKNOWN_FILE");
    expect((await ask("/v1/uploads/prepare", { ...mine, extra: 1 })).code).to.equal("MALFORMED");
  });

  it("lists accounts by role and validator, newest first, in pages", async () => {
    for (const [i, owner] of [OWNER, STRANGER].entries()) {
      const by = i === 0 ? VALIDATOR : owner;
      const answer = await register(operator, owner, "owner", { validator: VALIDATOR.address, by });
      expect(answer.status, JSON.stringify(answer.body)).to.equal(201);
    }
    const owners = await operator.walk(`/v1/accounts?role=owner&validator=${VALIDATOR.address}`, 1);
    expect(owners.map((one) => one.account)).to.deep.equal([STRANGER.address, OWNER.address]);
    const all = await operator.walk("/v1/accounts", 3);
    expect(all.map((one) => one.role)).to.deep.equal([
      ...["owner", "owner", "storage", "mart", "validator", "validator", "serviceNode"],
    ]);
    const { body } = await operator.get(`/v1/accounts/${OWNER.address}`);
    expect([body.role, body.validator]).to.deep.equal(["owner", VALIDATOR.address]);
  });

  it("a start from the journal knows the market as it was", async () => {
    await upload();
    await offerFile(operator, VALIDATOR, terms());
    const before = operator.ledger.market.records();
    expect(before.map(({ type }) => type)).to.include.members(["registration", "file", "offer", "quote"]);
    const { Ledger } = await import("@plasma-billing/protocol/ledger.ts");
    const { JournalReader } = await import("../../operator/journal/reader.ts");
    const { PAYMENT_KIND, decodeEntryBytes } = await import("@plasma-billing/protocol/entryBytes.ts");
    const reader = new JournalReader((operator as unknown as { dataDir: string }).dataDir);
    const again = new Ledger({
      chainId: BigInt(DOMAIN.chainId),
      verifyingContract: DOMAIN.verifyingContract as Address,
    });
    for (const { body } of reader.read(1, operator.ledger.position, Infinity)) {
      if (body[0] === PAYMENT_KIND) again.applyPayment(body);
      else again.apply(decodeEntryBytes(body));
    }
    reader.close();
    expect(again.market.records()).to.deep.equal(before);
  });

  describe("what the first system of this kind got wrong", () => {
    it("signatures cover the whole payment: no sum, payee, file or purpose can be changed, nothing replayed", async () => {
      await upload();
      await offerFile(operator, VALIDATOR, terms());
      await operator.deposit(MART.address, 3_000n, MONEY);
      const { body } = await operator.post("/v1/purchases/prepare", { mart: MART.address, fileId: FILE });
      const signed = await signPrepared(body, MART);
      const [first, ...rest] = signed.outputs;
      for (const changed of [
        { ...signed, outputs: [{ ...first, amount: String(BigInt(first.amount) + 1n) }, ...rest] },
        { ...signed, outputs: [{ ...first, owner: STRANGER.address }, ...rest] },
        { ...signed, fileHash: fileHashOf("another") },
        { ...signed, purpose: "upload" },
      ]) {
        expect((await operator.post("/v1/transactions", changed)).body.code).to.equal("BAD_SIGNATURE");
      }
      expect((await operator.post("/v1/transactions", signed)).status).to.equal(201);
      expect((await operator.post("/v1/transactions", signed)).status).to.equal(200);
      expect(await balances(OWNER.address)).to.deep.equal(["250"]);
    });

    it("registrations, offers and quotes need a signature, for this contract on this chain", async () => {
      const elsewhere = { ...DOMAIN, chainId: 1n };
      expect((await register(operator, STRANGER, "mart", { domain: elsewhere })).body.code).to.equal("BAD_SIGNATURE");
      expect((await register(operator, STRANGER, "mart", { by: VALIDATOR })).body.code).to.equal("BAD_SIGNATURE");
      await upload();
      expect((await offerFile(operator, STRANGER, terms())).body.code).to.equal("BAD_SIGNATURE");
      expect((await offerFile(operator, VALIDATOR, terms(), { domain: elsewhere })).body.code).to.equal(
        "BAD_SIGNATURE",
      );
      expect((await operator.post("/v1/files", { ...terms() })).body.code).to.equal("MALFORMED");
    });

    it("no route takes a private key", async () => {
      const { privateKey } = STRANGER;
      for (const [path, body] of [
        ["/v1/accounts", { account: STRANGER.address, role: "mart", issuedAt: SECONDS, privateKey }],
        ["/v1/quotes", { fileId: FILE, validator: VALIDATOR.address, token: MONEY, sizeBytes: 1, days: 1, privateKey }],
        ["/v1/purchases/prepare", { mart: MART.address, fileId: FILE, privateKey }],
      ] as const) {
        const answer = await operator.post(path, body);
        expect(answer.body.code).to.equal("MALFORMED");
        expect(JSON.stringify(answer.body)).to.not.contain(privateKey);
      }
    });

    it("registering again wipes neither a balance nor a role", async () => {
      await operator.deposit(MART.address, 77n, MONEY);
      expect((await register(operator, MART, "mart")).status).to.equal(200);
      expect((await register(operator, MART, "validator", { issuedAt: 1_800_000_100 })).body.code).to.equal(
        "ROLE_TAKEN",
      );
      expect(await balances(MART.address)).to.deep.equal(["77"]);
      expect((await operator.get(`/v1/accounts/${MART.address}`)).body.role).to.equal("mart");
    });

    it("the price is the offer's, not the buyer's word; what moved is what the journal has", async () => {
      await upload();
      await offerFile(operator, VALIDATOR, terms());
      const coin = await operator.deposit(MART.address, 1_001n, MONEY);
      const fileHash = fileHashOf(FILE);
      const all = signPayment([coin], [{ owner: MART.address, token: MONEY, amount: 1_001n }], [MART], {
        purpose: "purchase",
        fileHash,
      });
      expect((await operator.post("/v1/transactions", all.json)).body).to.deep.include({
        code: "UNDERPAID",
        status: 422,
      });
      const greedy = signPayment([coin], [{ owner: VALIDATOR.address, token: MONEY, amount: 1_001n }], [MART], {
        purpose: "purchase",
        fileHash,
      });
      expect((await operator.post("/v1/transactions", greedy.json)).body.code).to.equal("WRONG_SPLIT");
      expect(await balances(MART.address, OWNER.address)).to.deep.equal(["1001", ""]);
    });

    it("amounts are integers of any size, never a float", async () => {
      await upload();
      const price = "999999999999999999999999999999";
      expect((await offerFile(operator, VALIDATOR, terms({ price }))).body.price).to.equal(price);
      for (const bad of ["1.5", "1e18", "-1", "", "01"]) {
        const signature = `0x${"11".repeat(65)}`;
        const answer = await operator.post("/v1/files", { ...terms({ version: 2 }), price: bad, signature });
        expect(answer.body.code, bad).to.equal("MALFORMED");
      }
      await operator.deposit(MART.address, BigInt(price), MONEY);
      const { body } = await operator.post("/v1/purchases/prepare", { mart: MART.address, fileId: FILE });
      expect((await operator.post("/v1/transactions", await signPrepared(body, MART))).status).to.equal(201);
      const { owner } = sharesOf(BigInt(price), 2_500, 333);
      expect(await balances(OWNER.address)).to.deep.equal([String(owner)]);
    });

    it("an upload is paid before it is bound: no fee, no file", async () => {
      await operator.deposit(VALIDATOR.address, 100_000n, MONEY);
      expect((await operator.get(`/v1/files/${encodeURIComponent(FILE)}`)).body.code).to.equal("NOT_FOUND");
      expect((await offerFile(operator, VALIDATOR, terms())).body.code).to.equal("UNKNOWN_FILE");
      await askQuote();
      expect((await operator.get(`/v1/files/${encodeURIComponent(FILE)}`)).body.code).to.equal("NOT_FOUND");
    });

    it("a file is its first payer's, whoever else asks for a quote", async () => {
      await upload();
      expect((await askQuote({ validator: RIVAL.address })).body.code).to.equal("WRONG_FILE");
      expect((await offerFile(operator, RIVAL, terms({ validator: RIVAL.address }))).body.code).to.equal("WRONG_FILE");
      expect((await offerFile(operator, VALIDATOR, terms({ owner: ETHER }))).body.code).to.equal("MALFORMED");
    });
  });
});
