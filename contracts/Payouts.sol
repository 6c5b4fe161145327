// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IRootChain} from "./interfaces/IRootChain.sol";

/// @title What leaves the contract: pushed within a gas limit, else credited and pulled by its owner
abstract contract Payouts is IRootChain, ReentrancyGuardTransient {
    address internal constant ETHER = address(0);
    /// @dev Enough for any wallet that only records what it got; what needs more is claimed.
    uint256 private constant ETHER_PUSH_GAS = 50_000;
    /// @dev Dear tokens (rebasing, with hooks) take some 150,000 for a transfer.
    uint256 private constant TOKEN_PUSH_GAS = 250_000;
    /// @dev A call to an account that does not exist yet, with value: 2,600 + 9,000 + 25,000; and to credit what
    /// failed 22,100 for a slot and 2,000 for the event, with room for what a caller does around a push.
    uint256 private constant PUSH_OVERHEAD_GAS = 100_000;

    /// @inheritdoc IRootChain
    mapping(address token => uint256 amount) public held;
    /// @inheritdoc IRootChain
    mapping(address token => mapping(address owner => uint256 amount)) public claimable;

    /// @inheritdoc IRootChain
    function claim(address token, address to) external nonReentrant {
        // Check: something to claim, somewhere to send it.
        uint256 amount = claimable[token][msg.sender];
        require(amount != 0, RootChain_NothingToClaim(token, msg.sender));
        require(to != address(0) && to != address(this), RootChain_WrongReceiver(to));
        // Effect: the credit is used up.
        delete claimable[token][msg.sender];
        emit Claimed(token, msg.sender, to, amount);
        // Interaction: everything, or a revert that leaves the credit.
        if (token == ETHER) Address.sendValue(payable(to), amount);
        else SafeERC20.safeTransfer(IERC20(token), to, amount);
    }

    /// @dev Sends, or credits what cannot be sent. Reverts when the gas left could not tell a receiver that fails
    /// from a caller who brought too little, so nobody's push is burned by the gas of a stranger.
    function _push(address token, address to, uint256 amount) internal {
        if (amount == 0) return;
        uint256 limit = token == ETHER ? ETHER_PUSH_GAS : TOKEN_PUSH_GAS;
        // A call forwards at most 63 parts in 64 of what is left.
        uint256 required = limit + limit / 63 + PUSH_OVERHEAD_GAS;
        require(gasleft() >= required, RootChain_TooLittleGas(gasleft(), required));
        bool sent = token == ETHER ? _sendEther(to, amount, limit) : _sendToken(token, to, amount, limit);
        if (sent) return;
        _credit(token, to, amount);
    }

    function _credit(address token, address to, uint256 amount) internal {
        claimable[token][to] += amount;
        emit PayoutDeferred(token, to, amount);
    }

    /// @dev Copies no return data: a receiver cannot make the caller pay for a long answer.
    function _sendEther(address to, uint256 amount, uint256 gasLimit) private returns (bool sent) {
        assembly ("memory-safe") {
            sent := call(gasLimit, to, amount, 0, 0, 0, 0)
        }
    }

    /// @dev As SafeERC20 judges a transfer (nothing returned, or true; code at the token), but within a gas limit and
    /// reading one word at most.
    function _sendToken(address token, address to, uint256 amount, uint256 gasLimit) private returns (bool sent) {
        bytes memory data = abi.encodeCall(IERC20.transfer, (to, amount));
        assembly ("memory-safe") {
            mstore(0, 0)
            sent := call(gasLimit, token, 0, add(data, 32), mload(data), 0, 32)
            switch returndatasize()
            case 0 {
                sent := and(sent, gt(extcodesize(token), 0))
            }
            default {
                sent := and(sent, and(gt(returndatasize(), 31), eq(mload(0), 1)))
            }
        }
    }
}
