// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Priority} from "./Priority.sol";

/// @title A 4-ary min-heap of 128-bit keys, two to a storage slot
/// @dev Position p is one half of slot p / 2: the upper for even positions. Position 0 is the number of keys unless
/// the caller keeps it (`insert`, `removeFirst`), position 1 the smallest key, so both come with one read; the
/// children of p are 4p - 2 to 4p + 1, exactly two slots. Places behind the last key are left as they were: to write
/// on them again costs a quarter of writing on cleared ones, three times what clearing would give back. Half of a
/// heap of whole words (OpenZeppelin's `Heap`) is what it costs.
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

    /// @dev For a caller that keeps the number of keys, which is not zero.
    function smallest(Queue storage queue) internal view returns (Priority) {
        return Priority.wrap(uint128(_load(queue, 0)));
    }

    /// @param priority Not zero, and not in the queue yet: keys are unique by their exit numbers.
    function push(Queue storage queue, Priority priority) internal {
        unchecked {
            uint256 head = _load(queue, 0) + (1 << 128);
            _store(queue, 0, head);
            insert(queue, head >> 128, priority);
        }
    }

    /// @dev The queue is not empty.
    function pop(Queue storage queue) internal {
        unchecked {
            uint256 head = _load(queue, 0);
            _store(queue, 0, head - (1 << 128));
            removeFirst(queue, head >> 128);
        }
    }

    /// @param position One more than there are keys.
    function insert(Queue storage queue, uint256 position, Priority priority) internal {
        unchecked {
            uint256 key = Priority.unwrap(priority);
            while (position > 1) {
                uint256 parent = (position + 2) >> 2;
                uint256 parentKey = _key(_load(queue, parent >> 1), parent);
                if (parentKey < key) break;
                _set(queue, position, parentKey);
                position = parent;
            }
            _set(queue, position, key);
        }
    }

    /// @param last The number of keys, not zero.
    function removeFirst(Queue storage queue, uint256 last) internal {
        unchecked {
            uint256 key = _key(_load(queue, last >> 1), last);
            uint256 position = 1;
            uint256 slot = _load(queue, 0);
            while (true) {
                (uint256 child, uint256 childKey, uint256 childSlot) = _smallestChild(queue, position, last);
                if (childKey >= key) break;
                _store(queue, position >> 1, _with(slot, position, childKey));
                position = child;
                slot = childSlot;
            }
            _store(queue, position >> 1, _with(slot, position, key));
        }
    }

    /// @return child Position of the smallest of at most four children before position `last`.
    /// @return childKey Its key, above every key when there is none.
    /// @return childSlot The slot it is in.
    function _smallestChild(
        Queue storage queue,
        uint256 position,
        uint256 last
    ) private view returns (uint256 child, uint256 childKey, uint256 childSlot) {
        unchecked {
            uint256 start = (position << 2) - 2;
            if (start >= last) return (0, type(uint256).max, 0);
            uint256 left = _load(queue, start >> 1);
            uint256 right = start + 2 < last ? _load(queue, (start >> 1) + 1) : 0;
            // Two bits below a key tell which child it is.
            uint256 smallestKey = (left >> 128) << 2;
            if (start + 3 < last) {
                uint256 smallestRight = Math.min((right >> 128) << 2, (uint256(uint128(right)) << 2) | 1) | 2;
                smallestKey = Math.min(Math.min(smallestKey, (uint256(uint128(left)) << 2) | 1), smallestRight);
            } else {
                if (start + 1 < last) smallestKey = Math.min(smallestKey, (uint256(uint128(left)) << 2) | 1);
                if (start + 2 < last) smallestKey = Math.min(smallestKey, ((right >> 128) << 2) | 2);
            }
            return (start + (smallestKey & 3), smallestKey >> 2, smallestKey & 2 == 0 ? left : right);
        }
    }

    function _set(Queue storage queue, uint256 position, uint256 key) private {
        _store(queue, position >> 1, _with(_load(queue, position >> 1), position, key));
    }

    function _key(uint256 slot, uint256 position) private pure returns (uint256) {
        return position & 1 == 0 ? slot >> 128 : uint128(slot);
    }

    function _with(uint256 slot, uint256 position, uint256 key) private pure returns (uint256) {
        return position & 1 == 0 ? (key << 128) | uint128(slot) : ((slot >> 128) << 128) | key;
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
