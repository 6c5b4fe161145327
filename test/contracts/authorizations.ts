import { expect } from "chai";
import type { ContractTransactionResponse, HDNodeWallet, Overrides } from "ethers";
import { Attack, OWNER_CALLS, type Exiting, type Nets } from "../helpers/attacks.ts";
import {
  BOND,
  BOUNTY,
  ETHER,
  failure,
  IN_FLIGHT_BOND,
  PIGGYBACK_BOND,
  type PlainTransaction,
  type Started,
} from "../helpers/game.ts";
import { fromDeposit, OUTPUT, type Authorization } from "../helpers/inFlight.ts";

/** A function that takes an authorization, and an output of Alice's to use it on. */
interface Way {
  bond: bigint;
  outputId: string;
  /** What the authorization is for. */
  blockNumber: bigint;
  /** Another output of hers. */
  otherId: string;
  /** The same, included in another block. */
  otherBlock: bigint;
  send(by: HDNodeWallet, requests: unknown[], overrides: Overrides): Promise<ContractTransactionResponse>;
  request(authorization: Authorization): unknown;
  requestOther(authorization: Authorization): unknown;
  /** What is to be processed, when it was sent. */
  exits(sent: Promise<ContractTransactionResponse>): Promise<Exiting[]>;
  /** Somebody shows a spend. */
  challenge(exits: Exiting[]): Promise<unknown>;
  /** What all have when Alice was paid, apart from the bond. */
  nets: Partial<Nets>;
}

describe("RootChain: exits by the owner's authorization", () => {
  let attack: Attack;
  beforeEach(async () => {
    attack = await Attack.startWithOthers();
  });

  const ways: Record<string, () => Promise<Way>> = {
    startStandardExits: async () => {
      const { game } = attack;
      const input = await attack.funds(game.alice);
      const other = await attack.funds(game.alice, 7n);
      // A bad operator includes it twice.
      const [again] = await game.commit([input.transaction]);
      const request = ({ source }: typeof input, authorization: Authorization): unknown => ({
        output: source,
        authorization,
      });
      return {
        bond: BOND,
        outputId: input.id,
        blockNumber: input.proof.header.number,
        otherId: other.id,
        otherBlock: again!.header.number,
        send: async (by, requests, overrides) => await game.as(by).startStandardExits(requests as any, overrides),
        request: (authorization) => request(input, authorization),
        requestOther: (authorization) => request(other, authorization),
        exits: async (sent) => await attack.startedAll(sent),
        challenge: async (exits) =>
          await attack.cancel(exits[0] as Started, attack.pay(input.id, game.alice), game.alice),
        nets: { alice: -7n, left: 7n },
      };
    },
    startDepositExits: async () => {
      const { game } = attack;
      const [deposit, other] = [await game.deposit(game.alice, 1000n), await game.deposit(game.alice, 7n)];
      const outputId = game.depositOutputId(deposit);
      return {
        bond: BOND,
        outputId,
        blockNumber: 0n,
        otherId: game.depositOutputId(other),
        otherBlock: 1n,
        send: async (by, requests, overrides) => await game.as(by).startDepositExits(requests as any, overrides),
        request: (authorization) => ({ deposit, authorization }),
        requestOther: (authorization) => ({ deposit: other, authorization }),
        exits: async (sent) => await attack.startedAll(sent),
        challenge: async (exits) =>
          await attack.cancel(exits[0] as Started, attack.pay(outputId, game.alice), game.alice),
        nets: { alice: -7n, left: 7n },
      };
    },
    "piggybacks of an output": async () => {
      const { game, flights } = attack;
      const input = await attack.funds(game.bob, 1007n);
      const payment = game.transfer(
        [input.id],
        [1000n, 7n].map((amount) => ({ owner: game.alice.address, token: ETHER, amount })),
      );
      const [proof] = await game.commit([payment]);
      const flight = await flights.start(game.bob, payment, [input.source], [game.bob]);
      return {
        bond: PIGGYBACK_BOND,
        outputId: game.outputId(payment, 0),
        blockNumber: 0n,
        otherId: game.outputId(payment, 1),
        otherBlock: proof!.header.number,
        send: async (by, requests, overrides) => await game.as(by).piggybacks(flight.data, requests as any, overrides),
        request: (authorization) => ({ index: OUTPUT, authorization }),
        requestOther: (authorization) => ({ index: OUTPUT + 1, authorization }),
        exits: async (sent) => {
          await game.mined(sent);
          return [flight];
        },
        challenge: async () =>
          await flights.outputSpent(
            attack.watcher,
            flight,
            0,
            proof!,
            attack.pay(game.outputId(payment, 0), game.alice),
            game.alice,
          ),
        nets: { alice: 1000n, bob: -1007n, left: 7n },
      };
    },
    "piggybacks of an input": async () => {
      const { game, flights, mallory } = attack;
      const [input, small, theirs] = [
        await attack.funds(game.alice),
        await attack.funds(game.alice, 7n),
        await attack.funds(mallory, 5n),
      ];
      const payment: PlainTransaction = attack.pay([input.id, small.id, theirs.id], game.bob, 1012n);
      const sources = [input.source, small.source, theirs.source];
      const flight = await flights.start(mallory, payment, sources, [game.alice, game.alice, mallory]);
      await flights.challenge(attack.watcher, flight, attack.pay(theirs.id, mallory), mallory, { inputIndex: 2 });
      return {
        bond: PIGGYBACK_BOND,
        outputId: input.id,
        blockNumber: 0n,
        otherId: small.id,
        otherBlock: input.proof.header.number,
        send: async (by, requests, overrides) => await game.as(by).piggybacks(flight.data, requests as any, overrides),
        request: (authorization) => ({ index: 0, authorization }),
        requestOther: (authorization) => ({ index: 1, authorization }),
        exits: async (sent) => {
          await game.mined(sent);
          return [flight];
        },
        challenge: async () =>
          await flights.inputSpent(attack.watcher, flight, 0, attack.pay(input.id, game.alice), game.alice),
        nets: { alice: -7n, mallory: -5n - IN_FLIGHT_BOND, watcher: IN_FLIGHT_BOND, left: 12n },
      };
    },
  };

  for (const [name, makeWay] of Object.entries(ways)) {
    describe(name, () => {
      let way: Way;
      let deadline: bigint;
      beforeEach(async () => {
        way = await makeWay();
        deadline = BigInt(await attack.game.now()) + 1000n;
      });
      const authorize = (
        changes: {
          owner?: HDNodeWallet;
          outputId?: string;
          blockNumber?: bigint;
          bondOwner?: string;
          domain?: object;
        } = {},
      ): Authorization => {
        const { game, flights } = attack;
        return flights.authorize(
          changes.owner ?? game.alice,
          changes.outputId ?? way.outputId,
          changes.blockNumber ?? way.blockNumber,
          changes.bondOwner ?? game.carol.address,
          deadline,
          changes.domain ?? game.domain,
        );
      };
      /** By somebody who has nothing to do with it. */
      const send = async (
        authorizations: Authorization[],
        value = way.bond * BigInt(authorizations.length),
      ): Promise<ContractTransactionResponse> =>
        await way.send(
          attack.watcher,
          authorizations.map((one) => way.request(one)),
          { value },
        );
      const expectNets = async (nets: Partial<Nets>): Promise<void> => {
        const all: Record<string, bigint> = {};
        for (const part of [way.nets, nets])
          for (const [who, wei] of Object.entries(part)) all[who] = (all[who] ?? 0n) + wei;
        await attack.expectNets(all);
      };

      it(`${name}: used by a stranger, the funds go to the owner and the bond to whom the owner named`, async () => {
        const exits = await way.exits(send([authorize()]));
        await attack.drain(ETHER, exits);
        await expectNets({ watcher: -way.bond, carol: way.bond - BOUNTY, stranger: BOUNTY });
      });

      it(`${name}: expired by a second, while in its last second it holds`, async () => {
        const { game } = attack;
        const { time } = game.connection.networkHelpers;
        const authorization = authorize();
        await game.passTo(deadline);
        expect(await failure(game, send([authorization]))).to.equal(`RootChain_AuthorizationExpired(${deadline})`);
        const later = { ...authorization, deadline: deadline + 1000n };
        expect(await failure(game, send([later]))).to.contain("RootChain_WrongSigner");
        deadline += 1000n;
        await time.setNextBlockTimestamp(deadline);
        await way.exits(send([authorize()]));
      });

      const wrong: [string, () => Authorization, string][] = [
        ["for another block", () => authorize({ blockNumber: way.otherBlock }), "RootChain_WrongSigner"],
        ["for another output", () => authorize({ outputId: way.otherId }), "RootChain_WrongSigner"],
        [
          "for another contract",
          () => authorize({ domain: { ...attack.game.domain, verifyingContract: attack.mallory.address } }),
          "RootChain_WrongSigner",
        ],
        [
          "for another chain",
          () => authorize({ domain: { ...attack.game.domain, chainId: attack.game.chainId + 1n } }),
          "RootChain_WrongSigner",
        ],
        ["signed by another", () => authorize({ owner: attack.mallory }), "RootChain_WrongSigner"],
        [
          "with the bond turned to another",
          () => ({ ...authorize(), bondOwner: attack.watcher.address }),
          "RootChain_WrongSigner",
        ],
        ["with the bond for nobody", () => authorize({ bondOwner: ETHER }), "RootChain_ZeroAddress"],
        ["without a signature", () => ({ ...authorize(), signature: "0x" }), "RootChain_NotOwner"],
        ["with a short signature", () => ({ ...authorize(), signature: "0x00" }), "RootChain_WrongSigner"],
      ];
      for (const [what, make, error] of wrong) {
        it(`${name}: a stranger uses an authorization ${what}; in a call of many it undoes all`, async () => {
          const { game } = attack;
          const before = await game.rootChain.nextExitNumber();
          expect(await failure(game, send([make()]))).to.contain(error);
          const good = authorize({ outputId: way.otherId, blockNumber: otherNumber() });
          const both = [way.requestOther(good), way.request(make())];
          const value = 2n * way.bond;
          expect(await failure(game, way.send(attack.watcher, both, { value }))).to.contain(error);
          expect(await game.rootChain.nextExitNumber()).to.equal(before);
          expect(await game.rootChain.queueLength(ETHER)).to.equal(0n);
          // The good one alone is taken, so it was not that.
          await way.exits(way.send(attack.watcher, both.slice(0, 1), { value: way.bond }));
        });
      }
      /** Block of the other output, as its authorization names it. */
      const otherNumber = (): bigint => (way.blockNumber === 0n ? 0n : way.blockNumber + 1n);

      it(`${name}: used again while it lives, and after a challenge, at the stranger's own cost`, async () => {
        const { game } = attack;
        const authorization = authorize();
        const again = name.startsWith("piggybacks") ? "RootChain_AlreadyPiggybacked" : "RootChain_AlreadyExiting";
        const exits = await way.exits(send([authorization]));
        expect(await failure(game, send([authorization]))).to.contain(again);
        expect(await failure(game, send([authorization, authorization]))).to.contain(again);
        await way.challenge(exits);
        let lost = way.bond;
        if (name.startsWith("piggybacks")) {
          expect(await failure(game, send([authorization]))).to.contain(again);
        } else {
          const second = await way.exits(send([authorization]));
          await way.challenge(second);
          exits.push(...second);
          lost += way.bond;
        }
        await attack.drain(ETHER, exits);
        const bounties = lost === way.bond ? BOUNTY : 2n * BOUNTY;
        // Alice signed another spend and is not paid; she loses nothing besides.
        await expectNets({ alice: -1000n, left: 1000n, watcher: -bounties, stranger: bounties });
      });

      it(`${name}: many in a call, the value being the sum of the bonds, each by its owner or by its word`, async () => {
        const { game } = attack;
        const requests = [way.request(authorize()), way.requestOther(OWNER_CALLS)];
        const sendAs = async (value: bigint): Promise<ContractTransactionResponse> =>
          await way.send(game.alice, requests, { value });
        for (const value of [0n, way.bond, 2n * way.bond - 1n, 2n * way.bond + 1n]) {
          expect(await failure(game, sendAs(value))).to.equal(`RootChain_WrongBond(${value}, ${2n * way.bond})`);
        }
        const exits = await way.exits(sendAs(2n * way.bond));
        await attack.drain(ETHER, exits);
        // Piggybacks of one token share an entry of its queue: the first one's bond bears the bounty.
        const second = name.startsWith("piggybacks") ? 0n : BOUNTY;
        await expectNets({
          alice: 7n - way.bond - second,
          carol: way.bond - BOUNTY,
          stranger: BOUNTY + second,
          left: -7n,
        });
      });

      it(`${name}: none in a call`, async () => {
        const { game } = attack;
        expect(await failure(game, send([]))).to.equal("RootChain_WrongCount(0)");
        expect(await failure(game, send([], way.bond))).to.equal("RootChain_WrongCount(0)");
      });
    });
  }

  it("INV-2: a deposit's authorization is used for its standard exit and for its piggyback as an input as well", async () => {
    const { game, flights, mallory, watcher } = attack;
    const { alice, carol } = game;
    await game.deposit(game.bob, 5000n);
    const deposit = await game.deposit(alice, 1000n);
    const theirs = await attack.funds(mallory, 5n);
    const id = game.depositOutputId(deposit);
    const word = flights.authorize(alice, id, 0n, carol.address, 2n ** 40n);
    const sent = game.as(watcher).startDepositExits([{ deposit, authorization: word }], { value: BOND });
    const [exit] = await attack.startedAll(sent);
    const payment = attack.pay([id, theirs.id], mallory, 1005n);
    const sources = [fromDeposit(deposit, exit!.exit), theirs.source];
    const flight = await flights.start(mallory, payment, sources, [alice, mallory]);
    const piggyback = [{ index: 0, authorization: word }];
    await game.mined(game.as(watcher).piggybacks(flight.data, piggyback, { value: PIGGYBACK_BOND }));
    await flights.challenge(watcher, flight, attack.pay(theirs.id, mallory), mallory, { inputIndex: 1 });
    expect(await attack.drain(ETHER, [exit!, flight])).to.deep.equal([exit!.exit.number, flight.number]);
    await attack.expectNets({
      bob: -5000n,
      carol: BOND + PIGGYBACK_BOND - 2n * BOUNTY,
      mallory: -5n - IN_FLIGHT_BOND,
      watcher: IN_FLIGHT_BOND - BOND - PIGGYBACK_BOND,
      stranger: 2n * BOUNTY,
      left: 5005n,
    });
  });
});
