// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Misbehaves in the way it is told to when ether reaches it, and does what it is told to otherwise. Its
/// code is put at an exiting owner's address by the tests, as delegation (EIP-7702) can.
contract HostileReceiver {
    enum Mood {
        Well,
        Reverts,
        BurnsGas,
        LongAnswer,
        Calls
    }

    Mood public mood;
    address private _target;
    bytes private _call;
    bool public callSucceeded;

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function setCall(address target, bytes calldata data) external {
        mood = Mood.Calls;
        _target = target;
        _call = data;
    }

    /// @notice Calls on with the value it is given.
    function execute(address target, bytes calldata data) external payable returns (bytes memory answer) {
        bool done;
        (done, answer) = target.call{value: msg.value}(data);
        require(done, string(answer));
    }

    receive() external payable {
        require(mood != Mood.Reverts, "moody");
        if (mood == Mood.BurnsGas) while (true) callSucceeded = !callSucceeded;
        if (mood == Mood.LongAnswer) {
            assembly {
                return(0, 100000)
            }
        }
        if (mood == Mood.Calls) (callSucceeded, ) = _target.call(_call);
    }
}
