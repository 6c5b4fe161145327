// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Priority, packAge, packPriority} from "../../contracts/libraries/Priority.sol";
import {PriorityQueue} from "../../contracts/libraries/PriorityQueue.sol";
import {Test} from "./Test.sol";

/// The 4-ary heap against a plain list that is searched from end to end.
contract PriorityQueueTest is Test {
    using PriorityQueue for PriorityQueue.Queue;

    mapping(uint256 => PriorityQueue.Queue) private _queues;
    uint256[] private _list;

    /// hardhat-config: fuzz.runs = 60
    function testFuzz_INV3_push_pop_equalsSortedList(uint256 seed, uint8 steps, uint8 pushesIn8, bool narrow) external {
        uint256 pushShare = bound(pushesIn8, 3, 8);
        for (uint256 i = 0; i < steps; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            if (_list.length == 0 || seed % 8 < pushShare) _pushBoth(_freshKey(seed >> 8, narrow));
            else _popBoth();
            _compare();
        }
        while (_list.length != 0) {
            _popBoth();
            _compare();
        }
    }

    function test_INV3_pop_everyLengthAndOrder_equalsSortedList() external {
        // All lengths up to the third level of the tree, keys pushed rising, falling and interleaved.
        for (uint256 length = 1; length <= 23; ++length) {
            for (uint256 order = 0; order < 3; ++order) {
                for (uint256 i = 0; i < length; ++i) {
                    if (order == 0) _pushBoth(i + 1);
                    else if (order == 1) _pushBoth(length - i);
                    else _pushBoth(((i * 7) % 23) + 1);
                }
                for (uint256 i = 0; i < length; ++i) {
                    _compare();
                    _popBoth();
                }
                _compare();
            }
        }
    }

    function test_push_largestAndSmallestKeys() external {
        _pushBoth(type(uint128).max);
        _compare();
        _pushBoth(1);
        _compare();
        _pushBoth(type(uint128).max - 1);
        _compare();
        for (uint256 i = 0; i < 3; ++i) {
            _popBoth();
            _compare();
        }
    }

    function test_push_otherQueueUntouched() external {
        _queues[1].push(Priority.wrap(7));
        _pushBoth(5);
        _pushBoth(9);
        _popBoth();
        assertEq(_queues[1].length(), 1, "length of the other queue");
        assertEq(Priority.unwrap(_queues[1].first()), 7, "first of the other queue");
    }

    /// hardhat-config: fuzz.runs = 200
    function testFuzz_INV3_packPriority_ordersByTimeThenAgeThenNumber(
        uint256[5] memory a,
        uint256[5] memory b,
        uint8 same
    ) external pure {
        uint256[5] memory max = [uint256(2 ** 34 - 1), 2 ** 30 - 1, 2 ** 22, 1, 2 ** 40 - 1];
        for (uint256 i = 0; i < 5; ++i) {
            a[i] = bound(a[i], 0, max[i]);
            // Equal leading parts are what decides by the later ones.
            b[i] = i < same % 6 ? a[i] : bound(b[i], 0, max[i]);
        }
        Priority left = packPriority(a[0], packAge(a[1], a[2]), a[3] == 1, uint40(a[4]));
        Priority right = packPriority(b[0], packAge(b[1], b[2]), b[3] == 1, uint40(b[4]));
        int256 expected;
        for (uint256 i = 0; i < 5 && expected == 0; ++i) {
            if (a[i] != b[i]) expected = a[i] < b[i] ? int256(-1) : int256(1);
        }
        int256 found =
            Priority.unwrap(left) == Priority.unwrap(right)
                ? int256(0)
                : Priority.unwrap(left) < Priority.unwrap(right)
                    ? int256(-1)
                    : int256(1);
        assertTrue(found == expected, "order of two keys");
        assertEq(left.exitableAt(), a[0], "time");
        assertEq(left.age() < right.age() ? 1 : 0, a[1] < b[1] || (a[1] == b[1] && a[2] < b[2]) ? 1 : 0, "age");
        assertTrue(left.isInFlight() == (a[3] == 1), "kind");
        assertEq(left.exitNumber(), a[4], "number");
    }

    function _freshKey(uint256 seed, bool narrow) private view returns (uint256 key) {
        key = narrow ? (seed % 512) + 1 : bound(seed, 1, type(uint128).max);
        while (_contains(key)) key = key == type(uint128).max ? 1 : key + 1;
    }

    function _contains(uint256 key) private view returns (bool) {
        for (uint256 i = 0; i < _list.length; ++i) if (_list[i] == key) return true;
        return false;
    }

    function _smallest() private view returns (uint256 index) {
        for (uint256 i = 1; i < _list.length; ++i) if (_list[i] < _list[index]) index = i;
    }

    function _pushBoth(uint256 key) private {
        _queues[0].push(Priority.wrap(uint128(key)));
        _list.push(key);
    }

    function _popBoth() private {
        _queues[0].pop();
        uint256 index = _smallest();
        _list[index] = _list[_list.length - 1];
        _list.pop();
    }

    function _compare() private view {
        assertEq(_queues[0].length(), _list.length, "length");
        assertEq(Priority.unwrap(_queues[0].first()), _list.length == 0 ? 0 : _list[_smallest()], "first");
    }
}
