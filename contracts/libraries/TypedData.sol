// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Deposit, Output, Transaction} from "../interfaces/IRootChain.sol";

/// @title EIP-712 struct hashes and output ids (docs/PROTOCOL.md, "Identifiers")
library TypedData {
    bytes32 internal constant OUTPUT_TYPEHASH = keccak256("Output(address owner,address token,uint256 amount)");
    bytes32 internal constant TRANSACTION_TYPEHASH = keccak256(
        "Transaction(uint8 purpose,bytes32[] inputs,Output[] outputs,bytes32 fileHash)"
        "Output(address owner,address token,uint256 amount)"
    );
    bytes32 internal constant DEPOSIT_TYPEHASH = keccak256(
        "Deposit(uint64 id,address owner,address token,uint256 amount)"
    );

    bytes32 internal constant EXIT_AUTHORIZATION_TYPEHASH = keccak256(
        "ExitAuthorization(address owner,bytes32 outputId,uint64 blockNumber,address bondOwner,uint64 deadline)"
    );

    /// @dev As if by abi.encode, but straight from calldata: an in-flight exit hashes a transaction for each input.
    /// An address that does not fit its 20 bytes gives a hash that nobody signs.
    function structHash(Transaction calldata transaction) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    TRANSACTION_TYPEHASH,
                    transaction.purpose,
                    _hash(transaction.inputs),
                    _hash(transaction.outputs),
                    transaction.fileHash
                )
            );
    }

    /// @dev In memory a deposit's members are the words of its encoding.
    function structHash(Deposit memory deposit) internal pure returns (bytes32 hash) {
        bytes32 typeHash = DEPOSIT_TYPEHASH;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, typeHash)
            mcopy(add(start, 32), deposit, 128)
            hash := keccak256(start, 160)
        }
    }

    /// @param blockNumber Of the block whose proof is used, 0 for a deposit or a piggyback.
    function authorizationHash(
        address owner,
        bytes32 outputId_,
        uint64 blockNumber,
        address bondOwner,
        uint64 deadline
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(EXIT_AUTHORIZATION_TYPEHASH, owner, outputId_, blockNumber, bondOwner, deadline));
    }

    /// @param hash A transaction's or a deposit's EIP-712 digest; a deposit's only output has index 0.
    function outputId(bytes32 hash, uint256 outputIndex) internal pure returns (bytes32) {
        return Hashes.efficientKeccak256(hash, bytes32(outputIndex));
    }

    function _hash(bytes32[] calldata inputs) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            let size := shl(5, inputs.length)
            calldatacopy(start, inputs.offset, size)
            hash := keccak256(start, size)
        }
    }

    function _hash(Output[] calldata outputs) private pure returns (bytes32 hash) {
        bytes32 typeHash = OUTPUT_TYPEHASH;
        assembly ("memory-safe") {
            // The outputs' hashes, and behind them one output after the other with its type.
            let hashes := mload(0x40)
            let size := shl(5, outputs.length)
            let output := add(hashes, size)
            mstore(output, typeHash)
            for {
                let at := 0
            } lt(at, size) {
                at := add(at, 32)
            } {
                calldatacopy(add(output, 32), add(outputs.offset, mul(at, 3)), 96)
                mstore(add(hashes, at), keccak256(output, 128))
            }
            hash := keccak256(hashes, size)
        }
    }
}
