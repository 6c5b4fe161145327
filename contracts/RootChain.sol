// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Blocks} from "./Blocks.sol";
import {Exits} from "./exits/Exits.sol";
import {ExitProcessing} from "./exits/ExitProcessing.sol";
import {Bonds} from "./interfaces/IRootChain.sol";

/// @title Root chain of Plasma Billing
/// @notice See `IRootChain` for what each function does and needs.
contract RootChain is ExitProcessing {
    constructor(
        address operator_,
        uint64 exitPeriod_,
        Bonds memory bonds_
    ) Blocks(operator_) Exits(exitPeriod_, bonds_) {}
}
