// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "./libraries/MerkleProof.sol";
import {TypedData} from "./libraries/TypedData.sol";
import {BlockHeader, InclusionProof, IRootChain, Transaction} from "./interfaces/IRootChain.sol";

/// @title The committed blocks, and the operator that may commit them
abstract contract Blocks is IRootChain, EIP712 {
    /// @dev Also the next block's number fits the 30 bits that a queue key and a deposit's record give it.
    uint256 private constant MAX_BLOCK_NUMBER = 2 ** 30 - 2;
    uint256 private constant MAX_TRANSACTION_COUNT = 2 ** 22;

    /// @inheritdoc IRootChain
    address public operator;
    /// @dev One slot with the operator and the deposits' counter, so that a commit and a deposit read and write one.
    uint32 internal _nextBlockNumber = 1;
    uint64 internal _nextDepositId = 1;
    /// @inheritdoc IRootChain
    address public proposedOperator;
    /// @inheritdoc IRootChain
    mapping(uint64 number => bytes32 blockHash) public blockHashes;

    constructor(address operator_) EIP712("Plasma Billing", "1") {
        require(operator_ != address(0), RootChain_ZeroAddress());
        operator = operator_;
        emit OperatorChanged(address(0), operator_);
    }

    /// @inheritdoc IRootChain
    function commitBlock(uint64 number, bytes32 transactionsRoot, uint32 transactionCount) external {
        // Check: who, the sequence, and the form.
        require(msg.sender == operator, RootChain_NotOperator(msg.sender));
        require(number == _nextBlockNumber, RootChain_WrongBlockNumber(number, _nextBlockNumber));
        require(number <= MAX_BLOCK_NUMBER, RootChain_TooManyBlocks(number));
        require(transactionsRoot != 0, RootChain_ZeroRoot());
        require(
            transactionCount != 0 && transactionCount <= MAX_TRANSACTION_COUNT,
            RootChain_WrongTransactionCount(transactionCount)
        );
        // Effect: the header's hash under its number.
        uint64 timestamp = uint64(block.timestamp);
        _nextBlockNumber = uint32(number) + 1;
        blockHashes[number] = keccak256(abi.encode(number, transactionsRoot, transactionCount, timestamp));
        emit BlockCommitted(number, transactionsRoot, transactionCount, timestamp);
    }

    /// @inheritdoc IRootChain
    function proposeOperator(address proposed) external {
        require(msg.sender == operator, RootChain_NotOperator(msg.sender));
        proposedOperator = proposed;
        emit OperatorProposed(msg.sender, proposed);
    }

    /// @inheritdoc IRootChain
    function acceptOperator() external {
        require(msg.sender == proposedOperator, RootChain_NotProposedOperator(msg.sender));
        address previous = operator;
        operator = msg.sender;
        proposedOperator = address(0);
        emit OperatorChanged(previous, msg.sender);
    }

    /// @inheritdoc IRootChain
    function nextBlockNumber() external view returns (uint64) {
        return _nextBlockNumber;
    }

    /// @inheritdoc IRootChain
    function nextDepositId() external view returns (uint64) {
        return _nextDepositId;
    }

    function _transactionHash(Transaction calldata transaction) internal view returns (bytes32) {
        return _hashTypedDataV4(TypedData.structHash(transaction));
    }

    /// @dev Reverts unless `leaf` is where the proof says in a committed block.
    function _checkInclusion(bytes32 leaf, InclusionProof calldata proof) internal view {
        BlockHeader calldata header = proof.header;
        bytes32 blockHash;
        assembly ("memory-safe") {
            // keccak256(abi.encode(header)), straight from calldata.
            let start := mload(0x40)
            calldatacopy(start, header, 128)
            blockHash := keccak256(start, 128)
        }
        require(
            blockHashes[header.number] == blockHash,
            RootChain_UnknownBlock(header.number, header.transactionsRoot)
        );
        require(
            MerkleProof.verify(header.transactionsRoot, leaf, proof.index, header.transactionCount, proof.siblings),
            RootChain_NotIncluded(leaf, header.number, proof.index)
        );
    }
}
