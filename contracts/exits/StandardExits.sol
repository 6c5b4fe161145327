// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Exits} from "./Exits.sol";
import {Age, packAge, packPriority, Priority} from "../libraries/Priority.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {
    Deposit,
    DepositExitRequest,
    ExitData,
    InclusionProof,
    IRootChain,
    Output,
    StandardExit,
    StandardExitRequest,
    Transaction
} from "../interfaces/IRootChain.sol";

/// @title Exits of one output by its owner, and the challenge with its spend
abstract contract StandardExits is Exits {
    uint256 private constant STANDARD_EXIT_BYTES = 192; // six words

    /// @inheritdoc IRootChain
    function startStandardExit(
        Transaction calldata transaction,
        InclusionProof calldata proof,
        uint256 outputIndex
    ) external payable nonReentrant returns (uint40 number) {
        _checkBonds(standardExitBond);
        (bytes32 id, Output calldata output) = _includedOutput(transaction, proof, outputIndex);
        _checkOwner(output.owner);
        return _startPaymentExit(id, output, proof, msg.sender);
    }

    /// @inheritdoc IRootChain
    function startStandardExits(
        StandardExitRequest[] calldata requests
    ) external payable nonReentrant returns (uint40 first) {
        _checkRequests(requests.length, standardExitBond);
        first = nextExitNumber;
        for (uint256 i = 0; i < requests.length; ++i) {
            InclusionProof calldata proof = requests[i].output.proof;
            (bytes32 id, Output calldata output) = _includedOutput(
                requests[i].output.transaction,
                proof,
                requests[i].output.outputIndex
            );
            address bondOwner = _authorized(requests[i].authorization, output.owner, id, proof.header.number);
            _startPaymentExit(id, output, proof, bondOwner);
        }
    }

    /// @inheritdoc IRootChain
    function startDepositExit(Deposit calldata deposit_) external payable nonReentrant returns (uint40 number) {
        _checkBonds(standardExitBond);
        _checkOwner(deposit_.owner);
        Deposit memory made = deposit_;
        return _startDepositExit(_depositId(made), made, msg.sender);
    }

    /// @inheritdoc IRootChain
    function startDepositExits(
        DepositExitRequest[] calldata requests
    ) external payable nonReentrant returns (uint40 first) {
        _checkRequests(requests.length, standardExitBond);
        first = nextExitNumber;
        for (uint256 i = 0; i < requests.length; ++i) {
            Deposit memory made = requests[i].deposit;
            bytes32 id = _depositId(made);
            _startDepositExit(id, made, _authorized(requests[i].authorization, made.owner, id, 0));
        }
    }

    /// @inheritdoc IRootChain
    function challengeStandardExit(
        StandardExit calldata exit,
        Transaction calldata spend,
        uint256 inputIndex,
        bytes calldata signature
    ) external nonReentrant {
        // Check: the exit is live, and its owner signed the spend.
        bytes32 id = _inputId(spend, inputIndex);
        (uint40 finalizer, uint216 record) = _output(id);
        require(
            record == _commitment(keccak256(abi.encode(exit))) && finalizer != exit.number,
            RootChain_NoSuchExit(exit.number, id)
        );
        bytes32 spendHash = _transactionHash(spend);
        _checkSignature(spendHash, signature, exit.owner);
        // Effect: the output's slot as before the exit; the entry waits to be taken out.
        _setOutput(id, finalizer, exit.depositRecord);
        _cancel(exit.number);
        emit ExitChallenged(exit.number, id, msg.sender, spendHash);
        // Interaction: the bond but for the bounty of whoever takes the entry out.
        _push(ETHER, msg.sender, standardExitBond - bounty);
    }

    /// @return slot The output's slot, if `data` is what the live standard exit `number` of it committed to; else zero.
    /// Never reverts, whatever the data.
    function _matchingStandard(uint40 number, ExitData calldata data) internal view returns (uint256 slot) {
        bytes calldata encoded = data.data;
        if (encoded.length != STANDARD_EXIT_BYTES || uint256(bytes32(encoded[:32])) != number) return 0;
        slot = _outputSlot(data.id);
        (uint40 finalizer, uint216 record) = _unpack(slot);
        if (record != _commitment(keccak256(encoded)) || finalizer == number) return 0;
    }

    /// @dev Pays, or says why not, an exit that matched and has left its queue.
    function _finishStandard(address token, ExitData calldata data, uint256 slot) internal {
        bytes32 id = data.id;
        StandardExit calldata exit = _decode(data.data);
        (uint40 number, address owner, uint256 amount) = (exit.number, exit.owner, exit.amount);
        (uint40 finalizer, uint216 record) = _unpack(slot);
        if (finalizer == 0 && _finalize(number, id, record, token, amount)) {
            emit ExitFinalized(number, id, true);
        } else {
            amount = 0;
            _setOutput(id, finalizer, exit.depositRecord);
            if (finalizer != 0) emit ExitFinalized(number, id, false);
        }
        _pushWithBond(token, owner, amount, exit.bondOwner, standardExitBond - bounty);
    }

    /// @return What the output's slot held before the exit: a deposit's record, or zero.
    function _recordBefore(uint216 record, StandardExit calldata exit) internal pure returns (uint216) {
        if (record & COMMITMENT_BIT == 0) return record;
        return record == _commitment(keccak256(abi.encode(exit))) ? exit.depositRecord : 0;
    }

    function _includedOutput(
        Transaction calldata transaction,
        InclusionProof calldata proof,
        uint256 outputIndex
    ) internal view returns (bytes32 id, Output calldata output) {
        bytes32 hash = _transactionHash(transaction);
        _checkInclusion(hash, proof);
        _checkIndex(outputIndex, transaction.outputs.length);
        return (TypedData.outputId(hash, outputIndex), transaction.outputs[outputIndex]);
    }

    function _startPaymentExit(
        bytes32 id,
        Output calldata output,
        InclusionProof calldata proof,
        address bondOwner
    ) private returns (uint40) {
        (uint40 finalizer, uint216 record) = _output(id);
        return
            _startExit(
                id,
                finalizer,
                StandardExit(0, output.owner, output.token, output.amount, bondOwner, record),
                _exitableAt(proof.header.timestamp),
                packAge(proof.header.number, proof.index + 1)
            );
    }

    function _startDepositExit(bytes32 id, Deposit memory made, address bondOwner) private returns (uint40) {
        (uint40 finalizer, uint216 record) = _output(id);
        require(record != 0, RootChain_UnknownDeposit(made.id));
        return
            _startExit(
                id,
                finalizer,
                StandardExit(0, made.owner, made.token, made.amount, bondOwner, record),
                block.timestamp + exitPeriod,
                packAge(uint64(record >> 64), 0)
            );
    }

    /// @param exit With what the output's slot holds as its `depositRecord`, and no number yet.
    function _startExit(
        bytes32 id,
        uint40 finalizer,
        StandardExit memory exit,
        uint256 time,
        Age age
    ) private returns (uint40) {
        // Check: something to pay; nothing paid, no exit running.
        require(exit.amount != 0, RootChain_ZeroAmount());
        require(finalizer == 0, RootChain_AlreadyFinalized(id, finalizer));
        require(exit.depositRecord & COMMITMENT_BIT == 0, RootChain_AlreadyExiting(id));
        // Effect: a number, the commitment in the output's slot, an entry in the queue.
        exit.number = _takeExitNumber();
        Priority priority = packPriority(time, age, false, exit.number);
        _setOutput(id, 0, _commitment(_hash(exit)));
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

    function _checkRequests(uint256 count, uint256 bond) internal view {
        require(count != 0, RootChain_WrongCount(count));
        _checkBonds(count * bond);
    }

    /// @dev Of data that matched, and so is the encoding of a struct.
    function _decode(bytes calldata data) private pure returns (StandardExit calldata exit) {
        assembly ("memory-safe") {
            exit := data.offset
        }
    }

    /// @return hash keccak256(abi.encode(exit)): in memory, too, each member is a word.
    function _hash(StandardExit memory exit) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(exit, STANDARD_EXIT_BYTES)
        }
    }

    function _commitment(bytes32 hash) private pure returns (uint216) {
        return uint216(uint256(hash)) | COMMITMENT_BIT;
    }
}
