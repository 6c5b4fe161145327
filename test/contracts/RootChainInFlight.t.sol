// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RootChain} from "../../contracts/RootChain.sol";
import {TestToken} from "../../contracts/mocks/TestToken.sol";
import {InFlightHandler} from "./InFlightHandler.sol";
import {FuzzSelector} from "./RootChain.t.sol";
import {Test} from "./Test.sol";

/// Invariants of docs/PROTOCOL.md, by number, over whatever sequence of calls the runner makes of the handler's, with
/// exits of both kinds. What can be seen only in the moment the handler checks itself: it must never revert.
/// hardhat-config: invariant.runs = 8
/// hardhat-config: invariant.depth = 150
/// hardhat-config: invariant.failOnRevert = true
contract RootChainInFlightInvariants is Test {
    InFlightHandler private _handler;
    RootChain private _rootChain;

    function setUp() external {
        bytes memory code = vm.getCode("InFlightHandler.sol:InFlightHandler");
        address handler;
        assembly ("memory-safe") {
            handler := create(0, add(code, 32), mload(code))
        }
        _handler = InFlightHandler(handler);
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

    function invariant_INV1_whatWasDepositedIsHeldPaidOrCredited() external view {
        _checkSums();
    }

    function invariant_INV3_theFirstOfAQueueIsTheSmallestOfItsEntries() external view {
        _checkQueues();
    }

    function invariant_INV7_queuesRunEmptyAndNoBondIsLeft() external {
        _handler.drain();
        _checkSums();
    }

    /// A fixed history long enough for every outcome: the checks above are not about nothing.
    function test_INV_everyOutcomeIsReached() external {
        bytes4[] memory actions = _actions();
        for (uint256 i = 0; i < 600; ++i) {
            uint256 seed = uint256(keccak256(abi.encode("in flight", i)));
            bytes memory call = abi.encodePacked(actions[seed % actions.length], seed >> 8);
            (bool done, bytes memory reason) = address(_handler).call(call);
            if (!done) assembly ("memory-safe") { revert(add(reason, 32), mload(reason)) } // prettier-ignore
            if (i % 50 == 0) {
                _checkSums();
                _checkQueues();
            }
        }
        _handler.drain();
        _checkSums();
        InFlightHandler.Counts memory counts = _handler.counts();
        assertTrue(counts.exits != 0, "standard exits");
        assertTrue(counts.flights != 0, "in-flight exits");
        assertTrue(counts.movedAside != 0, "moved aside");
        assertTrue(counts.piggybacks != 0, "piggybacks");
        assertTrue(counts.challenges != 0, "challenges");
        assertTrue(counts.responses != 0, "responses");
        assertTrue(counts.inputsSpent != 0, "inputs spent");
        assertTrue(counts.outputsSpent != 0, "outputs spent");
        assertTrue(counts.exitsChallenged != 0, "standard exits challenged");
        assertTrue(counts.closed != 0, "closed");
        assertTrue(counts.canonical != 0, "canonical");
        assertTrue(counts.notCanonical != 0, "not canonical");
        assertTrue(counts.unpayable != 0, "unpayable");
        assertTrue(counts.early != 0, "too early");
    }

    function _actions() private pure returns (bytes4[] memory actions) {
        actions = new bytes4[](22);
        actions[0] = InFlightHandler.deposit.selector;
        actions[1] = InFlightHandler.sign.selector;
        actions[2] = InFlightHandler.sign.selector;
        actions[3] = InFlightHandler.sign.selector;
        actions[4] = InFlightHandler.commit.selector;
        actions[5] = InFlightHandler.commit.selector;
        actions[6] = InFlightHandler.startExit.selector;
        actions[7] = InFlightHandler.challengeExit.selector;
        actions[8] = InFlightHandler.startFlight.selector;
        actions[9] = InFlightHandler.startFlight.selector;
        actions[10] = InFlightHandler.startFlight.selector;
        actions[11] = InFlightHandler.piggyback.selector;
        actions[12] = InFlightHandler.piggyback.selector;
        actions[13] = InFlightHandler.challengeFlight.selector;
        actions[14] = InFlightHandler.respond.selector;
        actions[15] = InFlightHandler.challengeInput.selector;
        actions[16] = InFlightHandler.challengeOutput.selector;
        actions[17] = InFlightHandler.close.selector;
        actions[18] = InFlightHandler.process.selector;
        actions[19] = InFlightHandler.process.selector;
        actions[20] = InFlightHandler.passTime.selector;
        actions[21] = InFlightHandler.changeMood.selector;
    }

    function _checkSums() private view {
        for (uint256 token = 0; token < _handler.TOKENS(); ++token) {
            address account = _handler.tokens(token);
            uint256 held = _rootChain.held(account);
            uint256 credits = _rootChain.claimable(account, _handler.stranger());
            uint256 paid;
            for (uint256 i = 0; i < _handler.ACTORS(); ++i) {
                credits += _rootChain.claimable(account, _handler.actors(i));
                if (token != 0) paid += TestToken(account).balanceOf(_handler.actors(i));
            }
            // Of ether bonds and bounties are kept as well: that none is left at the end the handler checks.
            if (token == 0) {
                assertTrue(address(_rootChain).balance >= held + credits, "INV-1: the contract's ether");
                assertTrue(held <= _handler.deposited(token), "INV-1: held within deposits");
            } else {
                assertEq(TestToken(account).balanceOf(address(_rootChain)), held + credits, "INV-1: its tokens");
                assertEq(_handler.deposited(token), held + credits + paid, "INV-1: deposits = held + what left");
            }
        }
    }

    function _checkQueues() private view {
        for (uint256 token = 0; token < _handler.TOKENS(); ++token) {
            uint128[] memory entries = _handler.entries(token);
            assertEq(_rootChain.queueLength(_handler.tokens(token)), entries.length, "INV-3: entries");
            uint128 smallest = entries.length == 0 ? 0 : type(uint128).max;
            for (uint256 i = 0; i < entries.length; ++i) if (entries[i] < smallest) smallest = entries[i];
            assertEq(_rootChain.firstExit(_handler.tokens(token)), smallest, "INV-3: the first");
        }
    }
}
