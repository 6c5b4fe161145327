// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Exits} from "./Exits.sol";
import {Priority, packPriority} from "../libraries/Priority.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {
    Deposit,
    ExitData,
    InclusionProof,
    IRootChain,
    Output,
    StandardExit,
    Transaction
} from "../interfaces/IRootChain.sol";

/// @title Exits of one output by its owner, and the challenge with its spend
abstract contract StandardExits is Exits {
    uint256 private constant STANDARD_EXIT_BYTES = 6 * 32;

    /// @inheritdoc IRootChain
    function startStandardExit(
        Transaction calldata transaction,
        InclusionProof calldata proof,
        uint256 outputIndex
    ) external payable nonReentrant returns (uint40 number) {
        bytes32 hash = _transactionHash(transaction);
        _checkInclusion(hash, proof);
        Output calldata output = transaction.outputs[outputIndex];
        uint256 time = block.timestamp + exitPeriod;
        uint256 oldest = proof.header.timestamp + 2 * uint256(exitPeriod);
        return
            _startExit(
                TypedData.outputId(hash, outputIndex),
                StandardExit(0, output.owner, output.token, output.amount, msg.sender, 0),
                time > oldest ? time : oldest,
                proof.header.number,
                proof.index + 1
            );
    }

    /// @inheritdoc IRootChain
    function startDepositExit(Deposit calldata deposit_) external payable nonReentrant returns (uint40 number) {
        bytes32 id = _depositId(deposit_);
        (, uint216 record) = _output(id);
        require(record != 0, RootChain_UnknownDeposit(deposit_.id));
        return
            _startExit(
                id,
                StandardExit(0, deposit_.owner, deposit_.token, deposit_.amount, msg.sender, record),
                block.timestamp + exitPeriod,
                uint64(record >> 64),
                0
            );
    }

    /// @inheritdoc IRootChain
    function challengeStandardExit(
        StandardExit calldata exit,
        Transaction calldata spend,
        uint256 inputIndex,
        bytes calldata signature
    ) external nonReentrant {
        // Check: the exit is live, and its owner signed the spend.
        bytes32 id = spend.inputs[inputIndex];
        (uint40 finalizer, uint216 record) = _output(id);
        require(
            record == _commitment(keccak256(abi.encode(exit))) && finalizer != exit.number,
            RootChain_NoSuchExit(exit.number, id)
        );
        bytes32 spendHash = _transactionHash(spend);
        (address signer, , ) = ECDSA.tryRecover(spendHash, signature);
        require(signer == exit.owner, RootChain_WrongSigner(signer, exit.owner));
        // Effect: the output's slot as before the exit; the entry waits to be taken out.
        _setOutput(id, finalizer, exit.depositRecord);
        _cancel(exit.number);
        emit ExitChallenged(exit.number, id, msg.sender, spendHash);
        // Interaction: the bond but for the bounty of whoever takes the entry out.
        _push(ETHER, msg.sender, standardExitBond - bounty);
    }

    function _matches(uint40 number, ExitData calldata data) internal view override returns (bool) {
        if (data.data.length != STANDARD_EXIT_BYTES) return false;
        (uint40 finalizer, uint216 record) = _output(data.id);
        return
            record == _commitment(keccak256(data.data)) &&
            uint256(bytes32(data.data[:32])) == number &&
            finalizer != number;
    }

    function _finishExit(address token, ExitData calldata data) internal override {
        StandardExit memory exit = abi.decode(data.data, (StandardExit));
        (uint40 finalizer, uint216 record) = _output(data.id);
        uint256 bond = standardExitBond - bounty;
        uint256 available = held[token];
        if (finalizer != 0) {
            _setOutput(data.id, finalizer, exit.depositRecord);
            emit ExitFinalized(exit.number, data.id, false);
        } else if (exit.amount > available) {
            _setOutput(data.id, 0, exit.depositRecord);
            emit ExitUnpayable(exit.number, data.id, exit.amount, available);
        } else {
            _setOutput(data.id, exit.number, record);
            unchecked {
                // Not more than is available, as was just seen.
                held[token] = available - exit.amount;
            }
            emit OutputFinalized(data.id, exit.number);
            emit ExitFinalized(exit.number, data.id, true);
            // Interaction: ether and a bond of one receiver go in one call.
            if (token == ETHER && exit.owner == exit.bondOwner) bond += exit.amount;
            else _push(token, exit.owner, exit.amount);
        }
        _push(ETHER, exit.bondOwner, bond);
    }

    function _startExit(
        bytes32 id,
        StandardExit memory exit,
        uint256 time,
        uint256 blockNumber,
        uint256 position
    ) private returns (uint40) {
        // Check: the owner with its bond; nothing paid, no exit running.
        require(msg.sender == exit.owner, RootChain_NotOwner(msg.sender, exit.owner));
        require(exit.amount != 0, RootChain_ZeroAmount());
        require(msg.value == standardExitBond, RootChain_WrongBond(msg.value, standardExitBond));
        (uint40 finalizer, uint216 record) = _output(id);
        require(finalizer == 0, RootChain_AlreadyFinalized(id, finalizer));
        require(record & COMMITMENT_BIT == 0, RootChain_AlreadyExiting(id));
        // Effect: a number, the commitment in the output's slot, an entry in the queue.
        exit.number = _takeExitNumber();
        Priority priority = packPriority(time, blockNumber, position, exit.number);
        _setOutput(id, 0, _commitment(keccak256(abi.encode(exit))));
        _enqueue(exit.token, priority);
        emit ExitStarted(
            exit.number,
            id,
            exit.owner,
            exit.token,
            exit.amount,
            exit.bondOwner,
            exit.depositRecord,
            Priority.unwrap(priority)
        );
        return exit.number;
    }

    function _commitment(bytes32 hash) private pure returns (uint216) {
        return uint216(uint256(hash)) | COMMITMENT_BIT;
    }
}
