// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RootChain} from "../../contracts/RootChain.sol";
import {
    BlockHeader,
    Bonds,
    Deposit,
    DepositOutput,
    ExitData,
    InclusionProof,
    Output,
    PaymentOutput,
    StandardExit,
    Transaction
} from "../../contracts/interfaces/IRootChain.sol";
import {Log, Test} from "./Test.sol";

/// What each operation costs within the contract, in trees of 2^16 leaves: kept in snapshots/RootChain.json, so that a
/// change shows in its diff (`npm run check -- gas`, `npm run snapshot`). What a user pays on a node, calldata and all,
/// `npm run bench -- gas` measures.
contract GasTest is Test {
    struct Included {
        Transaction transaction;
        bytes32 hash;
        InclusionProof proof;
    }

    uint256 private constant OWNER_KEY = 1;
    uint256 private constant DEPTH = 16;
    uint32 private constant INDEX = 0x5a5a;
    uint64 private constant EXIT_PERIOD = 7 days;
    uint256 private constant OUTPUT = 16;
    string private constant TRANSACTION =
        "Transaction(uint8 purpose,bytes32[] inputs,Output[] outputs,bytes32 fileHash)"
        "Output(address owner,address token,uint256 amount)";
    string private constant GROUP = "RootChain";

    RootChain private _rootChain;
    address private _owner;

    receive() external payable {}

    function setUp() external {
        vm.warp(1_800_000_000);
        Bonds memory bonds = Bonds(0.1 ether, 0.2 ether, 0.03 ether, 0.05 ether, 0.01 ether);
        _rootChain = new RootChain(address(this), EXIT_PERIOD, bonds);
        _owner = vm.addr(OWNER_KEY);
        vm.deal(address(this), 1000 ether);
        vm.deal(_owner, 1000 ether);
        _rootChain.depositEther{value: 100 ether}(_owner);
    }

    function test_gas_commitBlock() external {
        _rootChain.commitBlock(1, bytes32(uint256(1)), 1);
        _snapshot("commitBlock");
    }

    function test_gas_depositEther() external {
        _rootChain.depositEther{value: 1 ether}(_owner);
        _snapshot("depositEther");
    }

    function test_gas_standardExit() external {
        Included memory payment = _include(_payment(bytes32(uint256(1)), 2));
        StandardExit memory exit = _startStandardExit(payment);
        _snapshot("startStandardExit");
        bytes32 id = _outputId(payment.hash, 0);
        Transaction memory spend = _payment(id, 2);
        bytes memory signature = _sign(_hash(spend));
        _rootChain.challengeStandardExit(exit, spend, 0, signature);
        _snapshot("challengeStandardExit");
        exit = _startStandardExit(payment);
        vm.warp(block.timestamp + 2 * EXIT_PERIOD);
        _rootChain.processExits(address(0), _data(id, abi.encode(exit)));
        _snapshot("processStandardExit");
        assertEq(_rootChain.finalizedBy(id), exit.number, "paid");
    }

    function test_gas_depositExit() external {
        vm.prank(_owner);
        _rootChain.startDepositExit{value: 0.1 ether}(Deposit(1, _owner, address(0), 100 ether));
        _snapshot("startDepositExit");
    }

    function test_gas_inFlightExit_paid() external {
        Included memory source = _include(_payment(bytes32(uint256(1)), 1));
        Transaction memory payment = _payment(_outputId(source.hash, 0), 2);
        ExitData memory exit = _startInFlightExit(payment, source);
        _snapshot("startInFlightExit");
        _piggyback(exit, OUTPUT);
        _snapshot("piggybackFirst");
        _piggyback(exit, OUTPUT + 1);
        _snapshot("piggybackLater");
        vm.warp(block.timestamp + 2 * EXIT_PERIOD);
        ExitData[] memory exits = new ExitData[](1);
        exits[0] = exit;
        _rootChain.processExits(address(0), exits);
        _snapshot("processInFlightExit");
        assertEq(_rootChain.held(address(0)), 98 ether, "paid");
    }

    function test_gas_inFlightExit_challenged() external {
        Included memory source = _include(_payment(bytes32(uint256(1)), 1));
        bytes32 input = _outputId(source.hash, 0);
        Included memory payment = _include(_payment(input, 2));
        Transaction memory spend = _payment(input, 1);
        Included memory competitor = _include(spend);
        ExitData memory exit = _startInFlightExit(payment.transaction, source);
        bytes memory signature = _sign(competitor.hash);
        InclusionProof memory none;
        _rootChain.challengeNonCanonical{value: 0.05 ether}(exit, 0, spend, 0, signature, none);
        _snapshot("challengeNonCanonical, not included");
        _rootChain.challengeNonCanonical{value: 0.05 ether}(exit, 0, spend, 0, signature, competitor.proof);
        _snapshot("challengeNonCanonical, included, replacing");
        _rootChain.respondCanonical(payment.hash, 1, payment.proof);
        _snapshot("respondCanonical");
        _piggyback(exit, 0);
        _piggyback(exit, OUTPUT);
        _rootChain.challengeInputSpent(exit, 0, spend, 0, signature);
        _snapshot("challengeInputSpent");
        Transaction memory onward = _payment(_outputId(payment.hash, 0), 2);
        signature = _sign(_hash(onward));
        _rootChain.challengeOutputSpent(exit, 0, payment.proof, onward, 0, signature);
        _snapshot("challengeOutputSpent");
        vm.warp(block.timestamp + EXIT_PERIOD);
        _rootChain.closeInFlightExit(exit);
        _snapshot("closeInFlightExit");
    }

    function _snapshot(string memory name) private {
        vm.snapshotGasLastCall(GROUP, name);
    }

    function _startStandardExit(Included memory payment) private returns (StandardExit memory exit) {
        exit = StandardExit(_rootChain.nextExitNumber(), _owner, address(0), 1 ether, _owner, 0);
        vm.prank(_owner);
        _rootChain.startStandardExit{value: 0.1 ether}(payment.transaction, payment.proof, 0);
    }

    function _startInFlightExit(
        Transaction memory transaction,
        Included memory source
    ) private returns (ExitData memory exit) {
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _sign(_hash(transaction));
        PaymentOutput[] memory payments = new PaymentOutput[](1);
        payments[0] = PaymentOutput(source.transaction, source.proof, 0);
        vm.recordLogs();
        _rootChain.startInFlightExit{value: 0.2 ether}(transaction, signatures, payments, new DepositOutput[](0), "");
        Log[] memory logs = vm.getRecordedLogs();
        return ExitData(_hash(transaction), abi.decode(logs[0].data, (bytes)));
    }

    function _piggyback(ExitData memory exit, uint256 index) private {
        vm.prank(_owner);
        _rootChain.piggyback{value: 0.03 ether}(exit, index);
    }

    /// A payment of its owner to itself, 1 ether an output; what it spends brings as much as it takes.
    function _payment(bytes32 input, uint256 outputs) private view returns (Transaction memory transaction) {
        transaction = Transaction(1, new bytes32[](1), new Output[](outputs), 0);
        transaction.inputs[0] = input;
        for (uint256 i = 0; i < outputs; ++i) transaction.outputs[i] = Output(_owner, address(0), 2 ether / outputs);
    }

    /// Commits a block that has the payment at `INDEX`, and random leaves at all other places.
    function _include(Transaction memory transaction) private returns (Included memory included) {
        bytes32 hash = _hash(transaction);
        bytes32[] memory siblings = new bytes32[](DEPTH);
        bytes32 node = hash;
        for (uint256 i = 0; i < DEPTH; ++i) {
            siblings[i] = keccak256(abi.encode(hash, i));
            node =
                (INDEX >> i) & 1 == 0
                    ? keccak256(abi.encode(node, siblings[i]))
                    : keccak256(abi.encode(siblings[i], node));
        }
        uint64 number = _rootChain.nextBlockNumber();
        _rootChain.commitBlock(number, node, uint32(1 << DEPTH));
        BlockHeader memory header = BlockHeader(number, node, uint32(1 << DEPTH), uint64(block.timestamp));
        return Included(transaction, hash, InclusionProof(header, INDEX, siblings));
    }

    function _data(bytes32 id, bytes memory data) private pure returns (ExitData[] memory exits) {
        exits = new ExitData[](1);
        exits[0] = ExitData(id, data);
    }

    function _outputId(bytes32 hash, uint256 index) private pure returns (bytes32) {
        return keccak256(abi.encode(hash, index));
    }

    function _sign(bytes32 hash) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OWNER_KEY, hash);
        return abi.encodePacked(r, s, v);
    }

    function _hash(Transaction memory transaction) private view returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Plasma Billing"),
                keccak256("1"),
                block.chainid,
                address(_rootChain)
            )
        );
        bytes32 structHash = vm.eip712HashStruct(TRANSACTION, abi.encode(transaction));
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }
}
