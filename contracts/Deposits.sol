// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {Blocks} from "./Blocks.sol";
import {Payouts} from "./Payouts.sol";
import {TypedData} from "./libraries/TypedData.sol";
import {Deposit, IRootChain} from "./interfaces/IRootChain.sol";

/// @title Deposits, and the one slot each output has
abstract contract Deposits is Blocks, Payouts {
    uint256 private constant FINALIZED_BY_BITS = 40;
    /// @dev A record below it is a deposit's, one with it is the commitment to a live exit.
    uint216 internal constant COMMITMENT_BIT = 1 << 215;

    /// @dev 40 bits the number of the exit that finalized the output, 216 bits its record (`outputRecord`).
    mapping(bytes32 outputId => uint256 slot) private _outputs;

    /// @inheritdoc IRootChain
    function deposit(address token, uint256 amount, address owner) external nonReentrant returns (uint64 id) {
        return _depositToken(token, amount, owner);
    }

    /// @inheritdoc IRootChain
    function depositWithPermit(
        address token,
        uint256 amount,
        address owner,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant returns (uint64 id) {
        // Interaction: whoever saw the permit may have used it already; then the allowance is there.
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        return _depositToken(token, amount, owner);
    }

    /// @inheritdoc IRootChain
    function depositEther(address owner) external payable nonReentrant returns (uint64 id) {
        return _recordDeposit(ETHER, msg.value, owner);
    }

    /// @inheritdoc IRootChain
    function finalizedBy(bytes32 outputId) external view returns (uint40 number) {
        (number, ) = _output(outputId);
    }

    /// @inheritdoc IRootChain
    function outputRecord(bytes32 outputId) external view returns (uint216 record) {
        (, record) = _output(outputId);
    }

    function _output(bytes32 outputId) internal view returns (uint40 number, uint216 record) {
        return _unpack(_outputSlot(outputId));
    }

    function _outputSlot(bytes32 outputId) internal view returns (uint256 slot) {
        return _outputs[outputId];
    }

    function _unpack(uint256 slot) internal pure returns (uint40 number, uint216 record) {
        return (uint40(slot), uint216(slot >> FINALIZED_BY_BITS));
    }

    function _setOutput(bytes32 outputId, uint40 number, uint216 record) internal {
        _outputs[outputId] = (uint256(record) << FINALIZED_BY_BITS) | number;
    }

    function _depositId(Deposit memory deposit_) internal view returns (bytes32) {
        return TypedData.outputId(_hashTypedDataV4(TypedData.structHash(deposit_)), 0);
    }

    function _depositToken(address token, uint256 amount, address owner) private returns (uint64 id) {
        // Check: not the token that stands for ether.
        require(token != ETHER, RootChain_ZeroAddress());
        // Interaction: before the record, which needs what really arrived; re-entry is locked out.
        uint256 before = IERC20(token).balanceOf(address(this));
        SafeERC20.safeTransferFrom(IERC20(token), msg.sender, address(this), amount);
        uint256 arrived = IERC20(token).balanceOf(address(this)) - before;
        require(arrived == amount, RootChain_WrongAmountArrived(token, arrived, amount));
        return _recordDeposit(token, amount, owner);
    }

    function _recordDeposit(address token, uint256 amount, address owner) private returns (uint64 id) {
        // Check: something for somebody.
        require(owner != address(0), RootChain_ZeroAddress());
        require(amount != 0, RootChain_ZeroAmount());
        // Effect: counted, held, and in its output's slot.
        id = _nextDepositId;
        uint64 nextBlock = _nextBlockNumber;
        _nextDepositId = id + 1;
        held[token] += amount;
        _setOutput(
            _depositId(Deposit(id, owner, token, amount)),
            0,
            (uint216(nextBlock) << 64) | uint64(block.timestamp)
        );
        emit Deposited(id, owner, token, amount, nextBlock, uint64(block.timestamp));
    }
}
