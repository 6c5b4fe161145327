// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Priority} from "./Priority.sol";

/// @title A 4-ary min-heap of 128-bit keys, two to a storage slot
/// @dev Position p is one half of slot p / 2: the upper for even positions. Position 0 is the number of keys,
/// position 1 the smallest key, so both come with one read; the children of p are 4p - 2 to 4p + 1, exactly two
/// slots. Half of a heap of whole words (OpenZeppelin's `Heap`) is what it costs.
library PriorityQueue {
    struct Queue {
        uint256[2 ** 41] slots;
    }

    function length(Queue storage queue) internal view returns (uint256) {
        return queue.slots[0] >> 128;
    }

    /// @return The smallest key, zero when there is none.
    function first(Queue storage queue) internal view returns (Priority) {
        return Priority.wrap(uint128(queue.slots[0]));
    }

    /// @param priority Not zero, and not in the queue yet: keys are unique by their exit numbers.
    function push(Queue storage queue, Priority priority) internal {
        uint256 key = Priority.unwrap(priority);
        uint256 head = queue.slots[0];
        uint256 position = (head >> 128) + 1;
        queue.slots[0] = head + (1 << 128);
        while (position > 1) {
            uint256 parent = (position + 2) >> 2;
            uint256 parentKey = _get(queue, parent);
            if (parentKey < key) break;
            _set(queue, position, parentKey);
            position = parent;
        }
        _set(queue, position, key);
    }

    /// @dev The queue is not empty.
    function pop(Queue storage queue) internal {
        uint256 last = queue.slots[0] >> 128;
        uint256 key = _get(queue, last);
        _set(queue, last, 0);
        queue.slots[0] -= 1 << 128;
        if (last == 1) return;
        uint256 position = 1;
        while (true) {
            (uint256 child, uint256 childKey) = _smallestChild(queue, position, last);
            if (childKey >= key) break;
            _set(queue, position, childKey);
            position = child;
        }
        _set(queue, position, key);
    }

    /// @return child Position of the smallest of at most four children; its key is the largest number when there
    /// is none.
    function _smallestChild(
        Queue storage queue,
        uint256 position,
        uint256 last
    ) private view returns (uint256 child, uint256 childKey) {
        childKey = type(uint256).max;
        uint256 start = (position << 2) - 2;
        for (uint256 pair = start; pair < start + 4 && pair < last; pair += 2) {
            uint256 slot = queue.slots[pair >> 1];
            // An empty place reads as zero, which no key is: minus one makes it the largest.
            unchecked {
                uint256 upper = (slot >> 128) - 1;
                uint256 lower = uint256(uint128(slot)) - 1;
                if (upper < childKey) (child, childKey) = (pair, upper);
                if (lower < childKey) (child, childKey) = (pair + 1, lower);
            }
        }
        if (childKey != type(uint256).max) ++childKey;
    }

    function _get(Queue storage queue, uint256 position) private view returns (uint256) {
        uint256 slot = queue.slots[position >> 1];
        return position & 1 == 0 ? slot >> 128 : uint128(slot);
    }

    function _set(Queue storage queue, uint256 position, uint256 key) private {
        uint256 slot = queue.slots[position >> 1];
        queue.slots[position >> 1] = position & 1 == 0 ? (key << 128) | uint128(slot) : ((slot >> 128) << 128) | key;
    }
}
