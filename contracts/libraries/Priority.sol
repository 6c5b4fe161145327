// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// An exit's place in the queue of a token, smaller first: 34 bits the time it can be paid at, 30 block number, 23
/// index of the transaction in its block + 1 (0 for a deposit), 1 kind (0 standard, 1 in-flight), 40 exit number.
type Priority is uint128;

using {exitableAt, exitNumber} for Priority global;

/// @dev The callers keep each part within its bits: times below 2^34 (the year 2514), `MAX_BLOCK_NUMBER`,
/// `MAX_TRANSACTION_COUNT` = 2^22 and 40 bits of exit numbers.
function packPriority(uint256 time, uint256 blockNumber, uint256 position, uint256 number) pure returns (Priority) {
    return Priority.wrap(uint128((time << 94) | (blockNumber << 64) | (position << 41) | number));
}

function exitableAt(Priority priority) pure returns (uint256) {
    return Priority.unwrap(priority) >> 94;
}

function exitNumber(Priority priority) pure returns (uint40) {
    return uint40(Priority.unwrap(priority));
}
