// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TypedData} from "../../contracts/libraries/TypedData.sol";
import {Deposit, Output, Transaction} from "../../contracts/interfaces/IRootChain.sol";
import {Test} from "./Test.sol";

/// Struct hashes against the test runner's own EIP-712 encoder.
contract TypedDataTest is Test {
    string private constant TRANSACTION =
        "Transaction(uint8 purpose,bytes32[] inputs,Output[] outputs,bytes32 fileHash)"
        "Output(address owner,address token,uint256 amount)";
    string private constant DEPOSIT = "Deposit(uint64 id,address owner,address token,uint256 amount)";

    /// hardhat-config: fuzz.runs = 60
    function testFuzz_INV10_structHash_transaction_equalsRunnersEncoder(
        Transaction calldata transaction
    ) external pure {
        assertEq(
            TypedData.structHash(transaction),
            vm.eip712HashStruct(TRANSACTION, abi.encode(transaction)),
            "struct hash of a transaction"
        );
    }

    /// hardhat-config: fuzz.runs = 60
    function testFuzz_INV10_structHash_deposit_equalsRunnersEncoder(Deposit calldata deposit) external pure {
        assertEq(
            TypedData.structHash(deposit),
            vm.eip712HashStruct(DEPOSIT, abi.encode(deposit)),
            "struct hash of a deposit"
        );
    }

    /// hardhat-config: fuzz.runs = 100
    function testFuzz_INV9_structHash_anyChange_changesHash(
        Transaction calldata transaction,
        uint256 field,
        uint256 place,
        uint256 change
    ) external view {
        Transaction memory other = transaction;
        change = bound(change, 1, type(uint256).max);
        field = field % 8;
        bool hasInputs = other.inputs.length != 0;
        bool hasOutputs = other.outputs.length != 0;
        if (field == 0) other.purpose ^= uint8(bound(change, 1, 255));
        else if (field == 1) other.fileHash = bytes32(uint256(other.fileHash) ^ change);
        else if (field == 2 && hasInputs) {
            other.inputs[place % other.inputs.length] ^= bytes32(change);
        } else if (field == 3 && hasOutputs) {
            Output memory output = other.outputs[place % other.outputs.length];
            output.owner = address(uint160(output.owner) ^ uint160(bound(change, 1, type(uint160).max)));
        } else if (field == 4 && hasOutputs) {
            Output memory output = other.outputs[place % other.outputs.length];
            output.token = address(uint160(output.token) ^ uint160(bound(change, 1, type(uint160).max)));
        } else if (field == 5 && hasOutputs) {
            other.outputs[place % other.outputs.length].amount ^= change;
        } else if (field == 6) {
            other.inputs = new bytes32[](transaction.inputs.length + 1);
            for (uint256 i = 0; i < transaction.inputs.length; ++i) other.inputs[i] = transaction.inputs[i];
        } else {
            other.outputs = new Output[](transaction.outputs.length + 1);
            for (uint256 i = 0; i < transaction.outputs.length; ++i) other.outputs[i] = transaction.outputs[i];
        }
        assertTrue(this.structHash(other) != this.structHash(transaction), "a change changes the hash");
    }

    /// hardhat-config: fuzz.runs = 100
    function testFuzz_INV9_outputId_differsByHashAndIndex(bytes32 a, uint256 i, bytes32 b, uint256 j) external pure {
        assertEq(TypedData.outputId(a, i), keccak256(bytes.concat(a, bytes32(i))), "output id");
        vm.assume(a != b || i != j);
        assertTrue(TypedData.outputId(a, i) != TypedData.outputId(b, j), "two outputs, two ids");
    }

    function structHash(Transaction calldata transaction) external pure returns (bytes32) {
        return TypedData.structHash(transaction);
    }
}
