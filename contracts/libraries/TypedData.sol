// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

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

    function structHash(Transaction calldata transaction) internal pure returns (bytes32) {
        uint256 count = transaction.outputs.length;
        bytes32[] memory outputHashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) outputHashes[i] = structHash(transaction.outputs[i]);
        return
            keccak256(
                abi.encode(
                    TRANSACTION_TYPEHASH,
                    transaction.purpose,
                    keccak256(abi.encodePacked(transaction.inputs)),
                    keccak256(abi.encodePacked(outputHashes)),
                    transaction.fileHash
                )
            );
    }

    function structHash(Output calldata output) internal pure returns (bytes32) {
        return keccak256(abi.encode(OUTPUT_TYPEHASH, output.owner, output.token, output.amount));
    }

    function structHash(Deposit memory deposit) internal pure returns (bytes32) {
        return keccak256(abi.encode(DEPOSIT_TYPEHASH, deposit.id, deposit.owner, deposit.token, deposit.amount));
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
        return keccak256(abi.encode(hash, outputIndex));
    }
}
