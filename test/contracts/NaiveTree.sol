// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// A tree laid out level by level: slow, and nothing of the library.
library NaiveTree {
    /// @return levels The leaves padded with zeros to a power of two first, the root last.
    function build(bytes32[] memory leaves) internal pure returns (bytes32[][] memory levels) {
        uint256 size = 1;
        uint256 depth = 0;
        while (size < leaves.length) {
            size *= 2;
            ++depth;
        }
        levels = new bytes32[][](depth + 1);
        levels[0] = new bytes32[](size);
        for (uint256 i = 0; i < leaves.length; ++i) levels[0][i] = leaves[i];
        for (uint256 level = 1; level <= depth; ++level) {
            levels[level] = new bytes32[](levels[level - 1].length / 2);
            for (uint256 i = 0; i < levels[level].length; ++i) {
                levels[level][i] = keccak256(bytes.concat(levels[level - 1][2 * i], levels[level - 1][2 * i + 1]));
            }
        }
    }

    function proof(bytes32[][] memory levels, uint256 index) internal pure returns (bytes32[] memory siblings) {
        siblings = new bytes32[](levels.length - 1);
        for (uint256 level = 0; level < siblings.length; ++level) {
            uint256 place = index >> level;
            siblings[level] = levels[level][place % 2 == 0 ? place + 1 : place - 1];
        }
    }
}
