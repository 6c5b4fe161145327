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
    IRootChain,
    Output,
    PaymentOutput,
    StandardExit,
    Transaction
} from "../../contracts/interfaces/IRootChain.sol";
import {TestToken} from "../../contracts/mocks/TestToken.sol";
import {NaiveTree} from "./NaiveTree.sol";
import {Log, Test} from "./Test.sol";

/// Exits of both kinds side by side, by holders who spend the same again and again and an operator who includes all of
/// it. Whether a call must succeed is not modelled here, so it may fail; what comes of those that do is checked: that
/// nothing is finalized twice, that entries leave in their order and in time, and what everybody has. No call of the
/// handler may revert.
contract InFlightHandler is Test {
    /// An output that a block contains, or a deposit. Payments count from 1; 0 is a deposit.
    struct Coin {
        bytes32 id;
        uint256 owner;
        uint256 payment;
        uint256 outputIndex;
        Deposit deposit;
        bytes lastExit;
    }

    struct Payment {
        bytes encoded;
        bytes32 hash;
        uint256[] inputs;
        bytes[] signatures;
        // Where it is included: each place makes its outputs another age.
        Place[] places;
    }

    struct Place {
        uint256 blockNumber;
        uint256 index;
        bytes32[] siblings;
    }

    struct Flight {
        uint40 number;
        uint256 payment;
    }

    /// How often each action succeeded: a campaign in which one never does shows nothing.
    struct Counts {
        uint256 exits;
        uint256 flights;
        uint256 movedAside;
        uint256 piggybacks;
        uint256 challenges;
        uint256 responses;
        uint256 inputsSpent;
        uint256 outputsSpent;
        uint256 exitsChallenged;
        uint256 closed;
        uint256 canonical;
        uint256 notCanonical;
        uint256 unpayable;
        uint256 early;
    }

    uint64 public constant EXIT_PERIOD = 7 days;
    uint256 public constant ACTORS = 3;
    uint256 public constant TOKENS = 2;
    uint256 private constant OUTPUT = 16;
    uint256 private constant NUMBER_MASK = 2 ** 40 - 1;
    string private constant TRANSACTION =
        "Transaction(uint8 purpose,bytes32[] inputs,Output[] outputs,bytes32 fileHash)"
        "Output(address owner,address token,uint256 amount)";

    RootChain public immutable rootChain;
    address public immutable operator = address(0x0EAA);
    address public immutable stranger = address(0x57A4);

    address[] public tokens;
    address[] public actors;
    Coin[] internal _coins;
    Payment[] internal _payments;
    BlockHeader[] internal _headers;
    Flight[] internal _flights;
    mapping(uint256 number => ExitData) internal _data;
    mapping(uint256 token => uint128[]) internal _entries;
    mapping(bytes32 id => uint256) public timesFinalized;
    mapping(uint256 token => uint256) public deposited;
    Counts internal _counts;

    constructor() {
        rootChain = new RootChain(
            operator,
            EXIT_PERIOD,
            Bonds(0.1 ether, 0.2 ether, 0.03 ether, 0.05 ether, 0.01 ether)
        );
        tokens = [address(0), address(new TestToken())];
        for (uint256 i = 0; i < ACTORS; ++i) actors.push(vm.addr(i + 1));
        vm.warp(1_800_000_000);
    }

    // ---------------------------------------------------------------- actions

    function deposit(uint256 seed) external {
        uint256 token = seed % TOKENS;
        uint256 owner = (seed >> 8) % ACTORS;
        uint256 amount = bound(seed >> 16, 1, 100 ether);
        uint64 id;
        if (token == 0) {
            vm.deal(stranger, stranger.balance + amount);
            vm.prank(stranger);
            id = rootChain.depositEther{value: amount}(actors[owner]);
        } else {
            TestToken(tokens[token]).mint(stranger, amount);
            vm.prank(stranger);
            TestToken(tokens[token]).approve(address(rootChain), amount);
            vm.prank(stranger);
            id = rootChain.deposit(tokens[token], amount, actors[owner]);
        }
        deposited[token] += amount;
        Coin storage coin = _coins.push();
        coin.deposit = Deposit(id, actors[owner], tokens[token], amount);
        bytes memory encoded = abi.encode(coin.deposit);
        bytes32 struct_ = vm.eip712HashStruct("Deposit(uint64 id,address owner,address token,uint256 amount)", encoded);
        coin.id = _outputId(_digest(struct_), 0);
        coin.owner = owner;
    }

    /// One or two coins change hands, whether they were spent before or not; the first one in two parts.
    function sign(uint256 seed) external {
        if (_coins.length == 0) return;
        uint256 first = seed % _coins.length;
        uint256 second = (seed >> 32) % _coins.length;
        uint256 count = first == second ? 1 : 2;
        Payment storage payment = _payments.push();
        payment.inputs.push(first);
        if (count == 2) payment.inputs.push(second);
        Transaction memory transaction;
        transaction.purpose = 1;
        transaction.fileHash = bytes32(_payments.length);
        transaction.inputs = new bytes32[](count);
        transaction.outputs = new Output[](count + 1);
        for (uint256 i = 0; i < count; ++i) {
            Output memory output = outputOf(payment.inputs[i]);
            transaction.inputs[i] = _coins[payment.inputs[i]].id;
            output.owner = actors[(seed >> (64 + 8 * i)) % ACTORS];
            // Out of nothing, now and then: no in-flight exit starts of that, but exits of what it makes do.
            if ((seed >> 128) % 4 == 0 && output.amount < 2 ** 200) output.amount *= 16;
            transaction.outputs[i] = output;
        }
        Output memory split = transaction.outputs[0];
        uint256 rest = split.amount / 2;
        if (rest == 0) {
            // Nothing to halve: one output less.
            Output[] memory outputs = transaction.outputs;
            assembly ("memory-safe") {
                mstore(outputs, count)
            }
        } else {
            transaction.outputs[count] = Output(actors[(seed >> 96) % ACTORS], split.token, rest);
            split.amount -= rest;
        }
        payment.encoded = abi.encode(transaction);
        payment.hash = _digest(vm.eip712HashStruct(TRANSACTION, payment.encoded));
        for (uint256 i = 0; i < count; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(_coins[payment.inputs[i]].owner + 1, payment.hash);
            payment.signatures.push(abi.encodePacked(r, s, v));
        }
    }

    /// Two payments of whatever was signed, be they included already.
    function commit(uint256 seed) external {
        if (_payments.length == 0) return;
        uint256[2] memory chosen = [seed % _payments.length, (seed >> 32) % _payments.length];
        bytes32[] memory leaves = new bytes32[](2);
        for (uint256 i = 0; i < 2; ++i) leaves[i] = _payments[chosen[i]].hash;
        bytes32[][] memory levels = NaiveTree.build(leaves);
        uint64 number = uint64(_headers.length + 1);
        BlockHeader memory header = BlockHeader(number, levels[levels.length - 1][0], 2, uint64(block.timestamp));
        vm.prank(operator);
        rootChain.commitBlock(number, header.transactionsRoot, 2);
        _headers.push(header);
        for (uint256 i = 0; i < 2; ++i) {
            Payment storage payment = _payments[chosen[i]];
            if (payment.places.length == 0) _addCoins(chosen[i]);
            payment.places.push(Place(number, i, NaiveTree.proof(levels, i)));
        }
    }

    function startExit(uint256 seed) external {
        if (_coins.length == 0) return;
        uint256 index = seed % _coins.length;
        Coin storage coin = _coins[index];
        bytes memory call =
            coin.payment == 0
                ? abi.encodeCall(IRootChain.startDepositExit, (coin.deposit))
                : abi.encodeCall(
                    IRootChain.startStandardExit,
                    (_transaction(coin.payment - 1), _proof(coin.payment - 1, seed >> 64), coin.outputIndex)
                );
        vm.recordLogs();
        if (!_call(actors[coin.owner], 0.1 ether, call)) return;
        Log memory log = vm.getRecordedLogs()[0];
        uint40 number = uint40(uint256(log.topics[1]));
        (address token, uint256 amount, address bondOwner, uint216 record, uint128 priority) = abi.decode(
            log.data,
            (address, uint256, address, uint216, uint128)
        );
        coin.lastExit = abi.encode(StandardExit(number, actors[coin.owner], token, amount, bondOwner, record));
        _data[number] = ExitData(coin.id, coin.lastExit);
        _entries[token == address(0) ? 0 : 1].push(priority);
        ++_counts.exits;
    }

    function challengeExit(uint256 seed) external {
        (bool found, uint256 payment, uint256 input) = _findPayment(seed, 0);
        if (!found) return;
        Coin storage coin = _coins[_payments[payment].inputs[input]];
        if (coin.lastExit.length == 0) return;
        StandardExit memory exit = abi.decode(coin.lastExit, (StandardExit));
        bytes memory signature = _payments[payment].signatures[input];
        bytes memory call = abi.encodeCall(
            IRootChain.challengeStandardExit,
            (exit, _transaction(payment), input, signature)
        );
        if (_call(stranger, 0, call)) ++_counts.exitsChallenged;
    }

    function startFlight(uint256 seed) external {
        if (_payments.length == 0) return;
        uint256 index = (seed >> 8) % _payments.length;
        // One that exits already as often as not.
        if (seed % 2 == 0 && _flights.length != 0) index = _flights[(seed >> 8) % _flights.length].payment;
        Payment storage payment = _payments[index];
        (PaymentOutput[] memory payments, DepositOutput[] memory deposits) = _sources(payment.inputs, seed >> 64);
        bytes memory former;
        for (uint256 i = 0; i < _flights.length; ++i) {
            if (_flights[i].payment == index) former = _data[_flights[i].number].data;
        }
        if (rootChain.inFlightExit(payment.hash, 0) == 0) former = "";
        bytes memory call = abi.encodeCall(
            IRootChain.startInFlightExit,
            (_transaction(index), payment.signatures, payments, deposits, former)
        );
        vm.recordLogs();
        if (!_call(actors[(seed >> 32) % ACTORS], 0.2 ether, call)) return;
        Log memory log = vm.getRecordedLogs()[0];
        uint40 number = uint40(uint256(log.topics[1]));
        _flights.push(Flight(number, index));
        _data[number] = ExitData(payment.hash, abi.decode(log.data, (bytes)));
        ++_counts.flights;
        if (former.length != 0) ++_counts.movedAside;
    }

    function piggyback(uint256 seed) external {
        if (_flights.length == 0) return;
        Flight storage flight = _flights[seed % _flights.length];
        Transaction memory transaction = _transaction(flight.payment);
        uint256 place = (seed >> 32) % (transaction.inputs.length + transaction.outputs.length);
        bool isInput = place < transaction.inputs.length;
        Output memory output =
            isInput
                ? outputOf(_payments[flight.payment].inputs[place])
                : transaction.outputs[place - transaction.inputs.length];
        uint256 index = isInput ? place : OUTPUT + place - transaction.inputs.length;
        uint256 before = rootChain.queueLength(output.token);
        bytes memory call = abi.encodeCall(IRootChain.piggyback, (_data[flight.number], index));
        if (!_call(output.owner, 0.03 ether, call)) return;
        ++_counts.piggybacks;
        if (rootChain.queueLength(output.token) == before) return;
        uint128 priority = uint128(uint256(bytes32(_data[flight.number].data)));
        _entries[output.token == address(0) ? 0 : 1].push(priority);
    }

    function challengeFlight(uint256 seed) external {
        (bool found, uint256 flight, uint256 input, uint256 payment, uint256 spent) = _findSpend(seed);
        if (!found) return;
        InclusionProof memory proof;
        if (_payments[payment].places.length != 0) proof = _proof(payment, seed >> 64);
        bytes memory call = abi.encodeCall(
            IRootChain.challengeNonCanonical,
            (
                _data[_flights[flight].number],
                input,
                _transaction(payment),
                spent,
                _payments[payment].signatures[spent],
                proof
            )
        );
        if (_call(actors[(seed >> 200) % ACTORS], 0.05 ether, call)) ++_counts.challenges;
    }

    function respond(uint256 seed) external {
        if (_flights.length == 0) return;
        Flight storage flight = _flights[seed % _flights.length];
        Payment storage payment = _payments[flight.payment];
        if (payment.places.length == 0) return;
        bytes memory call = abi.encodeCall(
            IRootChain.respondCanonical,
            (payment.hash, flight.number, _proof(flight.payment, seed >> 64))
        );
        if (_call(actors[(seed >> 200) % ACTORS], 0, call)) ++_counts.responses;
    }

    function challengeInput(uint256 seed) external {
        (bool found, uint256 flight, uint256 input, uint256 payment, uint256 spent) = _findSpend(seed);
        if (!found) return;
        bytes memory signature = _payments[payment].signatures[spent];
        bytes memory call = abi.encodeCall(
            IRootChain.challengeInputSpent,
            (_data[_flights[flight].number], input, _transaction(payment), spent, signature)
        );
        if (_call(stranger, 0, call)) ++_counts.inputsSpent;
    }

    function challengeOutput(uint256 seed) external {
        (bool found, uint256 payment, uint256 spent) = _findPayment(seed, 1);
        if (!found) return;
        Coin storage coin = _coins[_payments[payment].inputs[spent]];
        bytes memory signature = _payments[payment].signatures[spent];
        for (uint256 i = 0; i < _flights.length; ++i) {
            if (_flights[i].payment + 1 != coin.payment) continue;
            bytes memory call = abi.encodeCall(
                IRootChain.challengeOutputSpent,
                (
                    _data[_flights[i].number],
                    coin.outputIndex,
                    _proof(coin.payment - 1, seed >> 64),
                    _transaction(payment),
                    spent,
                    signature
                )
            );
            if (_call(stranger, 0, call)) ++_counts.outputsSpent;
        }
    }

    function close(uint256 seed) external {
        if (_flights.length == 0) return;
        _close(seed % _flights.length);
    }

    /// The data of what is first, or of something else.
    function process(uint256 seed) public {
        uint256 token = seed % TOKENS;
        uint128 first = rootChain.firstExit(tokens[token]);
        uint256 number = first & NUMBER_MASK;
        if (seed % 16 > 13) number = 1 + ((seed >> 8) % rootChain.nextExitNumber());
        ExitData[] memory data = new ExitData[](1);
        data[0] = _data[number];
        bool cancelled = rootChain.isCancelled(uint40(first & NUMBER_MASK));
        vm.recordLogs();
        vm.prank(stranger);
        rootChain.processExits(tokens[token], data);
        _checkLogs();
        uint256 removed = _entries[token].length - rootChain.queueLength(tokens[token]);
        if (first >> 94 > block.timestamp && !cancelled) {
            assertEq(removed, 0, "INV-3: an exit left its queue before its time");
            ++_counts.early;
        }
        for (; removed != 0; --removed) _takeSmallest(token);
    }

    function passTime(uint256 seed) external {
        vm.warp(block.timestamp + bound(seed >> 8, 1 hours, seed % 4 == 0 ? 10 days : 1 days));
    }

    function changeMood(uint256 seed) external {
        vm.etch(actors[(seed >> 8) % ACTORS], seed % 4 == 0 ? bytes(hex"fe") : bytes(""));
    }

    /// All due, all handed in, and what is in no queue closed: the queues run empty, and no bond is left behind.
    function drain() external {
        for (uint256 i = 0; i < ACTORS; ++i) vm.etch(actors[i], "");
        vm.warp(block.timestamp + 3 * uint256(EXIT_PERIOD));
        for (uint256 token = 0; token < TOKENS; ++token) {
            for (uint256 i = 0; i < 500 && _entries[token].length != 0; ++i) process(token);
            assertEq(rootChain.queueLength(tokens[token]), 0, "INV-7: a queue does not run empty");
        }
        for (uint256 i = 0; i < _flights.length; ++i) _close(i);
        uint256 credits;
        for (uint256 i = 0; i < ACTORS; ++i) credits += rootChain.claimable(address(0), actors[i]);
        credits += rootChain.claimable(address(0), stranger);
        assertEq(address(rootChain).balance, rootChain.held(address(0)) + credits, "INV-6: a bond is left behind");
    }

    // ------------------------------------------------------------------ views

    function counts() external view returns (Counts memory) {
        return _counts;
    }

    function entries(uint256 token) external view returns (uint128[] memory) {
        return _entries[token];
    }

    function outputOf(uint256 index) public view returns (Output memory) {
        Coin storage coin = _coins[index];
        if (coin.payment == 0) return Output(coin.deposit.owner, coin.deposit.token, coin.deposit.amount);
        return _transaction(coin.payment - 1).outputs[coin.outputIndex];
    }

    // ---------------------------------------------------------------- details

    function _call(address from, uint256 value, bytes memory call) private returns (bool done) {
        vm.deal(from, from.balance + value);
        vm.prank(from);
        (done, ) = address(rootChain).call{value: value}(call);
        if (!done) vm.deal(from, from.balance - value);
    }

    function _close(uint256 index) private {
        bytes memory call = abi.encodeCall(IRootChain.closeInFlightExit, (_data[_flights[index].number]));
        if (_call(stranger, 0, call)) ++_counts.closed;
    }

    /// INV-2 in the moment: what is finalized was not before, by whatever exit.
    function _checkLogs() private {
        Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(rootChain)) continue;
            bytes32 topic = logs[i].topics[0];
            if (topic == IRootChain.OutputFinalized.selector) {
                bytes32 id = logs[i].topics[1];
                assertEq(++timesFinalized[id], 1, "INV-2: an output was finalized twice");
                assertEq(rootChain.finalizedBy(id), uint256(logs[i].topics[2]), "INV-2: by that exit");
            }
            if (topic == IRootChain.ExitUnpayable.selector) ++_counts.unpayable;
            if (topic != IRootChain.InFlightExitFinalized.selector) continue;
            if (abi.decode(logs[i].data, (bool))) ++_counts.canonical;
            else ++_counts.notCanonical;
        }
    }

    function _takeSmallest(uint256 token) private {
        uint128[] storage all = _entries[token];
        uint256 smallest;
        for (uint256 i = 1; i < all.length; ++i) if (all[i] < all[smallest]) smallest = i;
        all[smallest] = all[all.length - 1];
        all.pop();
    }

    function _addCoins(uint256 index) private {
        Transaction memory transaction = _transaction(index);
        for (uint256 i = 0; i < transaction.outputs.length; ++i) {
            Coin storage coin = _coins.push();
            coin.id = _outputId(_payments[index].hash, i);
            (coin.payment, coin.outputIndex) = (index + 1, i);
            for (uint256 actor = 0; actor < ACTORS; ++actor) {
                if (actors[actor] == transaction.outputs[i].owner) coin.owner = actor;
            }
        }
    }

    function _sources(
        uint256[] storage inputs,
        uint256 seed
    ) private view returns (PaymentOutput[] memory payments, DepositOutput[] memory deposits) {
        uint256 made;
        for (uint256 i = 0; i < inputs.length; ++i) if (_coins[inputs[i]].payment != 0) ++made;
        payments = new PaymentOutput[](made);
        deposits = new DepositOutput[](inputs.length - made);
        uint256 next;
        for (uint256 i = 0; i < inputs.length; ++i) {
            Coin storage coin = _coins[inputs[i]];
            if (coin.payment != 0) {
                uint256 index = coin.payment - 1;
                payments[next] = PaymentOutput(_transaction(index), _proof(index, seed), coin.outputIndex);
                ++next;
                continue;
            }
            StandardExit memory exit;
            if (rootChain.outputRecord(coin.id) >> 215 == 1) exit = abi.decode(coin.lastExit, (StandardExit));
            deposits[i - next] = DepositOutput(coin.deposit, exit);
        }
    }

    /// A payment, rather than others one of a coin that exits (kind 0), or that an exiting payment made (kind 1).
    function _findPayment(uint256 seed, uint256 kind) private view returns (bool, uint256 payment, uint256 input) {
        for (uint256 i = 0; i < _payments.length; ++i) {
            payment = addmod(seed, i, _payments.length);
            for (input = 0; input < _payments[payment].inputs.length; ++input) {
                Coin storage coin = _coins[_payments[payment].inputs[input]];
                if (kind == 0 && coin.lastExit.length != 0) return (true, payment, input);
                if (kind == 0 || coin.payment == 0) continue;
                for (uint256 j = 0; j < _flights.length; ++j) {
                    if (_flights[j].payment + 1 == coin.payment) return (true, payment, input);
                }
            }
        }
        return (false, 0, 0);
    }

    /// Another payment that spends an input of an exiting one.
    function _findSpend(
        uint256 seed
    ) private view returns (bool, uint256 flight, uint256 input, uint256 payment, uint256 spent) {
        for (uint256 i = 0; i < _flights.length; ++i) {
            flight = addmod(seed, i, _flights.length);
            Payment storage exiting = _payments[_flights[flight].payment];
            input = (seed >> 32) % exiting.inputs.length;
            for (uint256 j = 0; j < _payments.length; ++j) {
                payment = addmod(seed >> 64, j, _payments.length);
                if (payment == _flights[flight].payment) continue;
                uint256[] storage inputs = _payments[payment].inputs;
                for (spent = 0; spent < inputs.length; ++spent) {
                    if (inputs[spent] == exiting.inputs[input]) return (true, flight, input, payment, spent);
                }
            }
        }
        return (false, 0, 0, 0, 0);
    }

    function _transaction(uint256 index) private view returns (Transaction memory) {
        return abi.decode(_payments[index].encoded, (Transaction));
    }

    function _proof(uint256 index, uint256 seed) private view returns (InclusionProof memory) {
        Place storage place = _payments[index].places[seed % _payments[index].places.length];
        return InclusionProof(_headers[place.blockNumber - 1], uint32(place.index), place.siblings);
    }

    function _digest(bytes32 structHash) private view returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Plasma Billing"),
                keccak256("1"),
                block.chainid,
                address(rootChain)
            )
        );
        return keccak256(bytes.concat(hex"1901", separator, structHash));
    }

    function _outputId(bytes32 hash, uint256 index) private pure returns (bytes32) {
        return keccak256(bytes.concat(hash, bytes32(index)));
    }
}
