// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

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
        assembly ("memory-safe") {
            let end := add(siblings.offset, shl(5, siblings.length))
            for {
                let at := siblings.offset
            } lt(at, end) {
                at := add(at, 32)
            } {
                // The index's lowest bit says which half of the pair the node is.
                let place := shl(5, and(index, 1))
                mstore(place, node)
                mstore(xor(place, 32), calldataload(at))
                node := keccak256(0, 64)
                index := shr(1, index)
            }
        }
        return node == root;
    }

    /// @dev Whether `depth` is ceil(log2(count)), 0 for a single leaf.
    function _isDepth(uint256 depth, uint256 count) private pure returns (bool) {
        return count <= 1 << depth && (depth == 0 || count > 1 << (depth - 1));
    }
}
