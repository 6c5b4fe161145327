// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RootChain} from "../../contracts/RootChain.sol";
import {
    BlockHeader,
    Bonds,
    Deposit,
    ExitData,
    InclusionProof,
    IRootChain,
    Output,
    StandardExit,
    Transaction
} from "../../contracts/interfaces/IRootChain.sol";
import {MoodyToken} from "../../contracts/mocks/HostileTokens.sol";
import {TestToken} from "../../contracts/mocks/TestToken.sol";
import {NaiveTree} from "./NaiveTree.sol";
import {Log, Test} from "./Test.sol";

/// Everything anybody can do to a root chain, in any order, beside a plain model of what must come of it. The operator
/// is not honest: it commits spends of what has left already, and outputs out of nothing. No call of the handler may
/// revert.
contract RootChainHandler is Test {
    /// An output of the child chain, valid or not. Transactions and exits count from 1, 0 is none.
    struct Coin {
        bytes32 id;
        uint256 owner;
        uint256 token;
        uint256 amount;
        uint64 depositId;
        uint216 depositRecord;
        uint256 transaction;
        uint256 outputIndex;
        uint256 spend;
        uint256 liveExit;
        uint256 finalizedBy;
        uint256 timesPaid;
    }

    struct Payment {
        bytes encoded;
        bytes32 hash;
        uint256 blockNumber;
        uint256 index;
        bytes32[] siblings;
        uint256 inputIndex;
        bytes signature;
    }

    struct Exit {
        uint256 coin;
        uint256 time;
        uint256 blockNumber;
        uint256 position;
        bool cancelled;
        StandardExit data;
    }

    /// How often each outcome was reached: a campaign that reaches none shows nothing.
    struct Counts {
        uint256 paid;
        uint256 unpayable;
        uint256 challenged;
        uint256 restarted;
        uint256 deferred;
        uint256 claimed;
        uint256 cancelledTakenOut;
        uint256 mismatched;
        uint256 notDue;
        uint256 refusedStarts;
        uint256 refusedChallenges;
        uint256 reentries;
    }

    uint64 public constant EXIT_PERIOD = 7 days;
    uint256 public constant BOND = 0.05 ether;
    uint256 public constant BOUNTY = 0.01 ether;
    uint256 public constant ACTORS = 4;
    uint256 public constant TOKENS = 3;
    uint256 private constant TRAILING_ENTRIES_MAX = 16;
    string private constant TRANSACTION =
        "Transaction(uint8 purpose,bytes32[] inputs,Output[] outputs,bytes32 fileHash)"
        "Output(address owner,address token,uint256 amount)";

    RootChain public immutable rootChain;
    MoodyToken public immutable moody;
    address public immutable operator = address(0x0EAA);
    address public immutable stranger = address(0x57A4);
    address public immutable sink = address(0x5144);

    address[] public tokens;
    address[] public actors;
    mapping(uint256 actor => bool) public refuses;
    Coin[] internal _coins;
    Payment[] internal _payments;
    Exit[] internal _exits;
    BlockHeader[] internal _headers;
    mapping(uint256 token => uint256[]) internal _queues;
    uint256 internal _deposits;
    uint256 internal _waitingBounties;
    uint256 internal _liveBonds;
    mapping(uint256 token => uint256) public deposited;
    mapping(uint256 token => uint256) public paidOut;
    mapping(uint256 token => uint256) public heldInModel;
    mapping(uint256 token => mapping(uint256 actor => uint256)) public credited;
    mapping(uint256 token => mapping(uint256 actor => uint256)) public wallet;
    uint256 public strangersEther;
    Counts internal _counts;

    constructor() {
        rootChain = new RootChain(operator, EXIT_PERIOD, Bonds(BOND, BOND, BOND, BOND, BOUNTY));
        moody = new MoodyToken();
        tokens = [address(0), address(new TestToken()), address(moody)];
        for (uint256 i = 0; i < ACTORS; ++i) actors.push(vm.addr(i + 1));
        vm.warp(1_800_000_000);
    }

    // ---------------------------------------------------------------- actions

    function deposit(uint256 seed, uint256 amount) external {
        uint256 token = seed % TOKENS;
        uint256 owner = (seed >> 8) % ACTORS;
        uint256 payer = (seed >> 16) % ACTORS;
        amount = bound(amount, 1, 100 ether);
        uint64 id = uint64(++_deposits);
        uint64 number;
        if (token == 0) {
            vm.deal(actors[payer], actors[payer].balance + amount);
            vm.prank(actors[payer]);
            number = rootChain.depositEther{value: amount}(actors[owner]);
        } else {
            // What a token in its moods does to a deposit is another test's: it fails, or is one.
            MoodyToken.Mood mood = moody.mood();
            moody.setMood(MoodyToken.Mood.Well);
            TestToken(tokens[token]).mint(actors[payer], amount);
            vm.prank(actors[payer]);
            TestToken(tokens[token]).approve(address(rootChain), amount);
            vm.prank(actors[payer]);
            number = rootChain.deposit(tokens[token], amount, actors[owner]);
            moody.setMood(mood);
        }
        assertEq(number, id, "deposit number");
        deposited[token] += amount;
        heldInModel[token] += amount;
        Coin storage coin = _coins.push();
        coin.id = _outputId(_digest(_depositStruct(Deposit(id, actors[owner], tokens[token], amount))), 0);
        (coin.owner, coin.token, coin.amount, coin.depositId) = (owner, token, amount, id);
        coin.depositRecord = (uint216(_headers.length + 1) << 64) | uint64(block.timestamp);
    }

    /// Blocks of up to five payments; some spend nothing that exists.
    function commit(uint256 seed, uint256 count) external {
        count = bound(count, 1, 5);
        uint256 first = _payments.length;
        bytes32[] memory leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) leaves[i] = _pay(uint256(keccak256(abi.encode(seed, i))), true);
        bytes32[][] memory levels = NaiveTree.build(leaves);
        BlockHeader memory header = BlockHeader(
            uint64(_headers.length + 1),
            levels[levels.length - 1][0],
            uint32(count),
            uint64(block.timestamp)
        );
        vm.prank(operator);
        rootChain.commitBlock(header.number, header.transactionsRoot, header.transactionCount);
        _headers.push(header);
        for (uint256 i = 0; i < count; ++i) {
            Payment storage payment = _payments[first + i];
            (payment.blockNumber, payment.index) = (header.number, i);
            payment.siblings = NaiveTree.proof(levels, i);
        }
    }

    /// INV-8: no other number, no other caller.
    function commitOutOfOrder(uint256 seed, uint64 number, address caller) external {
        bool asOperator = seed % 2 == 0;
        if (asOperator && number == _headers.length + 1) ++number;
        if (!asOperator && caller == operator) caller = stranger;
        vm.prank(asOperator ? operator : caller);
        try rootChain.commitBlock(asOperator ? number : uint64(_headers.length + 1), bytes32(seed | 1), 1) {
            revert Test_False("INV-8: committed out of order");
        } catch {}
    }

    /// A spend its owner signed and no block holds.
    function signSpend(uint256 seed) external {
        if (_coins.length != 0) _pay(seed, false);
    }

    function start(uint256 seed) external {
        if (_coins.length == 0) return;
        uint256 index = seed % _coins.length;
        Coin storage coin = _coins[index];
        if (coin.depositId == 0 && _payments[coin.transaction - 1].blockNumber == 0) return;
        address owner = actors[coin.owner];
        vm.deal(owner, owner.balance + BOND);
        bool allowed = coin.liveExit == 0 && coin.finalizedBy == 0;
        (bool started, uint256 number) = _callStart(coin, owner);
        assertTrue(started == allowed, "INV-2: an exit starts exactly when none runs and none has paid");
        if (!started) {
            vm.deal(owner, owner.balance - BOND);
            ++_counts.refusedStarts;
            return;
        }
        assertEq(number, _exits.length + 1, "exit numbers are counted up");
        _recordExit(index, uint40(number));
    }

    /// INV-5 for what was spent, INV-6 for what was not.
    function challenge(uint256 seed) external {
        uint256 found = _findExit(seed);
        if (found == 0) return;
        Exit storage exit = _exits[found - 1];
        Coin storage coin = _coins[exit.coin];
        if (coin.spend == 0) {
            _challengeUnspent(exit, coin, seed);
            return;
        }
        Payment storage spend = _payments[coin.spend - 1];
        Transaction memory transaction = abi.decode(spend.encoded, (Transaction));
        vm.prank(stranger);
        rootChain.challengeStandardExit(exit.data, transaction, spend.inputIndex, spend.signature);
        exit.cancelled = true;
        coin.liveExit = 0;
        _liveBonds -= BOND;
        _waitingBounties += BOUNTY;
        strangersEther += BOND - BOUNTY;
        ++_counts.challenged;
    }

    /// Hands in data of the queue's first entries: all right, or with one left out, or with one wrong.
    function process(uint256 seed) public {
        uint256 token = seed % TOKENS;
        (ExitData[] memory data, uint256[] memory about) = _exitData(token, seed);
        uint256[] memory paid = _model(token, about);
        vm.recordLogs();
        vm.prank(stranger);
        rootChain.processExits(tokens[token], data);
        _compareLogs(paid);
        assertTrue(!moody.callSucceeded(), "INV-7: a token entered again while it was paid out");
    }

    function claim(uint256 seed) external {
        uint256 token = seed % TOKENS;
        uint256 actor = (seed >> 8) % ACTORS;
        bool possible = credited[token][actor] != 0 && (token != 2 || _moodyPays());
        vm.prank(actors[actor]);
        // A token that burns the gas it gets must not get all of the test's.
        try rootChain.claim{gas: 1_000_000}(tokens[token], sink) {
            assertTrue(possible, "claimed what is not there");
            credited[token][actor] = 0;
            ++_counts.claimed;
        } catch {
            assertTrue(!possible, "a credit could not be claimed");
        }
    }

    /// Some time, or to the second before or at which the first entry of a queue can be paid.
    function passTime(uint256 seed) external {
        uint256 time = block.timestamp + bound(seed >> 8, 1 hours, 10 days);
        uint256[] memory sorted = queue((seed >> 8) % TOKENS);
        if (seed % 2 == 0 && sorted.length != 0) {
            uint256 due = _exits[sorted[0] - 1].time - ((seed >> 16) % 2);
            if (due > block.timestamp) time = due;
        }
        vm.warp(time);
    }

    function changeMood(uint256 seed) external {
        if (seed % 2 == 0) {
            uint256 mood = (seed >> 8) % 9;
            if (mood < uint256(MoodyToken.Mood.Calls)) moody.setMood(MoodyToken.Mood(mood));
            else moody.setCall(address(rootChain), _reentry(seed >> 16));
            return;
        }
        uint256 actor = (seed >> 8) % ACTORS;
        refuses[actor] = !refuses[actor];
        vm.etch(actors[actor], refuses[actor] ? bytes(hex"fe") : bytes(""));
    }

    /// Everybody well again, all due, everything handed in: whatever was done before, the queues run empty.
    function drain() external {
        moody.setMood(MoodyToken.Mood.Well);
        vm.warp(block.timestamp + 3 * uint256(EXIT_PERIOD));
        for (uint256 token = 0; token < TOKENS; ++token) {
            // With this seed all of the data is handed in, right and in order, up to 15 entries a call.
            for (uint256 i = 0; i < 100 && rootChain.queueLength(tokens[token]) != 0; ++i) {
                process((15 << 8) | token);
            }
            assertEq(rootChain.queueLength(tokens[token]), 0, "INV-7: a queue does not run empty");
        }
    }

    // ------------------------------------------------------------------ model

    function counts() external view returns (Counts memory) {
        return _counts;
    }

    function bondsAndBounties() external view returns (uint256) {
        return _liveBonds + _waitingBounties;
    }

    function coinCount() external view returns (uint256) {
        return _coins.length;
    }

    function coinAt(uint256 index) external view returns (Coin memory) {
        return _coins[index];
    }

    function exitCount() external view returns (uint256) {
        return _exits.length;
    }

    function exitAt(uint256 index) external view returns (Exit memory) {
        return _exits[index];
    }

    function headers() external view returns (BlockHeader[] memory) {
        return _headers;
    }

    /// @return sorted Exits in the queue of `token`, the one to be paid first at the start.
    function queue(uint256 token) public view returns (uint256[] memory sorted) {
        sorted = _queues[token];
        for (uint256 i = 1; i < sorted.length; ++i) {
            for (uint256 j = i; j > 0 && _isBefore(sorted[j], sorted[j - 1]); --j) {
                (sorted[j], sorted[j - 1]) = (sorted[j - 1], sorted[j]);
            }
        }
    }

    function _moodyPays() private view returns (bool) {
        return moody.mood() == MoodyToken.Mood.Well || moody.mood() == MoodyToken.Mood.Calls;
    }

    /// What a token may try while it is paid out: none of it must succeed.
    function _reentry(uint256 seed) private view returns (bytes memory) {
        address token = tokens[seed % TOKENS];
        if (seed % 4 == 0) return abi.encodeCall(IRootChain.processExits, (token, new ExitData[](0)));
        if (seed % 4 == 1) return abi.encodeCall(IRootChain.claim, (token, sink));
        if (seed % 4 == 2) return abi.encodeCall(IRootChain.deposit, (address(moody), 0, sink));
        return abi.encodeCall(IRootChain.depositEther, (sink));
    }

    function _isBefore(uint256 left, uint256 right) private view returns (bool) {
        Exit storage a = _exits[left - 1];
        Exit storage b = _exits[right - 1];
        if (a.time != b.time) return a.time < b.time;
        if (a.blockNumber != b.blockNumber) return a.blockNumber < b.blockNumber;
        if (a.position != b.position) return a.position < b.position;
        return left < right;
    }

    function _pay(uint256 seed, bool mayInvent) private returns (bytes32 hash) {
        uint256 found = _findUnspent(seed >> 16);
        Transaction memory transaction;
        transaction.purpose = 1;
        uint256 inputIndex = (seed >> 3) % 2;
        transaction.inputs = new bytes32[](inputIndex + 1);
        // Never the same payment twice, even from the same seed.
        bytes32 nothing = keccak256(abi.encode(seed, _payments.length));
        transaction.inputs[0] = nothing;
        uint256 token = (seed >> 5) % TOKENS;
        uint256 amount = bound(seed >> 64, 1, 150 ether);
        uint256 signer = ACTORS;
        if (found != 0 && (!mayInvent || seed % 8 != 0)) {
            Coin storage coin = _coins[found - 1];
            transaction.inputs[inputIndex] = coin.id;
            (token, amount, signer) = (coin.token, coin.amount, coin.owner);
            coin.spend = _payments.length + 1;
        } else {
            transaction.inputs[inputIndex] = keccak256(abi.encode(nothing));
        }
        uint256 second = amount > 1 ? bound(seed >> 128, 1, amount - 1) : 0;
        transaction.outputs = new Output[](second == 0 ? 1 : 2);
        transaction.outputs[0] = Output(actors[(seed >> 8) % ACTORS], tokens[token], amount - second);
        if (second != 0) transaction.outputs[1] = Output(actors[(seed >> 12) % ACTORS], tokens[token], second);
        hash = _digest(vm.eip712HashStruct(TRANSACTION, abi.encode(transaction)));
        Payment storage payment = _payments.push();
        payment.encoded = abi.encode(transaction);
        payment.hash = hash;
        payment.inputIndex = inputIndex;
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signer + 1, hash);
        payment.signature = abi.encodePacked(r, s, v);
        for (uint256 i = 0; i < transaction.outputs.length; ++i) {
            Coin storage coin = _coins.push();
            coin.id = _outputId(hash, i);
            (coin.token, coin.amount) = (token, transaction.outputs[i].amount);
            coin.owner = (seed >> (i == 0 ? 8 : 12)) % ACTORS;
            (coin.transaction, coin.outputIndex) = (_payments.length, i);
        }
    }

    function _findUnspent(uint256 seed) private view returns (uint256) {
        for (uint256 i = 0; i < _coins.length && i < 8; ++i) {
            uint256 index = addmod(seed, i, _coins.length);
            if (_coins[index].spend == 0) return index + 1;
        }
        return 0;
    }

    /// Exits of spent outputs rather than others, so that enough of them are challenged.
    function _findExit(uint256 seed) private view returns (uint256 found) {
        for (uint256 i = 0; i < _exits.length && i < 16; ++i) {
            uint256 number = addmod(seed, i, _exits.length) + 1;
            Coin storage coin = _coins[_exits[number - 1].coin];
            if (coin.liveExit != number) continue;
            if (coin.spend != 0) return number;
            found = number;
        }
    }

    function _callStart(Coin storage coin, address owner) private returns (bool, uint256) {
        if (coin.depositId != 0) {
            Deposit memory deposit_ = Deposit(coin.depositId, owner, tokens[coin.token], coin.amount);
            vm.prank(owner);
            try rootChain.startDepositExit{value: BOND}(deposit_) returns (uint40 number) {
                return (true, number);
            } catch {
                return (false, 0);
            }
        }
        Payment storage payment = _payments[coin.transaction - 1];
        Transaction memory transaction = abi.decode(payment.encoded, (Transaction));
        InclusionProof memory proof = InclusionProof(
            _headers[payment.blockNumber - 1],
            uint32(payment.index),
            payment.siblings
        );
        vm.prank(owner);
        try rootChain.startStandardExit{value: BOND}(transaction, proof, coin.outputIndex) returns (uint40 number) {
            return (true, number);
        } catch {
            return (false, 0);
        }
    }

    function _recordExit(uint256 index, uint40 number) private {
        Coin storage coin = _coins[index];
        Exit storage exit = _exits.push();
        address owner = actors[coin.owner];
        exit.data = StandardExit(number, owner, tokens[coin.token], coin.amount, owner, coin.depositRecord);
        exit.coin = index;
        exit.time = block.timestamp + EXIT_PERIOD;
        if (coin.depositId != 0) {
            exit.blockNumber = coin.depositRecord >> 64;
        } else {
            Payment storage payment = _payments[coin.transaction - 1];
            (exit.blockNumber, exit.position) = (payment.blockNumber, payment.index + 1);
            uint256 old = _headers[payment.blockNumber - 1].timestamp + 2 * uint256(EXIT_PERIOD);
            if (old > exit.time) exit.time = old;
        }
        for (uint256 i = 0; i < _exits.length - 1; ++i) {
            if (_exits[i].coin == exit.coin) {
                ++_counts.restarted;
                break;
            }
        }
        coin.liveExit = number;
        _queues[coin.token].push(number);
        _liveBonds += BOND;
    }

    function _challengeUnspent(Exit storage exit, Coin storage coin, uint256 seed) private {
        Transaction memory spend;
        spend.purpose = 1;
        spend.inputs = new bytes32[](1);
        spend.inputs[0] = coin.id;
        spend.outputs = new Output[](1);
        spend.outputs[0] = Output(stranger, exit.data.token, exit.data.amount);
        bytes32 hash = _digest(vm.eip712HashStruct(TRANSACTION, abi.encode(spend)));
        // Signed by anybody but the owner.
        uint256 key = 1 + ((coin.owner + 1 + (seed % (ACTORS - 1))) % ACTORS);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        vm.prank(stranger);
        try rootChain.challengeStandardExit(exit.data, spend, 0, abi.encodePacked(r, s, v)) {
            revert Test_False("INV-6: an exit of an unspent output was challenged");
        } catch {
            ++_counts.refusedChallenges;
        }
    }

    /// @return data What is handed in. @return about The exit each is about, 0 when it is about none.
    function _exitData(
        uint256 token,
        uint256 seed
    ) private view returns (ExitData[] memory data, uint256[] memory about) {
        uint256[] memory sorted = queue(token);
        uint256 wanted = (seed >> 8) % 16;
        uint256 fault = (seed >> 16) % 4; // 1: one is left out, 2: one is wrong, else all right
        uint256 faultAt = (seed >> 24) % 4;
        uint256[] memory chosen = new uint256[](sorted.length);
        uint256 count;
        for (uint256 i = 0; i < sorted.length && count < wanted; ++i) {
            if (_exits[sorted[i] - 1].cancelled) continue;
            if (fault == 1 && faultAt == count) {
                fault = 0;
                continue;
            }
            chosen[count] = sorted[i];
            ++count;
        }
        data = new ExitData[](count);
        about = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            StandardExit memory exit = _exits[chosen[i] - 1].data;
            about[i] = chosen[i];
            if (fault == 2 && faultAt == i) {
                about[i] = 0;
                if ((seed >> 32) % 2 == 0) ++exit.amount;
                else exit.owner = stranger;
            }
            data[i] = ExitData(_coins[_exits[chosen[i] - 1].coin].id, abi.encode(exit));
        }
    }

    /// PROTOCOL's rule of processing, over a list. @return done The exits finished, in order.
    function _model(uint256 token, uint256[] memory about) private returns (uint256[] memory done) {
        uint256[] memory sorted = queue(token);
        uint256 removed;
        uint256 doneCount;
        done = new uint256[](about.length);
        for (uint256 i = 0; i < about.length; ++i) {
            while (removed < sorted.length && sorted[removed] != about[i] && _exits[sorted[removed] - 1].cancelled) {
                ++removed;
                _takeOutCancelled();
            }
            if (removed == sorted.length) break;
            if (sorted[removed] != about[i]) {
                ++_counts.mismatched;
                break;
            }
            if (_exits[about[i] - 1].time > block.timestamp) {
                ++_counts.notDue;
                break;
            }
            ++removed;
            done[doneCount] = about[i];
            ++doneCount;
            _finish(token, _exits[about[i] - 1]);
        }
        for (uint256 i = 0; i < TRAILING_ENTRIES_MAX && removed < sorted.length; ++i) {
            if (!_exits[sorted[removed] - 1].cancelled) break;
            ++removed;
            _takeOutCancelled();
        }
        delete _queues[token];
        for (uint256 i = removed; i < sorted.length; ++i) _queues[token].push(sorted[i]);
        assembly ("memory-safe") {
            mstore(done, doneCount)
        }
    }

    function _takeOutCancelled() private {
        _waitingBounties -= BOUNTY;
        strangersEther += BOUNTY;
        ++_counts.cancelledTakenOut;
    }

    function _finish(uint256 token, Exit storage exit) private {
        Coin storage coin = _coins[exit.coin];
        uint256 bondBack = BOND - BOUNTY;
        _liveBonds -= BOND;
        strangersEther += BOUNTY;
        coin.liveExit = 0;
        if (exit.data.amount > heldInModel[token]) {
            ++_counts.unpayable;
        } else {
            coin.finalizedBy = exit.data.number;
            heldInModel[token] -= exit.data.amount;
            paidOut[token] += exit.data.amount;
            ++_counts.paid;
            _receive(token, coin.owner, exit.data.amount);
        }
        _receive(0, coin.owner, bondBack);
    }

    function _receive(uint256 token, uint256 actor, uint256 amount) private {
        if (token == 0 ? refuses[actor] : (token == 2 && !_moodyPays())) {
            credited[token][actor] += amount;
            ++_counts.deferred;
        } else {
            wallet[token][actor] += amount;
            if (token == 2 && moody.mood() == MoodyToken.Mood.Calls) ++_counts.reentries;
        }
    }

    /// What the contract said it finished is what the model finished, in its order (INV-3), each paid once (INV-2).
    function _compareLogs(uint256[] memory done) private {
        Log[] memory logs = vm.getRecordedLogs();
        uint256 seen;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(rootChain)) continue;
            bool finalized = logs[i].topics[0] == IRootChain.ExitFinalized.selector;
            if (!finalized && logs[i].topics[0] != IRootChain.ExitUnpayable.selector) continue;
            assertTrue(seen < done.length, "INV-3: an exit was finished that is not next and due");
            Exit storage exit = _exits[done[seen] - 1];
            Coin storage coin = _coins[exit.coin];
            assertEq(uint256(logs[i].topics[1]), done[seen], "INV-3: exits are finished in the order of the queue");
            assertEq(logs[i].topics[2], coin.id, "the output of the finished exit");
            bool paid = coin.finalizedBy == done[seen];
            assertTrue(finalized == paid, "paid exactly when the contract holds enough");
            if (finalized) {
                assertTrue(abi.decode(logs[i].data, (bool)), "nothing else finalizes an output");
                assertEq(++coin.timesPaid, 1, "INV-2: an output was paid twice");
            }
            ++seen;
        }
        assertEq(seen, done.length, "INV-7: the queue stands still before an entry that is due");
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

    function _depositStruct(Deposit memory deposit_) private pure returns (bytes32) {
        return
            vm.eip712HashStruct("Deposit(uint64 id,address owner,address token,uint256 amount)", abi.encode(deposit_));
    }

    function _outputId(bytes32 hash, uint256 index) private pure returns (bytes32) {
        return keccak256(bytes.concat(hash, bytes32(index)));
    }
}
