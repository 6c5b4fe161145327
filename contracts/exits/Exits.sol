// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Deposits} from "../Deposits.sol";
import {Priority} from "../libraries/Priority.sol";
import {PriorityQueue} from "../libraries/PriorityQueue.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {Authorization, Bonds, IRootChain, Transaction} from "../interfaces/IRootChain.sol";

/// @title What every kind of exit shares: numbers, queues, bonds, authorizations, spends, and finalization
abstract contract Exits is Deposits {
    using PriorityQueue for PriorityQueue.Queue;

    uint64 private constant EXIT_PERIOD_MAX = 365 days;

    /// @inheritdoc IRootChain
    uint64 public immutable exitPeriod;
    /// @inheritdoc IRootChain
    uint256 public immutable standardExitBond;
    /// @inheritdoc IRootChain
    uint256 public immutable inFlightExitBond;
    /// @inheritdoc IRootChain
    uint256 public immutable piggybackBond;
    /// @inheritdoc IRootChain
    uint256 public immutable challengeBond;
    /// @inheritdoc IRootChain
    uint256 public immutable bounty;

    /// @inheritdoc IRootChain
    uint40 public nextExitNumber = 1;
    /// @dev Entries of ether's queue: in one slot with the exits' counter, since a start writes both.
    uint40 private _etherEntries;
    mapping(uint256 word => uint256 bits) private _cancelled;
    mapping(address token => PriorityQueue.Queue) private _queues;

    constructor(uint64 exitPeriod_, Bonds memory bonds) {
        require(exitPeriod_ != 0 && exitPeriod_ <= EXIT_PERIOD_MAX, RootChain_WrongExitPeriod(exitPeriod_));
        require(bonds.standardExit >= bonds.bounty, RootChain_BountyAboveBond(bonds.bounty, bonds.standardExit));
        require(bonds.piggyback >= bonds.bounty, RootChain_BountyAboveBond(bonds.bounty, bonds.piggyback));
        exitPeriod = exitPeriod_;
        standardExitBond = bonds.standardExit;
        inFlightExitBond = bonds.inFlightExit;
        piggybackBond = bonds.piggyback;
        challengeBond = bonds.challenge;
        bounty = bonds.bounty;
    }

    /// @inheritdoc IRootChain
    function isCancelled(uint40 number) public view returns (bool) {
        return _cancelled[number >> 8] & (1 << (number & 0xff)) != 0;
    }

    /// @inheritdoc IRootChain
    function queueLength(address token) external view returns (uint256) {
        return token == ETHER ? _etherEntries : _queues[token].length();
    }

    /// @inheritdoc IRootChain
    function firstExit(address token) external view returns (uint128) {
        return Priority.unwrap(_firstExit(token));
    }

    function _cancel(uint40 number) internal {
        _cancelled[number >> 8] |= 1 << (number & 0xff);
    }

    function _enqueue(address token, Priority priority) internal {
        if (token == ETHER) _queues[token].insert(++_etherEntries, priority);
        else _queues[token].push(priority);
    }

    /// @return The smallest key, zero when the queue is empty.
    function _firstExit(address token) internal view returns (Priority) {
        if (token != ETHER) return _queues[token].first();
        return _etherEntries == 0 ? Priority.wrap(0) : _queues[token].smallest();
    }

    /// @dev The queue is not empty.
    function _removeFirst(address token) internal {
        if (token == ETHER) {
            uint40 entries = _etherEntries;
            _etherEntries = entries - 1;
            _queues[token].removeFirst(entries);
        } else {
            _queues[token].pop();
        }
    }

    function _takeExitNumber() internal returns (uint40 number) {
        number = nextExitNumber;
        nextExitNumber = number + 1;
    }

    function _checkBonds(uint256 bonds) internal view {
        require(msg.value == bonds, RootChain_WrongBond(msg.value, bonds));
    }

    /// @return The earliest time at which what starts now and moves something of this age can be paid.
    function _exitableAt(uint256 timestamp) internal view returns (uint256) {
        uint256 time = block.timestamp + exitPeriod;
        uint256 oldest = timestamp + 2 * uint256(exitPeriod);
        return time > oldest ? time : oldest;
    }

    function _checkOwner(address owner) internal view {
        require(msg.sender == owner, RootChain_NotOwner(msg.sender, owner));
    }

    /// @return bondOwner Who gets the bond back: the owner itself who calls, or whom it named in its authorization.
    function _authorized(
        Authorization calldata authorization,
        address owner,
        bytes32 outputId,
        uint64 blockNumber
    ) internal view returns (address bondOwner) {
        if (authorization.signature.length == 0) {
            _checkOwner(owner);
            return msg.sender;
        }
        bondOwner = authorization.bondOwner;
        uint64 deadline = authorization.deadline;
        require(block.timestamp <= deadline, RootChain_AuthorizationExpired(deadline));
        require(bondOwner != address(0), RootChain_ZeroAddress());
        bytes32 hash = TypedData.authorizationHash(owner, outputId, blockNumber, bondOwner, deadline);
        _checkSignature(_hashTypedDataV4(hash), authorization.signature, owner);
    }

    /// @param owner Not zero: a signature that recovers to nobody is nobody's.
    function _checkSignature(bytes32 hash, bytes calldata signature, address owner) internal pure {
        (address signer, , ) = ECDSA.tryRecoverCalldata(hash, signature);
        require(signer == owner && owner != address(0), RootChain_WrongSigner(signer, owner));
    }

    /// @dev That the owner signed a transaction spending the output, and another one than `notHash`.
    function _checkSpend(
        Transaction calldata spend,
        uint256 inputIndex,
        bytes calldata signature,
        bytes32 outputId,
        address owner,
        bytes32 notHash
    ) internal view returns (bytes32 hash) {
        bytes32 input = _inputId(spend, inputIndex);
        require(input == outputId, RootChain_NotSpent(outputId, input));
        hash = _transactionHash(spend);
        require(hash != notHash, RootChain_SameTransaction(hash));
        _checkSignature(hash, signature, owner);
    }

    function _inputId(Transaction calldata transaction, uint256 index) internal pure returns (bytes32) {
        _checkIndex(index, transaction.inputs.length);
        return transaction.inputs[index];
    }

    function _checkIndex(uint256 index, uint256 count) internal pure {
        require(index < count, RootChain_WrongIndex(index, count));
    }

    /// @dev Takes an output's amount out of what is held and finalizes it; leaves all as it is if less is held.
    function _finalize(
        uint40 number,
        bytes32 outputId,
        uint216 record,
        address token,
        uint256 amount
    ) internal returns (bool) {
        uint256 available = held[token];
        if (amount > available) {
            emit ExitUnpayable(number, outputId, amount, available);
            return false;
        }
        unchecked {
            // Not more than is available, as was just seen.
            held[token] = available - amount;
        }
        _setOutput(outputId, number, record);
        emit OutputFinalized(outputId, number);
        return true;
    }

    /// @dev What is paid and what returns of a bond: in one call when ether goes to one receiver.
    function _pushWithBond(address token, address owner, uint256 amount, address bondOwner, uint256 bond) internal {
        if (token == ETHER && owner == bondOwner) return _push(ETHER, owner, amount + bond);
        _push(token, owner, amount);
        _push(ETHER, bondOwner, bond);
    }
}
