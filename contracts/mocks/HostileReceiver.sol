// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Keeps what it is made with as its code, where reading costs little of the gas that a push of ether has.
contract Note {
    constructor(bytes memory text) {
        assembly ("memory-safe") {
            return(add(text, 32), mload(text))
        }
    }
}

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
    Note private _call;
    /// @notice What became of the last call made while in the mood `Calls`.
    bool public callSucceeded;
    /// @notice The first bytes of its answer: of what it failed with.
    bytes4 public callAnswer;

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function setCall(address target, bytes calldata data) external {
        mood = Mood.Calls;
        _target = target;
        _call = new Note(data);
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
        if (mood == Mood.Calls) {
            (bool done, bytes memory answer) = _target.call(address(_call).code);
            (callSucceeded, callAnswer) = (done, bytes4(answer));
        }
    }
}
