// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TestToken} from "./TestToken.sol";

/// @notice Takes one unit of every transfer.
contract FeeToken is TestToken {
    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && to != address(0) && amount > 0) super._update(to, address(0), 1);
    }
}

/// @notice Refuses transfers to whom it has on its list.
contract BlackListToken is TestToken {
    mapping(address account => bool) public listed;

    function setListed(address account, bool on) external {
        listed[account] = on;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!listed[to], "listed");
        super._update(from, to, amount);
    }
}

/// @notice Misbehaves in the way it is told to when the contract that holds deposits sends it on.
contract MoodyToken is TestToken {
    enum Mood {
        Well,
        ReturnsFalse,
        Reverts,
        BurnsGas,
        LongAnswer,
        ShortAnswer,
        Calls,
        RevertsWithTrue
    }

    Mood public mood;
    address private _target;
    bytes private _call;
    /// @notice Whether the last call made while in the mood `Calls` succeeded.
    bool public callSucceeded;
    /// @notice The first bytes of its answer: of what it failed with.
    bytes4 public callAnswer;

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    /// @notice What to call, from inside `transfer` and `transferFrom`.
    function setCall(address target, bytes calldata data) external {
        mood = Mood.Calls;
        _target = target;
        _call = data;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return _moody() && super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return _moody() && super.transferFrom(from, to, amount);
    }

    function _moody() private returns (bool) {
        if (mood == Mood.ReturnsFalse) return false;
        require(mood != Mood.Reverts, "moody");
        if (mood == Mood.BurnsGas) while (true) callSucceeded = !callSucceeded;
        if (mood == Mood.LongAnswer) {
            assembly {
                return(0, 100000)
            }
        }
        if (mood == Mood.ShortAnswer) {
            assembly {
                mstore(0, 1)
                return(31, 1)
            }
        }
        if (mood == Mood.RevertsWithTrue) {
            assembly {
                mstore(0, 1)
                revert(0, 32)
            }
        }
        if (mood == Mood.Calls) {
            (bool done, bytes memory answer) = _target.call(_call);
            (callSucceeded, callAnswer) = (done, bytes4(answer));
        }
        return true;
    }
}

/// @notice Returns nothing, as tokens of the first years do.
contract SilentToken {
    mapping(address account => uint256) public balanceOf;
    mapping(address account => mapping(address spender => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Destroys what its holders have: the contract then holds less than it was given.
contract VanishingToken is TestToken {
    function vanish(address account, uint256 amount) external {
        _burn(account, amount);
    }
}
