// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Priority} from "./Priority.sol";

/// @title A 4-ary min-heap of 128-bit keys, two to a storage slot
/// @dev Position p is one half of slot p / 2: the upper for even positions. Position 0 is the number of keys,
/// position 1 the smallest key, so both come with one read; the children of p are 4p - 2 to 4p + 1, exactly two
/// slots. Places behind the last key are left as they were: to write on them again costs a quarter of writing on
/// cleared ones, three times what clearing would give back. Half of a heap of whole words (OpenZeppelin's `Heap`) is
/// what it costs.
library PriorityQueue {
    struct Queue {
        uint256[2 ** 41] slots;
    }

    function length(Queue storage queue) internal view returns (uint256) {
        return _load(queue, 0) >> 128;
    }

    /// @return The smallest key, zero when there is none.
    function first(Queue storage queue) internal view returns (Priority) {
        uint256 head = _load(queue, 0);
        return Priority.wrap(head >> 128 == 0 ? 0 : uint128(head));
    }

    /// @param priority Not zero, and not in the queue yet: keys are unique by their exit numbers.
    function push(Queue storage queue, Priority priority) internal {
        unchecked {
            uint256 key = Priority.unwrap(priority);
            uint256 head = _load(queue, 0) + (1 << 128);
            uint256 position = head >> 128;
            _store(queue, 0, head);
            while (position > 1) {
                uint256 parent = (position + 2) >> 2;
                uint256 parentKey = _get(queue, parent);
                if (parentKey < key) break;
                _set(queue, position, parentKey);
                position = parent;
            }
            _set(queue, position, key);
        }
    }

    /// @dev The queue is not empty.
    function pop(Queue storage queue) internal {
        unchecked {
            uint256 head = _load(queue, 0);
            uint256 last = head >> 128;
            uint256 key = _get(queue, last);
            _store(queue, 0, head - (1 << 128));
            uint256 position = 1;
            while (true) {
                (uint256 child, uint256 childKey) = _smallestChild(queue, position, last);
                if (childKey >= key) break;
                _set(queue, position, childKey);
                position = child;
            }
            _set(queue, position, key);
        }
    }

    /// @return child Position of the smallest of at most four children before position `last`.
    /// @return childKey Its key, above every key when there is none.
    function _smallestChild(
        Queue storage queue,
        uint256 position,
        uint256 last
    ) private view returns (uint256 child, uint256 childKey) {
        unchecked {
            childKey = type(uint256).max;
            uint256 start = (position << 2) - 2;
            for (uint256 pair = start; pair < start + 4 && pair < last; pair += 2) {
                uint256 slot = _load(queue, pair >> 1);
                uint256 upper = slot >> 128;
                uint256 lower = uint128(slot);
                if (upper < childKey) (child, childKey) = (pair, upper);
                if (lower < childKey && pair + 1 < last) (child, childKey) = (pair + 1, lower);
            }
        }
    }

    function _get(Queue storage queue, uint256 position) private view returns (uint256) {
        uint256 slot = _load(queue, position >> 1);
        return position & 1 == 0 ? slot >> 128 : uint128(slot);
    }

    function _set(Queue storage queue, uint256 position, uint256 key) private {
        uint256 slot = _load(queue, position >> 1);
        _store(queue, position >> 1, position & 1 == 0 ? (key << 128) | uint128(slot) : ((slot >> 128) << 128) | key);
    }

    /// @dev Without the check that the index is within the array: positions are at most the number of keys.
    function _load(Queue storage queue, uint256 index) private view returns (uint256 slot) {
        assembly ("memory-safe") {
            slot := sload(add(queue.slot, index))
        }
    }

    function _store(Queue storage queue, uint256 index, uint256 slot) private {
        assembly ("memory-safe") {
            sstore(add(queue.slot, index), slot)
        }
    }
}
