// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @notice A token for development chains and tests: anybody may make as much of it as they like.
contract TestToken is ERC20, ERC20Permit {
    constructor() ERC20("Plasma Test Token", "PTT") ERC20Permit("Plasma Test Token") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
