// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StandardExits} from "./StandardExits.sol";
import {Age, NOT_INCLUDED, packAge, packPriority, Priority} from "../libraries/Priority.sol";
import {
    InFlightSlot,
    newInFlightSlot,
    OUTPUTS_FROM,
    PIGGYBACK_CANCELLED,
    PIGGYBACK_LIVE,
    PIGGYBACK_LIVE_WITH_BOUNTY,
    PIGGYBACK_NONE,
    PIGGYBACKS_MASK
} from "../libraries/InFlightSlot.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {
    DepositOutput,
    ExitData,
    InclusionProof,
    InFlightExit,
    IRootChain,
    Output,
    PaymentOutput,
    PiggybackRequest,
    Transaction
} from "../interfaces/IRootChain.sol";

/// @title Exits of what a signed transaction moves, included or not
abstract contract InFlightExits is StandardExits {
    uint256 private constant MAX_COUNT = 16;
    uint256 private constant POSITION_SHIFT = 160;

    /// @dev An exit as its caller hands it in, found.
    struct Found {
        InFlightSlot slot;
        uint40 place;
        uint40 number;
        bytes32 transactionHash;
    }

    /// @dev Under number 0 the main exit of a transaction; under its number one that a further exit moved aside.
    mapping(bytes32 transactionHash => mapping(uint40 number => InFlightSlot)) private _inFlightExits;
    /// @dev 160 bits the standing challenger, above it the age that a further challenge must undercut.
    mapping(bytes32 transactionHash => mapping(uint40 number => uint256)) private _competitors;
    /// @dev Only of piggybacks whose bond belongs to another than the owner.
    mapping(uint40 number => mapping(uint256 index => address)) private _sponsors;

    /// @inheritdoc IRootChain
    function startInFlightExit(
        Transaction calldata transaction,
        bytes[] calldata signatures,
        PaymentOutput[] calldata payments,
        DepositOutput[] calldata deposits,
        bytes calldata former
    ) external payable nonReentrant returns (uint40 number) {
        // Check: the bond, and a transaction that could be included.
        _checkBonds(inFlightExitBond);
        bytes32 hash = _transactionHash(transaction);
        (Output[] memory inputs, Age age, uint256 timestamp) = _checkInputs(
            hash,
            transaction.inputs,
            signatures,
            payments,
            deposits
        );
        _checkOutputs(inputs, transaction.outputs);
        // Effect: a live exit of the same transaction, if this one is older, goes on beside it.
        InFlightSlot main = _inFlightExits[hash][0];
        if (main.exists()) {
            require(main.isOpen() && main.commits(keccak256(former)), RootChain_AlreadyExiting(hash));
            Priority priority = Priority.wrap(_decodeInFlight(former).priority);
            require(age < priority.age(), RootChain_NotOlder(Age.unwrap(age), Age.unwrap(priority.age())));
            _inFlightExits[hash][priority.exitNumber()] = main;
        }
        // Effect: a number and the commitment; entries of queues come with piggybacks.
        number = _takeExitNumber();
        bytes memory data = abi.encode(
            packPriority(_exitableAt(timestamp), age, true, number),
            block.timestamp,
            uint64(block.prevrandao),
            msg.sender,
            transaction.inputs,
            inputs,
            transaction.outputs
        );
        _inFlightExits[hash][0] = newInFlightSlot(data);
        emit InFlightExitStarted(number, hash, msg.sender, data);
    }

    /// @inheritdoc IRootChain
    function piggyback(ExitData calldata exit, uint256 index) external payable nonReentrant {
        _checkBonds(piggybackBond);
        (Found memory found, InFlightExit calldata terms) = _findOpen(exit);
        _checkHalfTime(terms);
        (bytes32 id, Output calldata output) = _moved(exit.id, terms, index);
        _checkOwner(output.owner);
        found.slot = _addPiggyback(found, terms, index, id, output, msg.sender);
        _inFlightExits[exit.id][found.place] = found.slot;
    }

    /// @inheritdoc IRootChain
    function piggybacks(ExitData calldata exit, PiggybackRequest[] calldata requests) external payable nonReentrant {
        _checkRequests(requests.length, piggybackBond);
        (Found memory found, InFlightExit calldata terms) = _findOpen(exit);
        _checkHalfTime(terms);
        for (uint256 i = 0; i < requests.length; ++i) {
            uint256 index = requests[i].index;
            (bytes32 id, Output calldata output) = _moved(exit.id, terms, index);
            address bondOwner = _authorized(requests[i].authorization, output.owner, id, 0);
            found.slot = _addPiggyback(found, terms, index, id, output, bondOwner);
        }
        _inFlightExits[exit.id][found.place] = found.slot;
    }

    /// @inheritdoc IRootChain
    function challengeNonCanonical(
        ExitData calldata exit,
        uint256 inputIndex,
        Transaction calldata competitor_,
        uint256 competitorInputIndex,
        bytes calldata signature,
        InclusionProof calldata proof
    ) external payable nonReentrant {
        // Check: the bond, the time, a signed competitor older than what is remembered.
        _checkBonds(challengeBond);
        (Found memory found, InFlightExit calldata terms) = _findOpen(exit);
        _checkHalfTime(terms);
        _checkIndex(inputIndex, terms.inputs.length);
        bytes32 hash = _checkSpend(
            competitor_,
            competitorInputIndex,
            signature,
            terms.inputIds[inputIndex],
            terms.inputs[inputIndex].owner,
            exit.id
        );
        Age age = NOT_INCLUDED;
        if (proof.header.number != 0) {
            _checkInclusion(hash, proof);
            age = packAge(proof.header.number, proof.index + 1);
        }
        (address replaced, uint64 position) = competitor(exit.id, found.number);
        require(position == 0 || age < Age.wrap(position), RootChain_NotOlder(Age.unwrap(age), position));
        // Effect: it is remembered; the one before is credited, since a push could make this call fail.
        _setCompetitor(exit.id, found.number, msg.sender, age);
        emit NonCanonicalChallenged(found.number, exit.id, msg.sender, hash, Age.unwrap(age));
        if (replaced != address(0)) _credit(ETHER, replaced, challengeBond);
    }

    /// @inheritdoc IRootChain
    function respondCanonical(
        bytes32 transactionHash,
        uint40 number,
        InclusionProof calldata proof
    ) external nonReentrant {
        // Check: a challenge stands, which none does of an exit that is over; the inclusion is older.
        (address challenger, uint64 position) = competitor(transactionHash, number);
        require(challenger != address(0), RootChain_NotChallenged(number, transactionHash));
        _checkInclusion(transactionHash, proof);
        Age age = packAge(proof.header.number, proof.index + 1);
        require(age < Age.wrap(position), RootChain_NotOlder(Age.unwrap(age), position));
        // Effect: canonical again.
        _setCompetitor(transactionHash, number, address(0), age);
        emit CanonicalResponded(number, transactionHash, msg.sender, Age.unwrap(age));
        // Interaction: the challenge's bond.
        _push(ETHER, msg.sender, challengeBond);
    }

    /// @inheritdoc IRootChain
    function challengeInputSpent(
        ExitData calldata exit,
        uint256 inputIndex,
        Transaction calldata spend,
        uint256 spendInputIndex,
        bytes calldata signature
    ) external nonReentrant {
        (Found memory found, InFlightExit calldata terms) = _findOpen(exit);
        _checkIndex(inputIndex, terms.inputs.length);
        bytes32 id = terms.inputIds[inputIndex];
        address owner = terms.inputs[inputIndex].owner;
        bytes32 spendHash = _checkSpend(spend, spendInputIndex, signature, id, owner, exit.id);
        _cancelPiggyback(found, inputIndex, id, spendHash);
    }

    /// @inheritdoc IRootChain
    function challengeOutputSpent(
        ExitData calldata exit,
        uint256 outputIndex,
        InclusionProof calldata proof,
        Transaction calldata spend,
        uint256 spendInputIndex,
        bytes calldata signature
    ) external nonReentrant {
        (Found memory found, InFlightExit calldata terms) = _findOpen(exit);
        _checkIndex(outputIndex, terms.outputs.length);
        _checkInclusion(exit.id, proof);
        bytes32 id = TypedData.outputId(exit.id, outputIndex);
        address owner = terms.outputs[outputIndex].owner;
        bytes32 spendHash = _checkSpend(spend, spendInputIndex, signature, id, owner, exit.id);
        _cancelPiggyback(found, OUTPUTS_FROM + outputIndex, id, spendHash);
    }

    /// @inheritdoc IRootChain
    function closeInFlightExit(ExitData calldata exit) external nonReentrant {
        // Check: its time has come, and it would pay nothing.
        (Found memory found, InFlightExit calldata terms) = _findOpen(exit);
        uint256 from = terms.startedAt + exitPeriod;
        require(block.timestamp >= from, RootChain_TooEarly(from));
        require(!found.slot.pays(), RootChain_StillPiggybacked(found.number));
        // Effect: over; what entries it has can be skipped.
        _inFlightExits[exit.id][found.place] = InFlightSlot.wrap(0);
        _cancel(found.number);
        emit InFlightExitClosed(found.number, exit.id);
        // Interaction: the bonds.
        (address to, uint256 sum) = _bondsAtEnd(_endChallenge(exit.id, found.number), terms.bondOwner);
        _push(ETHER, to, sum);
    }

    /// @inheritdoc IRootChain
    function inFlightExit(bytes32 transactionHash, uint40 number) external view returns (uint256 slot) {
        return InFlightSlot.unwrap(_inFlightExits[transactionHash][number]);
    }

    /// @inheritdoc IRootChain
    function competitor(
        bytes32 transactionHash,
        uint40 number
    ) public view returns (address challenger, uint64 position) {
        uint256 slot = _competitors[transactionHash][number];
        return (address(uint160(slot)), uint64(slot >> POSITION_SHIFT));
    }

    /// @return found With a slot of zero where `data` is no in-flight exit's. Never reverts, whatever the data.
    function _find(ExitData calldata data) internal view returns (Found memory found) {
        bytes calldata encoded = data.data;
        bytes32 hash = keccak256(encoded);
        // What it says as its number; that of an exit if a slot commits to it.
        if (encoded.length >= 32) found.number = uint40(uint256(bytes32(encoded[:32])));
        found.transactionHash = data.id;
        found.slot = _inFlightExits[data.id][0];
        if (found.slot.commits(hash)) return found;
        found.place = found.number;
        found.slot = _inFlightExits[data.id][found.place];
        if (!found.slot.commits(hash)) found.slot = InFlightSlot.wrap(0);
    }

    /// @dev Pays, or says why not, an exit that matched and has left the queue of the token.
    function _finishInFlight(address token, ExitData calldata data, Found memory found) internal {
        InFlightExit calldata exit = _decodeInFlight(data.data);
        InFlightSlot slot = found.slot;
        bool decides = slot.isOpen();
        // What a further exit has moved aside pays nothing: it is younger, and through another token's queue it could
        // be decided first and finalize the inputs of the older one.
        bool isMain = found.place == 0;
        address challenger;
        if (decides) {
            challenger = _endChallenge(data.id, found.number);
            slot = slot.withOutcome(isMain && challenger == address(0) && _areUnspent(exit.inputIds));
        }
        bool canonical = slot.isCanonical();
        // Effect: nothing is left of this token's piggybacks, nor of the exit after its last queue.
        (InFlightSlot left, uint256 due) = _takePiggybacks(slot, exit, token);
        _inFlightExits[data.id][found.place] = left;
        emit InFlightExitFinalized(found.number, data.id, token, canonical);
        address to;
        uint256 sum;
        if (decides) {
            if (canonical) _finalizeInputs(exit.inputIds, found.number);
            (to, sum) = _bondsAtEnd(challenger, exit.bondOwner);
        }
        // Interaction: each live piggyback's payment, if it is on the side that won, and its bond. Ether that goes to
        // one receiver in a row goes in one call.
        for (uint256 i = uint32(due) == 0 ? OUTPUTS_FROM : 0; due >> (2 * i) != 0; ++i) {
            uint256 state = (due >> (2 * i)) & 3;
            if (state < PIGGYBACK_LIVE) continue;
            (bytes32 id, Output calldata output) = _moved(data.id, exit, i);
            bool favoured = isMain && canonical == (i >= OUTPUTS_FROM);
            uint256 amount = favoured ? _finalizePiggyback(found.number, id, output) : 0;
            address sponsor = slot.isSponsored() ? _sponsors[found.number][i] : address(0);
            if (token == ETHER) (to, sum) = _gather(to, sum, output.owner, amount);
            else _push(token, output.owner, amount);
            uint256 bond = state == PIGGYBACK_LIVE_WITH_BOUNTY ? piggybackBond - bounty : piggybackBond;
            (to, sum) = _gather(to, sum, sponsor == address(0) ? output.owner : sponsor, bond);
        }
        _push(ETHER, to, sum);
    }

    /// @return left The slot without this token's piggybacks; zero when there are no others.
    /// @return due This token's, as they stood.
    function _takePiggybacks(
        InFlightSlot slot,
        InFlightExit calldata exit,
        address token
    ) private pure returns (InFlightSlot left, uint256 due) {
        uint256 all = InFlightSlot.unwrap(slot) & PIGGYBACKS_MASK;
        Output[] calldata inputs = exit.inputs;
        for (uint256 i = 0; i < inputs.length; ++i) {
            if (inputs[i].token == token) due |= all & (3 << (2 * i));
        }
        Output[] calldata outputs = exit.outputs;
        for (uint256 i = 0; i < outputs.length; ++i) {
            if (outputs[i].token == token) due |= all & (3 << (2 * (OUTPUTS_FROM + i)));
        }
        left = InFlightSlot.wrap(all == due ? 0 : InFlightSlot.unwrap(slot) ^ due);
    }

    /// @return inputs What the inputs are.
    /// @return age The youngest one's.
    /// @return timestamp And its time: of its block, or of the deposit.
    function _checkInputs(
        bytes32 hash,
        bytes32[] calldata ids,
        bytes[] calldata signatures,
        PaymentOutput[] calldata payments,
        DepositOutput[] calldata deposits
    ) private view returns (Output[] memory inputs, Age age, uint256 timestamp) {
        _checkCount(ids.length);
        require(signatures.length == ids.length, RootChain_WrongCount(signatures.length));
        uint256 sources = payments.length + deposits.length;
        require(sources == ids.length, RootChain_WrongCount(sources));
        inputs = new Output[](sources);
        uint256 nextDeposit;
        for (uint256 i = 0; i < ids.length; ++i) {
            bytes32 id = ids[i];
            for (uint256 j = 0; j < i; ++j) require(ids[j] != id, RootChain_DuplicateInput(id));
            Age inputAge;
            uint256 inputTimestamp;
            if (nextDeposit < deposits.length && _depositId(deposits[nextDeposit].deposit) == id) {
                (inputs[i], inputAge, inputTimestamp) = _depositInput(id, deposits[nextDeposit]);
                ++nextDeposit;
            } else {
                require(i - nextDeposit < payments.length, RootChain_UnknownInput(id));
                (inputs[i], inputAge, inputTimestamp) = _paymentInput(id, payments[i - nextDeposit]);
            }
            _checkOutput(inputs[i].owner, inputs[i].amount);
            _checkSignature(hash, signatures[i], inputs[i].owner);
            if (age < inputAge) age = inputAge;
            // No older input has a later time; of deposits of one age the later one counts.
            if (inputTimestamp > timestamp) timestamp = inputTimestamp;
        }
    }

    function _paymentInput(
        bytes32 id,
        PaymentOutput calldata payment
    ) private view returns (Output memory input, Age age, uint256 timestamp) {
        InclusionProof calldata proof = payment.proof;
        (bytes32 made, Output calldata output) = _includedOutput(payment.transaction, proof, payment.outputIndex);
        require(made == id, RootChain_UnknownInput(id));
        return (output, packAge(proof.header.number, proof.index + 1), proof.header.timestamp);
    }

    function _depositInput(
        bytes32 id,
        DepositOutput calldata made
    ) private view returns (Output memory input, Age age, uint256 timestamp) {
        (, uint216 record) = _output(id);
        record = _recordBefore(record, made.exit);
        require(record != 0, RootChain_UnknownDeposit(made.deposit.id));
        input = Output(made.deposit.owner, made.deposit.token, made.deposit.amount);
        return (input, packAge(uint64(record >> 64), 0), uint64(record));
    }

    function _checkCount(uint256 count) private pure {
        require(count != 0 && count <= MAX_COUNT, RootChain_WrongCount(count));
    }

    function _checkOutput(address owner, uint256 amount) private pure {
        require(owner != address(0), RootChain_ZeroAddress());
        require(amount != 0, RootChain_ZeroAmount());
    }

    /// @dev That they are something for somebody, and in each token take what the inputs bring. No amount is zero, so a
    /// token of one side only shows as one whose sums differ.
    function _checkOutputs(Output[] memory inputs, Output[] calldata outputs) private pure {
        _checkCount(outputs.length);
        for (uint256 i = 0; i < outputs.length; ++i) _checkOutput(outputs[i].owner, outputs[i].amount);
        address token = inputs[0].token;
        _checkSums(inputs, outputs, token);
        // Mostly there is one token only.
        for (uint256 i = 1; i < inputs.length; ++i) {
            if (inputs[i].token != token) _checkSums(inputs, outputs, inputs[i].token);
        }
        for (uint256 i = 0; i < outputs.length; ++i) {
            if (outputs[i].token != token) _checkSums(inputs, outputs, outputs[i].token);
        }
    }

    function _checkSums(Output[] memory inputs, Output[] calldata outputs, address token) private pure {
        uint256 brought;
        for (uint256 i = 0; i < inputs.length; ++i) {
            if (inputs[i].token == token) brought = _add(brought, inputs[i].amount, token);
        }
        uint256 taken;
        for (uint256 i = 0; i < outputs.length; ++i) {
            if (outputs[i].token == token) taken = _add(taken, outputs[i].amount, token);
        }
        require(brought == taken, RootChain_Unbalanced(token));
    }

    function _add(uint256 sum, uint256 amount, address token) private pure returns (uint256) {
        unchecked {
            require(sum + amount >= sum, RootChain_Unbalanced(token));
            return sum + amount;
        }
    }

    function _findOpen(ExitData calldata exit) private view returns (Found memory found, InFlightExit calldata terms) {
        found = _find(exit);
        require(found.slot.isOpen(), RootChain_NoSuchExit(found.number, exit.id));
        terms = _decodeInFlight(exit.data);
    }

    function _checkHalfTime(InFlightExit calldata terms) private view {
        uint256 until = terms.startedAt + exitPeriod / 2;
        require(block.timestamp < until, RootChain_TooLate(until));
    }

    /// @return id The output id of an input or output.
    /// @return output And what it is.
    function _moved(
        bytes32 transactionHash,
        InFlightExit calldata exit,
        uint256 index
    ) private pure returns (bytes32 id, Output calldata output) {
        if (index < OUTPUTS_FROM) {
            _checkIndex(index, exit.inputs.length);
            return (exit.inputIds[index], exit.inputs[index]);
        }
        _checkIndex(index, OUTPUTS_FROM + exit.outputs.length);
        index -= OUTPUTS_FROM;
        return (TypedData.outputId(transactionHash, index), exit.outputs[index]);
    }

    function _addPiggyback(
        Found memory found,
        InFlightExit calldata exit,
        uint256 index,
        bytes32 id,
        Output calldata output,
        address bondOwner
    ) private returns (InFlightSlot slot) {
        slot = found.slot;
        uint40 number = found.number;
        // Check: it is the first there.
        require(slot.state(index) == PIGGYBACK_NONE, RootChain_AlreadyPiggybacked(number, index));
        // Effect: an entry of the queue with the first of a token.
        uint256 made = PIGGYBACK_LIVE;
        (, uint256 sameToken) = _takePiggybacks(slot, exit, output.token);
        if (sameToken == 0) {
            made = PIGGYBACK_LIVE_WITH_BOUNTY;
            _enqueue(output.token, Priority.wrap(exit.priority));
        }
        if (bondOwner != output.owner) {
            slot = slot.withSponsor();
            _sponsors[number][index] = bondOwner;
        }
        emit Piggybacked(number, id, output.owner, index, bondOwner);
        return slot.withState(index, made);
    }

    function _cancelPiggyback(Found memory found, uint256 index, bytes32 id, bytes32 spendHash) private {
        uint256 state = found.slot.state(index);
        require(state >= PIGGYBACK_LIVE, RootChain_NotPiggybacked(found.number, index));
        _inFlightExits[found.transactionHash][found.place] = found.slot.withState(index, PIGGYBACK_CANCELLED);
        emit PiggybackChallenged(found.number, id, msg.sender, index, spendHash);
        // Interaction: the bond but for the bounty of whoever takes the entry out.
        _push(ETHER, msg.sender, state == PIGGYBACK_LIVE_WITH_BOUNTY ? piggybackBond - bounty : piggybackBond);
    }

    /// @return Whether no exit finalized one of them.
    function _areUnspent(bytes32[] calldata inputIds) private view returns (bool) {
        for (uint256 i = 0; i < inputIds.length; ++i) {
            (uint40 finalizer, ) = _output(inputIds[i]);
            if (finalizer != 0) return false;
        }
        return true;
    }

    function _finalizeInputs(bytes32[] calldata inputIds, uint40 number) private {
        for (uint256 i = 0; i < inputIds.length; ++i) {
            (, uint216 record) = _output(inputIds[i]);
            _setOutput(inputIds[i], number, record);
            emit OutputFinalized(inputIds[i], number);
        }
    }

    /// @return amount What is to be paid: nothing when another exit finalized it, or not so much is held.
    function _finalizePiggyback(uint40 number, bytes32 id, Output calldata output) private returns (uint256 amount) {
        (uint40 finalizer, uint216 record) = _output(id);
        if (finalizer == 0 && _finalize(number, id, record, output.token, output.amount)) amount = output.amount;
    }

    /// @return challenger Who made the challenge that stands at the end.
    function _endChallenge(bytes32 transactionHash, uint40 number) private returns (address challenger) {
        uint256 slot = _competitors[transactionHash][number];
        if (slot != 0) delete _competitors[transactionHash][number];
        return address(uint160(slot));
    }

    /// @return Whom the exit's bond goes to, and that bond; the challenger's too if it goes there.
    function _bondsAtEnd(address challenger, address bondOwner) private view returns (address, uint256) {
        return
            challenger == address(0) ? (bondOwner, inFlightExitBond) : (challenger, inFlightExitBond + challengeBond);
    }

    /// @return The receiver, and the sum of what it is to get: `sum` went out when that was another's.
    function _gather(address to, uint256 sum, address receiver, uint256 amount) private returns (address, uint256) {
        if (receiver == to) return (to, sum + amount);
        _push(ETHER, to, sum);
        return (receiver, amount);
    }

    function _setCompetitor(bytes32 transactionHash, uint40 number, address challenger, Age age) private {
        _competitors[transactionHash][number] = (uint256(Age.unwrap(age)) << POSITION_SHIFT) | uint160(challenger);
    }

    /// @dev Of data that an exit committed to: the encoding of a struct's members.
    function _decodeInFlight(bytes calldata data) private pure returns (InFlightExit calldata exit) {
        assembly ("memory-safe") {
            exit := data.offset
        }
    }
}
