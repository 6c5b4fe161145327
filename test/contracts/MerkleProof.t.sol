// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "../../contracts/libraries/MerkleProof.sol";
import {NaiveTree} from "./NaiveTree.sol";
import {Test} from "./Test.sol";

contract MerkleProofTest is Test {
    /// hardhat-config: fuzz.runs = 40
    function testFuzz_INV9_verify_acceptsOneIndexOnly(uint256 seed, uint256 count, uint256 index) external view {
        count = bound(count, 1, 70);
        index = bound(index, 0, count - 1);
        (bytes32[] memory leaves, bytes32[][] memory levels) = _tree(seed, count);
        bytes32 root = levels[levels.length - 1][0];
        bytes32[] memory siblings = NaiveTree.proof(levels, index);
        for (uint256 other = 0; other <= 2 * levels[0].length; ++other) {
            assertTrue(
                this.verify(root, leaves[index], other, count, siblings) == (other == index),
                "a proof verifies at its index and no other"
            );
        }
        assertTrue(!this.verify(root, leaves[index], index + 2 ** 32, count, siblings), "index + 2^32");
        assertTrue(!this.verify(root, leaves[index], type(uint256).max, count, siblings), "largest index");
        assertTrue(!this.verify(bytes32(uint256(root) ^ 1), leaves[index], index, count, siblings), "other root");
        assertTrue(!this.verify(root, keccak256(abi.encode(root)), index, count, siblings), "other leaf");
    }

    /// hardhat-config: fuzz.runs = 40
    function testFuzz_INV9_verify_padding_refused(uint256 seed, uint256 count) external view {
        count = bound(count, 1, 70);
        (, bytes32[][] memory levels) = _tree(seed, count);
        bytes32 root = levels[levels.length - 1][0];
        for (uint256 i = count; i < levels[0].length; ++i) {
            assertTrue(!this.verify(root, 0, i, count, NaiveTree.proof(levels, i)), "padding is not included");
        }
    }

    /// hardhat-config: fuzz.runs = 60
    function testFuzz_INV9_verify_wrongDepthOrSibling_refused(
        uint256 seed,
        uint256 count,
        uint256 index,
        uint256 otherCount,
        uint256 place
    ) external view {
        count = bound(count, 2, 70);
        index = bound(index, 0, count - 1);
        (bytes32[] memory leaves, bytes32[][] memory levels) = _tree(seed, count);
        bytes32 root = levels[levels.length - 1][0];
        bytes32[] memory siblings = NaiveTree.proof(levels, index);
        uint256 depth = siblings.length;

        // A count of another depth.
        otherCount = bound(otherCount, 1, otherCount % 2 == 0 ? 2 ** (depth + 1) : 2 ** 22);
        bool sameDepth = otherCount <= 2 ** depth && otherCount > 2 ** (depth - 1);
        assertTrue(
            this.verify(root, leaves[index], index, otherCount, siblings) == (sameDepth && index < otherCount),
            "count"
        );

        // An inner node handed in as leaf, with the rest of its way to the root.
        bytes32[] memory shorter = new bytes32[](depth - 1);
        for (uint256 i = 1; i < depth; ++i) shorter[i - 1] = siblings[i];
        assertTrue(!this.verify(root, levels[1][index / 2], index / 2, count, shorter), "inner node as leaf");

        bytes32[] memory longer = new bytes32[](depth + 1);
        for (uint256 i = 0; i < depth; ++i) longer[i] = siblings[i];
        assertTrue(!this.verify(root, leaves[index], index, count, longer), "one sibling more");

        place = bound(place, 0, depth - 1);
        siblings[place] = keccak256(abi.encode(siblings[place]));
        assertTrue(!this.verify(root, leaves[index], index, count, siblings), "one sibling wrong");
    }

    function test_INV9_verify_countZero_refused() external view {
        bytes32 leaf = keccak256("leaf");
        assertTrue(this.verify(leaf, leaf, 0, 1, new bytes32[](0)), "a single leaf is its root");
        assertTrue(!this.verify(leaf, leaf, 0, 0, new bytes32[](0)), "nothing is in an empty tree");
    }

    function test_INV9_verify_absurdLength_refused() external view {
        // 1 << 255 and beyond must not wrap into a depth that fits.
        assertTrue(!this.verify(0, 0, 0, 1, new bytes32[](256)), "256 siblings");
        assertTrue(!this.verify(0, 0, 0, 2 ** 22, new bytes32[](257)), "257 siblings");
    }

    function verify(
        bytes32 root,
        bytes32 leaf,
        uint256 index,
        uint256 count,
        bytes32[] calldata siblings
    ) external pure returns (bool) {
        return MerkleProof.verify(root, leaf, index, count, siblings);
    }

    function _tree(
        uint256 seed,
        uint256 count
    ) private pure returns (bytes32[] memory leaves, bytes32[][] memory levels) {
        leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) leaves[i] = keccak256(abi.encode(seed, i));
        levels = NaiveTree.build(leaves);
    }
}
