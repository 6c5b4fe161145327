import type { Command } from "commander";
import type { Role } from "@plasma-billing/protocol/market/roles.ts";
import type { Paid } from "@plasma-billing/sdk";
import { UsageError } from "../errors.ts";
import type { Runner } from "../runner.ts";
import type { Session } from "../session.ts";

const ROLE_NAMES = ["validator", "mart", "owner", "storage"];

/** Paying: plainly, and in the marketplace's flows. */
export function paymentCommands(program: Command, run: Runner): void {
  plainCommands(program, run);
  storageCommands(program, run);
  saleCommands(program, run);
}

function plainCommands(program: Command, run: Runner): void {
  program
    .command("send")
    .description("pay somebody")
    .argument("<to>", "address")
    .argument("<amount>", "how much, such as 1.5")
    .argument("[token]", "ether, or a token's address", "ether")
    .action(
      run(async (session, to: string, amount: string, token: string) => {
        const [owner, units, { address }] = [
          session.address(to),
          await session.amount(amount, token),
          await session.token(token),
        ];
        const wallet = await session.wallet();
        show(session, await wallet.transfer({ to: owner, token: address, amount: units }));
      }),
    );

  program
    .command("register")
    .description("register the account in the marketplace, or an owner as its validator")
    .argument("<role>", ROLE_NAMES.join(", "))
    .option("--validator <address>", "of an owner")
    .option("--owner <address>", "an owner that this account, a validator, registers")
    .action(
      run(async (session, role: string, { validator, owner }: { validator?: string; owner?: string }) => {
        if (!ROLE_NAMES.includes(role)) throw new UsageError(`no role ${role}: one of ${ROLE_NAMES.join(", ")}`);
        const { market, address } = await session.wallet();
        if (owner !== undefined) await market.registerOwner(session.address(owner));
        else
          await market.register(
            role as Exclude<Role, "serviceNode">,
            validator === undefined ? null : session.address(validator),
          );
        session.out.show({ account: session.show(owner === undefined ? address : session.address(owner)), role });
      }),
    );
}

function storageCommands(program: Command, run: Runner): void {
  for (const [name, method, what] of [
    ["upload", "upload", "pay the service node for storing a file"],
    ["extend", "extendStorage", "pay the service node for keeping a file longer"],
  ] as const) {
    program
      .command(name)
      .description(what)
      .argument("<fileId>", "the file's id")
      .requiredOption("--size <bytes>", "its size")
      .requiredOption("--days <count>", "for how long")
      .option("--token <token>", "ether, or the address of the token that storage is paid in", "ether")
      .option("--max-fee <amount>", "refuse a dearer quote")
      .action(
        run(
          async (session, fileId: string, options: { size: string; days: string; token: string; maxFee?: string }) => {
            const [sizeBytes, days] = [whole("--size", options.size), whole("--days", options.days)];
            const { address: token } = await session.token(options.token);
            const maxFee =
              options.maxFee === undefined ? {} : { maxFee: await session.amount(options.maxFee, options.token) };
            const { market } = await session.wallet();
            const paid = await market[method]({ fileId, sizeBytes, days, token, ...maxFee });
            show(session, paid, { fileId, fee: paid.quote.fee, feeText: await session.format(paid.quote.fee, token) });
          },
        ),
      );
  }
}

function saleCommands(program: Command, run: Runner): void {
  program
    .command("offer")
    .description("offer an uploaded file for sale, or change its price")
    .argument("<fileId>", "the file's id")
    .requiredOption("--owner <address>", "whose data it is")
    .requiredOption("--price <amount>", "what it costs")
    .option("--token <token>", "ether, or a token's address", "ether")
    .option("--owner-share <bps>", "of 10,000", "0")
    .option("--service-share <bps>", "of 10,000", "0")
    .option("--name <text>", "for people")
    .action(
      run(async (session, fileId: string, options: OfferOptions) => {
        const { address: token } = await session.token(options.token);
        const { market } = await session.wallet();
        const terms = {
          ...{
            fileId,
            owner: session.address(options.owner),
            token,
            price: await session.amount(options.price, options.token),
          },
          ...{
            ownerShareBps: whole("--owner-share", options.ownerShare),
            serviceShareBps: whole("--service-share", options.serviceShare),
          },
          // Of two versions the higher counts: the time is one that grows.
          version: Math.floor(Date.now() / 1000),
        };
        await market.offer(terms, options.name === undefined ? {} : { name: options.name });
        session.out.show({ ...terms });
      }),
    );

  program
    .command("purchase")
    .description("buy a file at its offer's price")
    .argument("<fileId>", "the file's id")
    .option("--max-price <amount>", "refuse a higher price, in the offer's token")
    .option("--validator <address>", "only if it is this validator's")
    .action(
      run(async (session, fileId: string, options: { maxPrice?: string; validator?: string }) => {
        const { market } = await session.wallet();
        const { token } = await market.offerOf(fileId);
        const maxPrice =
          options.maxPrice === undefined ? {} : { maxPrice: await session.amount(options.maxPrice, token) };
        const validator = options.validator === undefined ? {} : { validator: session.address(options.validator) };
        const paid = await market.purchase({ fileId, ...maxPrice, ...validator });
        const { price } = paid.offer;
        show(session, paid, {
          fileId,
          price,
          priceText: await session.format(price, token),
          validator: paid.offer.validator,
        });
      }),
    );
}

interface OfferOptions {
  owner: string;
  price: string;
  token: string;
  ownerShare: string;
  serviceShare: string;
  name?: string;
}

function show(session: Session, { hash, blockNumber, transactionIndex, acceptedAt }: Paid, more: object = {}): void {
  const time = new Date(acceptedAt).toISOString();
  session.out.show({ payment: hash, ...more, hour: blockNumber, place: transactionIndex, state: "accepted", time });
}

function whole(name: string, text: string): number {
  const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : NaN;
  if (Number.isNaN(value)) throw new UsageError(`${name} must be a whole number: ${text}`);
  return value;
}
