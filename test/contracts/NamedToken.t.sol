// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NamedToken} from "../../contracts/mocks/NamedToken.sol";
import {Test} from "./Test.sol";

contract NamedTokenTest is Test {
    function test_metadata_isWhatItWasTold() external {
        NamedToken token = new NamedToken("USDX", 6);
        assertTrue(keccak256(bytes(token.symbol())) == keccak256("USDX"), "symbol");
        assertTrue(token.decimals() == 6, "decimals");
    }
}
