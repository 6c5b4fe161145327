// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @title Proofs by index in the ordered tree of a block (docs/PROTOCOL.md, "Blocks")
/// @dev Leaves are padded with zeros to the next power of two. OpenZeppelin's `MerkleProof` sorts the pair, so a
/// proof of its kind says nothing about the index.
library MerkleProof {
    /// @return Whether `leaf` is leaf `index` of the tree of `count` leaves with this root: true for one index,
    /// one length of `siblings` and one order of them only.
    function verify(
        bytes32 root,
        bytes32 leaf,
        uint256 index,
        uint256 count,
        bytes32[] calldata siblings
    ) internal pure returns (bool) {
        if (index >= count || !_isDepth(siblings.length, count)) return false;
        bytes32 node = leaf;
        for (uint256 i = 0; i < siblings.length; ++i) {
            bytes32 sibling = siblings[i];
            node = index & 1 == 0 ? Hashes.efficientKeccak256(node, sibling) : Hashes.efficientKeccak256(sibling, node);
            index >>= 1;
        }
        return node == root;
    }

    /// @dev Whether `depth` is ceil(log2(count)), 0 for a single leaf.
    function _isDepth(uint256 depth, uint256 count) private pure returns (bool) {
        return count <= 1 << depth && (depth == 0 || count > 1 << (depth - 1));
    }
}
