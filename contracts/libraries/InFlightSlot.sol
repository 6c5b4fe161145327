// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// All that is kept of an in-flight exit, but for its challenge. From the lowest bit: 32 times two bits a piggyback, 2
/// bits the outcome, 1 bit whether a piggyback is sponsored, 189 bits of the commitment. Zero when there is none.
///
/// A commitment of 189 bits is safe since the exit's data has a salt that is not known before the exit starts: two data
/// of one commitment cannot be made ready, only found for one that stands already.
type InFlightSlot is uint256;

using {exists, isOpen, isCanonical, isSponsored, pays, commits, state} for InFlightSlot global;
using {withState, withOutcome, withSponsor} for InFlightSlot global;

/// @dev Piggybacks of inputs are 0 to 15, of outputs 16 to 31.
uint256 constant OUTPUTS_FROM = 16;

uint256 constant PIGGYBACK_NONE = 0;
uint256 constant PIGGYBACK_CANCELLED = 1;
uint256 constant PIGGYBACK_LIVE = 2;
/// @dev Live, and the first of its token: its bond bears the bounty of the queue's entry.
uint256 constant PIGGYBACK_LIVE_WITH_BOUNTY = 3;

uint256 constant PIGGYBACKS_MASK = 2 ** 64 - 1;
uint256 constant LIVE_MASK = 0xaaaaaaaaaaaaaaaa;
uint256 constant OUTCOME_MASK = 3 << 64;
uint256 constant CANONICAL = 1 << 64;
uint256 constant NOT_CANONICAL = 2 << 64;
uint256 constant SPONSORED = 1 << 66;
uint256 constant COMMITMENT_SHIFT = 67;

/// @param data What the exit is about, ABI encoded.
function newInFlightSlot(bytes memory data) pure returns (InFlightSlot) {
    return InFlightSlot.wrap((uint256(keccak256(data)) >> COMMITMENT_SHIFT) << COMMITMENT_SHIFT);
}

function exists(InFlightSlot slot) pure returns (bool) {
    return InFlightSlot.unwrap(slot) != 0;
}

/// @return Whether the exit was not processed yet, in any queue.
function isOpen(InFlightSlot slot) pure returns (bool) {
    return exists(slot) && InFlightSlot.unwrap(slot) & OUTCOME_MASK == 0;
}

function isCanonical(InFlightSlot slot) pure returns (bool) {
    return InFlightSlot.unwrap(slot) & CANONICAL != 0;
}

function isSponsored(InFlightSlot slot) pure returns (bool) {
    return InFlightSlot.unwrap(slot) & SPONSORED != 0;
}

/// @return Whether a piggyback is live.
function pays(InFlightSlot slot) pure returns (bool) {
    return InFlightSlot.unwrap(slot) & LIVE_MASK != 0;
}

function commits(InFlightSlot slot, bytes32 hash) pure returns (bool) {
    return InFlightSlot.unwrap(slot) >> COMMITMENT_SHIFT == uint256(hash) >> COMMITMENT_SHIFT;
}

function state(InFlightSlot slot, uint256 index) pure returns (uint256) {
    return (InFlightSlot.unwrap(slot) >> (2 * index)) & 3;
}

function withState(InFlightSlot slot, uint256 index, uint256 state_) pure returns (InFlightSlot) {
    return InFlightSlot.wrap((InFlightSlot.unwrap(slot) & ~(3 << (2 * index))) | (state_ << (2 * index)));
}

function withOutcome(InFlightSlot slot, bool canonical) pure returns (InFlightSlot) {
    return InFlightSlot.wrap(InFlightSlot.unwrap(slot) | (canonical ? CANONICAL : NOT_CANONICAL));
}

function withSponsor(InFlightSlot slot) pure returns (InFlightSlot) {
    return InFlightSlot.wrap(InFlightSlot.unwrap(slot) | SPONSORED);
}
