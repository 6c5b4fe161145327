// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlockHeader, Deposit, Transaction} from "../interfaces/IRootChain.sol";
import {MerkleProof} from "../libraries/MerkleProof.sol";
import {TypedData} from "../libraries/TypedData.sol";

/// @notice The pure libraries, callable: for the vectors and what TypeScript computes.
contract ProtocolHarness {
    function transactionStructHash(Transaction calldata transaction) external pure returns (bytes32) {
        return TypedData.structHash(transaction);
    }

    function depositStructHash(Deposit calldata deposit) external pure returns (bytes32) {
        return TypedData.structHash(deposit);
    }

    function digest(bytes32 separator, bytes32 structHash) external pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    function outputId(bytes32 hash, uint256 index) external pure returns (bytes32) {
        return TypedData.outputId(hash, index);
    }

    function blockHash(BlockHeader calldata header) external pure returns (bytes32) {
        return keccak256(abi.encode(header));
    }

    function verifyProof(
        bytes32 root,
        bytes32 leaf,
        uint256 index,
        uint256 count,
        bytes32[] calldata siblings
    ) external pure returns (bool) {
        return MerkleProof.verify(root, leaf, index, count, siblings);
    }
}
