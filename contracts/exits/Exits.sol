// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Deposits} from "../Deposits.sol";
import {Priority} from "../libraries/Priority.sol";
import {PriorityQueue} from "../libraries/PriorityQueue.sol";
import {Bonds, ExitData, IRootChain} from "../interfaces/IRootChain.sol";

/// @title What every kind of exit shares: numbers, queues, bonds, and the processing that pays
abstract contract Exits is Deposits {
    using PriorityQueue for PriorityQueue.Queue;

    /// @dev Cancelled entries taken out after the last data of a call. Each brings a bounty, so none is worked off
    /// at a loss.
    uint256 private constant TRAILING_ENTRIES_MAX = 16;
    uint64 private constant EXIT_PERIOD_MAX = 365 days;

    /// @inheritdoc IRootChain
    uint64 public immutable exitPeriod;
    /// @inheritdoc IRootChain
    uint256 public immutable standardExitBond;
    /// @inheritdoc IRootChain
    uint256 public immutable bounty;

    /// @inheritdoc IRootChain
    uint40 public nextExitNumber = 1;
    mapping(uint256 word => uint256 bits) private _cancelled;
    mapping(address token => PriorityQueue.Queue) private _queues;

    constructor(uint64 exitPeriod_, Bonds memory bonds) {
        require(exitPeriod_ != 0 && exitPeriod_ <= EXIT_PERIOD_MAX, RootChain_WrongExitPeriod(exitPeriod_));
        require(bonds.standardExit >= bonds.bounty, RootChain_BountyAboveBond(bonds.bounty, bonds.standardExit));
        exitPeriod = exitPeriod_;
        standardExitBond = bonds.standardExit;
        bounty = bonds.bounty;
    }

    /// @inheritdoc IRootChain
    function processExits(address token, ExitData[] calldata exits) external nonReentrant {
        PriorityQueue.Queue storage queue = _queues[token];
        uint256 removed;
        bool ended;
        for (uint256 i = 0; i < exits.length && !ended; ++i) {
            ExitData calldata data = exits[i];
            while (true) {
                Priority first = queue.first();
                if (_matches(first.exitNumber(), data)) {
                    ended = first.exitableAt() > block.timestamp;
                    if (ended) break;
                    queue.pop();
                    ++removed;
                    _finishExit(token, data);
                    break;
                }
                // No exit has the number 0 that an empty queue shows: it matches nothing and is not cancelled.
                ended = !isCancelled(first.exitNumber());
                if (ended) break;
                queue.pop();
                ++removed;
            }
        }
        for (uint256 i = 0; i < TRAILING_ENTRIES_MAX; ++i) {
            Priority first = queue.first();
            if (!isCancelled(first.exitNumber())) break;
            queue.pop();
            ++removed;
        }
        // Interaction: one bounty an entry.
        _push(ETHER, msg.sender, removed * bounty);
    }

    /// @inheritdoc IRootChain
    function isCancelled(uint40 number) public view returns (bool) {
        return _cancelled[number >> 8] & (1 << (number & 0xff)) != 0;
    }

    /// @inheritdoc IRootChain
    function queueLength(address token) external view returns (uint256) {
        return _queues[token].length();
    }

    /// @inheritdoc IRootChain
    function firstExit(address token) external view returns (uint128) {
        return Priority.unwrap(_queues[token].first());
    }

    function _cancel(uint40 number) internal {
        _cancelled[number >> 8] |= 1 << (number & 0xff);
    }

    function _enqueue(address token, Priority priority) internal {
        _queues[token].push(priority);
    }

    function _takeExitNumber() internal returns (uint40 number) {
        number = nextExitNumber;
        nextExitNumber = number + 1;
    }

    /// @return Whether `data` is what the live exit `number` committed to; never reverts, whatever the data.
    function _matches(uint40 number, ExitData calldata data) internal view virtual returns (bool);

    /// @dev Pays, or says why not, an exit that matches and has left its queue.
    function _finishExit(address token, ExitData calldata data) internal virtual;
}
