// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// An exit's place in the queue of a token, smaller first: 34 bits the time it can be paid at, 30 block number, 23
/// index of the transaction in its block + 1 (0 for a deposit), 1 kind (0 standard, 1 in-flight), 40 exit number.
type Priority is uint128;

/// Where something stands among all that was ever committed, smaller is older: 30 bits block number, 23 index of the
/// transaction in its block + 1, or 0 for a deposit made before that block.
type Age is uint64;

using {exitableAt, age, isInFlight, exitNumber} for Priority global;
using {isOlder as <} for Age global;

/// @dev The age of a transaction that no block contains: every included one is older.
Age constant NOT_INCLUDED = Age.wrap(2 ** 53 - 1);

/// @dev Block numbers are at most `MAX_BLOCK_NUMBER`, positions at most `MAX_TRANSACTION_COUNT` = 2^22.
function packAge(uint256 blockNumber, uint256 position) pure returns (Age) {
    return Age.wrap(uint64((blockNumber << 23) | position));
}

function isOlder(Age left, Age right) pure returns (bool) {
    return Age.unwrap(left) < Age.unwrap(right);
}

/// @dev Times stay below 2^34 (the year 2514).
function packPriority(uint256 time, Age age_, bool inFlight, uint40 number) pure returns (Priority) {
    uint256 kind = inFlight ? 1 << 40 : 0;
    return Priority.wrap(uint128((time << 94) | (uint256(Age.unwrap(age_)) << 41) | kind | number));
}

function exitableAt(Priority priority) pure returns (uint256) {
    return Priority.unwrap(priority) >> 94;
}

function age(Priority priority) pure returns (Age) {
    return Age.wrap(uint64((Priority.unwrap(priority) >> 41) & (2 ** 53 - 1)));
}

function isInFlight(Priority priority) pure returns (bool) {
    return Priority.unwrap(priority) & (1 << 40) != 0;
}

function exitNumber(Priority priority) pure returns (uint40) {
    return uint40(Priority.unwrap(priority));
}
