// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RootChain} from "../../contracts/RootChain.sol";
import {BlockHeader} from "../../contracts/interfaces/IRootChain.sol";
import {TestToken} from "../../contracts/mocks/TestToken.sol";
import {RootChainHandler} from "./RootChainHandler.sol";
import {Test} from "./Test.sol";

/// What the runner reads to know which functions it may call.
struct FuzzSelector {
    address addr;
    bytes4[] selectors;
}

/// Invariants of docs/PROTOCOL.md, by number, over whatever sequence of calls the runner makes of the handler's.
/// What can be seen only in the moment (order of payments, refusals) the handler checks itself: it must never revert.
/// hardhat-config: invariant.runs = 16
/// hardhat-config: invariant.depth = 150
/// hardhat-config: invariant.failOnRevert = true
contract RootChainInvariants is Test {
    RootChainHandler private _handler;
    RootChain private _rootChain;

    function setUp() external {
        bytes memory code = vm.getCode("RootChainHandler.sol:RootChainHandler");
        address handler;
        assembly ("memory-safe") {
            handler := create(0, add(code, 32), mload(code))
        }
        _handler = RootChainHandler(handler);
        _rootChain = _handler.rootChain();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_handler), _actions());
    }

    function invariant_INV1_paymentsAndCreditsWithinDeposits_balancesCoverThem() external view {
        _checkSums();
    }

    function invariant_INV2_noOutputIsPaidTwice() external view {
        _checkCoins();
    }

    function invariant_INV3_queuesHoldTheEntriesInOrder() external view {
        _checkQueues();
    }

    function invariant_INV5_exactlyTheChallengedExitsAreCancelled() external view {
        _checkExits();
    }

    function invariant_INV7_queuesRunEmptyWhateverTheReceivers() external {
        _handler.drain();
        _checkSums();
    }

    function invariant_INV8_blocksAreCommittedInOrderOnce() external view {
        _checkBlocks();
    }

    /// A fixed history long enough for every outcome: the checks above are not about nothing.
    function test_INV_everyOutcomeIsReached() external {
        bytes4[] memory actions = _actions();
        for (uint256 i = 0; i < 700; ++i) {
            uint256 seed = uint256(keccak256(abi.encode("history", i)));
            bytes4 action = actions[seed % actions.length];
            // Three words serve the actions of one parameter as well.
            (bool done, bytes memory reason) = address(_handler).call(
                abi.encodePacked(action, seed >> 8, (seed >> 16) % 2 ** 64, uint256(uint160(seed)))
            );
            if (!done) assembly ("memory-safe") { revert(add(reason, 32), mload(reason)) } // prettier-ignore
            if (i % 25 == 0) _checkAll();
        }
        _handler.drain();
        _checkAll();
        RootChainHandler.Counts memory counts = _handler.counts();
        assertTrue(counts.paid != 0, "paid");
        assertTrue(counts.unpayable != 0, "unpayable");
        assertTrue(counts.challenged != 0, "challenged");
        assertTrue(counts.restarted != 0, "restarted");
        assertTrue(counts.deferred != 0, "deferred");
        assertTrue(counts.claimed != 0, "claimed");
        assertTrue(counts.cancelledTakenOut != 0, "cancelled entries taken out");
        assertTrue(counts.mismatched != 0, "data that does not match");
        assertTrue(counts.notDue != 0, "not due");
        assertTrue(counts.refusedStarts != 0, "refused starts");
        assertTrue(counts.refusedChallenges != 0, "refused challenges");
        assertTrue(counts.reentries != 0, "tokens that tried to enter again");
    }

    function _actions() private pure returns (bytes4[] memory actions) {
        actions = new bytes4[](16);
        actions[0] = RootChainHandler.deposit.selector;
        actions[1] = RootChainHandler.deposit.selector;
        actions[2] = RootChainHandler.commit.selector;
        actions[3] = RootChainHandler.commit.selector;
        actions[4] = RootChainHandler.start.selector;
        actions[5] = RootChainHandler.start.selector;
        actions[6] = RootChainHandler.start.selector;
        actions[7] = RootChainHandler.challenge.selector;
        actions[8] = RootChainHandler.process.selector;
        actions[9] = RootChainHandler.process.selector;
        actions[10] = RootChainHandler.process.selector;
        actions[11] = RootChainHandler.claim.selector;
        actions[12] = RootChainHandler.passTime.selector;
        actions[13] = RootChainHandler.changeMood.selector;
        actions[14] = RootChainHandler.signSpend.selector;
        actions[15] = RootChainHandler.commitOutOfOrder.selector;
    }

    function _checkAll() private view {
        _checkSums();
        _checkCoins();
        _checkQueues();
        _checkExits();
        _checkBlocks();
    }

    function _checkSums() private view {
        for (uint256 token = 0; token < _handler.TOKENS(); ++token) {
            address account = _handler.tokens(token);
            uint256 held = _rootChain.held(account);
            assertEq(held, _handler.heldInModel(token), "INV-1: held");
            assertEq(_handler.deposited(token), held + _handler.paidOut(token), "INV-1: deposits = held + what left");
            uint256 expected = held + (token == 0 ? _handler.bondsAndBounties() : 0);
            for (uint256 actor = 0; actor < _handler.ACTORS(); ++actor) {
                address owner = _handler.actors(actor);
                uint256 credit = _rootChain.claimable(account, owner);
                assertEq(credit, _handler.credited(token, actor), "INV-1: credit");
                assertEq(_balance(account, owner), _handler.wallet(token, actor), "INV-1: what a holder got");
                expected += credit;
            }
            assertEq(_balance(account, address(_rootChain)), expected, "INV-1: the contract's balance");
        }
        assertEq(_handler.stranger().balance, _handler.strangersEther(), "INV-1: bounties and won bonds");
    }

    function _checkCoins() private view {
        for (uint256 i = 0; i < _handler.coinCount(); ++i) {
            RootChainHandler.Coin memory coin = _handler.coinAt(i);
            assertTrue(coin.timesPaid == (coin.finalizedBy == 0 ? 0 : 1), "INV-2: paid once at most");
            assertEq(_rootChain.finalizedBy(coin.id), coin.finalizedBy, "INV-2: finalizedBy");
            if (coin.finalizedBy == 0 && coin.liveExit == 0) {
                assertEq(_rootChain.outputRecord(coin.id), coin.depositRecord, "record of an output at rest");
            } else {
                assertTrue(_rootChain.outputRecord(coin.id) >> 215 == 1, "a live or paid exit's commitment");
            }
        }
    }

    function _checkQueues() private view {
        for (uint256 token = 0; token < _handler.TOKENS(); ++token) {
            address account = _handler.tokens(token);
            uint256[] memory queue = _handler.queue(token);
            uint256 first = _rootChain.firstExit(account);
            assertEq(_rootChain.queueLength(account), queue.length, "INV-3: entries");
            if (queue.length == 0) {
                assertEq(first, 0, "INV-3: first of an empty queue");
                continue;
            }
            RootChainHandler.Exit memory exit = _handler.exitAt(queue[0] - 1);
            assertEq(first >> 94, exit.time, "INV-3: time of the first");
            assertEq((first >> 64) % 2 ** 30, exit.blockNumber, "INV-3: block of the first");
            assertEq((first >> 41) % 2 ** 23, exit.position, "INV-3: position of the first");
            assertEq(first % 2 ** 41, queue[0], "INV-3: number of the first");
        }
    }

    function _checkExits() private view {
        uint256 count = _handler.exitCount();
        assertEq(_rootChain.nextExitNumber(), count + 1, "exit numbers");
        for (uint256 i = 0; i < count; ++i) {
            RootChainHandler.Exit memory exit = _handler.exitAt(i);
            assertTrue(_rootChain.isCancelled(exit.data.number) == exit.cancelled, "INV-5: cancelled");
        }
    }

    function _checkBlocks() private view {
        BlockHeader[] memory headers = _handler.headers();
        assertEq(_rootChain.nextBlockNumber(), headers.length + 1, "INV-8: next block");
        for (uint256 i = 0; i < headers.length; ++i) {
            bytes32 hash = keccak256(abi.encode(headers[i]));
            assertEq(_rootChain.blockHashes(uint64(i + 1)), hash, "INV-8: a block that was committed");
        }
        assertEq(_rootChain.blockHashes(0), 0, "INV-8: there is no block 0");
        assertEq(_rootChain.blockHashes(uint64(headers.length + 1)), 0, "INV-8: nor a next one");
    }

    function _balance(address token, address owner) private view returns (uint256) {
        return token == address(0) ? owner.balance : TestToken(token).balanceOf(owner);
    }
}
