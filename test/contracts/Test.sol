// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// One record of `Vm.getRecordedLogs`.
struct Log {
    bytes32[] topics;
    bytes data;
    address emitter;
}

/// The cheat codes of Hardhat's Solidity tests that these tests use.
interface Vm {
    function addr(uint256 privateKey) external pure returns (address);
    function assume(bool condition) external pure;
    function deal(address account, uint256 balance) external;
    function getCode(string calldata artifact) external view returns (bytes memory code);
    function eip712HashStruct(string calldata typeDefinition, bytes calldata data) external pure returns (bytes32);
    function etch(address account, bytes calldata code) external;
    function expectRevert(bytes calldata reason) external;
    function expectRevert(bytes4 selector) external;
    function getRecordedLogs() external returns (Log[] memory logs);
    function load(address account, bytes32 slot) external view returns (bytes32);
    function prank(address sender) external;
    function recordLogs() external;
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256 gas);
    function warp(uint256 timestamp) external;
}

/// What a Solidity test needs: cheat codes, assertions that name both sides, numbers brought into a range.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error Test_NotEqual(string what, uint256 left, uint256 right);
    error Test_NotEqualWords(string what, bytes32 left, bytes32 right);
    error Test_False(string what);

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert Test_False(what);
    }

    function assertEq(uint256 left, uint256 right, string memory what) internal pure {
        if (left != right) revert Test_NotEqual(what, left, right);
    }

    function assertEq(bytes32 left, bytes32 right, string memory what) internal pure {
        if (left != right) revert Test_NotEqualWords(what, left, right);
    }

    /// @return A number from `min` to `max`, both included, every one equally likely for a random `value`.
    function bound(uint256 value, uint256 min, uint256 max) internal pure returns (uint256) {
        if (max - min == type(uint256).max) return value;
        return min + (value % (max - min + 1));
    }
}
