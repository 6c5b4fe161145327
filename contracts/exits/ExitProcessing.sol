// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InFlightExits} from "./InFlightExits.sol";
import {Priority} from "../libraries/Priority.sol";
import {ExitData, IRootChain} from "../interfaces/IRootChain.sol";

/// @title The processing that pays exits of both kinds, in the order of a token's queue
abstract contract ExitProcessing is InFlightExits {
    /// @dev Cancelled entries taken out after the last data of a call. Each brings a bounty, so none is worked off
    /// at a loss.
    uint256 private constant TRAILING_ENTRIES_MAX = 16;

    /// @inheritdoc IRootChain
    function processExits(address token, ExitData[] calldata exits) external nonReentrant {
        uint256 removed;
        uint256 next;
        // No exit has the number 0 that an empty queue shows: it matches nothing and is not cancelled.
        while (next < exits.length) {
            Priority first = _firstExit(token);
            bool matches =
                first.isInFlight()
                    ? _processInFlight(token, first, exits[next])
                    : _processStandard(token, first, exits[next]);
            if (matches) ++next;
            else if (isCancelled(first.exitNumber())) _removeFirst(token);
            else break;
            ++removed;
        }
        for (uint256 i = 0; i < TRAILING_ENTRIES_MAX; ++i) {
            if (!isCancelled(_firstExit(token).exitNumber())) break;
            _removeFirst(token);
            ++removed;
        }
        // Interaction: one bounty an entry.
        _push(ETHER, msg.sender, removed * bounty);
    }

    function _processStandard(address token, Priority first, ExitData calldata data) private returns (bool) {
        uint256 slot = _matchingStandard(first.exitNumber(), data);
        if (slot == 0 || first.exitableAt() > block.timestamp) return false;
        _removeFirst(token);
        _finishStandard(token, data, slot);
        return true;
    }

    function _processInFlight(address token, Priority first, ExitData calldata data) private returns (bool) {
        Found memory found = _find(data);
        if (!found.slot.exists() || found.number != first.exitNumber()) return false;
        if (first.exitableAt() > block.timestamp) return false;
        _removeFirst(token);
        _finishInFlight(token, data, found);
        return true;
    }
}
