// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A block of the child chain as the operator committed it.
/// @param number From 1, without gaps.
/// @param transactionsRoot Root of the ordered Merkle tree over the transactions' hashes.
/// @param transactionCount How many transactions the block has, 1 to 2^22.
/// @param timestamp Seconds, of the Ethereum block that committed it.
struct BlockHeader {
    uint64 number;
    bytes32 transactionsRoot;
    uint32 transactionCount;
    uint64 timestamp;
}

/// @notice One output of a transaction.
/// @param owner Who can spend it: an externally owned account.
/// @param token The zero address is ether.
/// @param amount In the token's smallest unit.
struct Output {
    address owner;
    address token;
    uint256 amount;
}

/// @notice A payment on the child chain; its EIP-712 digest is its hash, what its payers sign, and its Merkle leaf.
/// @param purpose 1 transfer, 2 upload, 3 extension, 4 purchase, 5 swap.
/// @param inputs Ids of the outputs it spends.
/// @param outputs What it makes of them.
/// @param fileHash Hash of the file's id for purposes 2 to 4, zero otherwise.
struct Transaction {
    uint8 purpose;
    bytes32[] inputs;
    Output[] outputs;
    bytes32 fileHash;
}

/// @notice A deposit; its EIP-712 digest takes the place of a transaction hash, and its only output has index 0.
/// @param id From 1, by a counter of its own.
/// @param owner Who owns the output it makes.
/// @param token The zero address is ether.
/// @param amount In the token's smallest unit.
struct Deposit {
    uint64 id;
    address owner;
    address token;
    uint256 amount;
}

/// @notice That a transaction is in a block, and where.
/// @param header The block.
/// @param index The transaction's place in it, from 0.
/// @param siblings The Merkle path from the leaf up: exactly as many as the tree is deep.
struct InclusionProof {
    BlockHeader header;
    uint32 index;
    bytes32[] siblings;
}

/// @notice What a standard exit is about: all of it stands in `ExitStarted`, and is handed in again by whoever
/// challenges or processes the exit.
/// @param number The exit's.
/// @param owner Who is paid.
/// @param token What is paid.
/// @param amount How much.
/// @param bondOwner Who gets the bond back.
/// @param depositRecord What the output's slot held before the exit: a deposit's record, or zero.
struct StandardExit {
    uint40 number;
    address owner;
    address token;
    uint256 amount;
    address bondOwner;
    uint216 depositRecord;
}

/// @notice One entry of a queue, as handed to `processExits`.
/// @param id The output id of a standard exit.
/// @param data ABI encoding of its `StandardExit`.
struct ExitData {
    bytes32 id;
    bytes data;
}

/// @notice What starting an exit costs beyond gas, in wei.
/// @param standardExit Returned when the exit is processed, lost to whoever challenges it rightly.
/// @param bounty Out of the bond, to whoever takes the entry out of the queue.
struct Bonds {
    uint256 standardExit;
    uint256 bounty;
}

/// @title Root chain of Plasma Billing: keeps the money, and the rules by which it can be taken out
/// @notice The operator commits the Merkle root of each block of the child chain; anyone takes their outputs out
/// without the operator's help. The rules, and why they are what they are: docs/PROTOCOL.md.
///
/// If one of these breaks, funds can go to the wrong party:
/// - keccak-256, ECDSA on secp256k1, Ethereum itself;
/// - each holder, or a watcher it chose, answers any event here by a mined transaction within a quarter of the exit
///   period, and has `processExits` reach its own entry within a quarter of it after its time.
///
/// If one of these breaks, funds are only late:
/// - the operator is up, honest, and publishes its blocks.
///
/// There is no proxy and no administrator: nobody can move, freeze or redirect funds. The operator can commit, and
/// hand that over. A bad token harms only those who deposited it.
interface IRootChain {
    // ---------------------------------------------------------------------------------------------------- errors

    /// @notice The zero address stands where an account or a token must.
    error RootChain_ZeroAddress();
    /// @notice A deposit or an exit of nothing.
    error RootChain_ZeroAmount();
    /// @notice A block without a root.
    error RootChain_ZeroRoot();
    /// @notice Only the operator may do this.
    error RootChain_NotOperator(address caller);
    /// @notice Only the proposed operator may accept.
    error RootChain_NotProposedOperator(address caller);
    /// @notice The block is not the next one.
    error RootChain_WrongBlockNumber(uint64 number, uint64 next);
    /// @notice Block numbers have run out of their 30 bits.
    error RootChain_TooManyBlocks(uint64 number);
    /// @notice A block has 1 to 2^22 transactions.
    error RootChain_WrongTransactionCount(uint32 transactionCount);
    /// @notice The exit period is zero, or above a year.
    error RootChain_WrongExitPeriod(uint64 exitPeriod);
    /// @notice The bounty could not be paid out of the bond.
    error RootChain_BountyAboveBond(uint256 bounty, uint256 bond);
    /// @notice The token delivered something else than it was told to.
    error RootChain_WrongAmountArrived(address token, uint256 arrived, uint256 amount);
    /// @notice No such block was committed: number, root, count or timestamp is wrong.
    error RootChain_UnknownBlock(uint64 number, bytes32 transactionsRoot);
    /// @notice The proof does not show the transaction at that index of the block.
    error RootChain_NotIncluded(bytes32 transactionHash, uint64 blockNumber, uint32 index);
    /// @notice No deposit with this number, owner, token and amount was made.
    error RootChain_UnknownDeposit(uint64 id);
    /// @notice Only the output's owner may exit it.
    error RootChain_NotOwner(address caller, address owner);
    /// @notice The value sent is not the bond.
    error RootChain_WrongBond(uint256 sent, uint256 bond);
    /// @notice The output was paid, or blocked, by that exit.
    error RootChain_AlreadyFinalized(bytes32 outputId, uint40 exitNumber);
    /// @notice An exit of the output is live.
    error RootChain_AlreadyExiting(bytes32 outputId);
    /// @notice No live exit of that output matches the data.
    error RootChain_NoSuchExit(uint40 exitNumber, bytes32 outputId);
    /// @notice The spend is not signed by the exiting owner.
    error RootChain_WrongSigner(address signer, address owner);
    /// @notice Nothing is credited to the caller.
    error RootChain_NothingToClaim(address token, address owner);
    /// @notice A credit can be sent neither to nobody nor to this contract.
    error RootChain_WrongReceiver(address to);
    /// @notice The gas left could not tell a receiver that fails from a caller who brought too little.
    error RootChain_TooLittleGas(uint256 left, uint256 required);

    // ---------------------------------------------------------------------------------------------------- events

    /// @notice A block is committed.
    event BlockCommitted(uint64 indexed number, bytes32 transactionsRoot, uint32 transactionCount, uint64 timestamp);

    /// @notice A deposit is made. It ages with the block that follows it, `nextBlockNumber`.
    event Deposited(
        uint64 indexed id,
        address indexed owner,
        address indexed token,
        uint256 amount,
        uint64 nextBlockNumber,
        uint64 timestamp
    );

    /// @notice A standard exit starts: of a deposit exactly when `depositRecord` is not zero.
    /// @param priority The queue key, smaller first: 34 bits the time it can be paid at, 30 the block number, 23 the
    /// transaction's index + 1 (0 for a deposit), 1 kind (0 standard), 40 the exit's number.
    event ExitStarted(
        uint40 indexed number,
        bytes32 indexed outputId,
        address indexed owner,
        address token,
        uint256 amount,
        address bondOwner,
        uint216 depositRecord,
        uint128 priority
    );

    /// @notice An exit is cancelled by the spend of its output; its entry waits in the queue to be taken out.
    event ExitChallenged(
        uint40 indexed number,
        bytes32 indexed outputId,
        address indexed challenger,
        bytes32 spendingTransactionHash
    );

    /// @notice An exit has left its queue; `paid` is false when another exit had finalized the output before.
    event ExitFinalized(uint40 indexed number, bytes32 indexed outputId, bool paid);

    /// @notice An exit has left its queue unpaid, since it is larger than what is held; the output can exit again.
    event ExitUnpayable(uint40 indexed number, bytes32 indexed outputId, uint256 amount, uint256 held);

    /// @notice The output is paid or blocked, for good, by that exit.
    event OutputFinalized(bytes32 indexed outputId, uint40 indexed number);

    /// @notice A payment could not be pushed and is credited: `claim` it. Ether and a bond of one receiver go, and are
    /// credited, together.
    event PayoutDeferred(address indexed token, address indexed owner, uint256 amount);

    /// @notice A credit is paid.
    event Claimed(address indexed token, address indexed owner, address indexed to, uint256 amount);

    /// @notice The operator proposes who shall follow it.
    event OperatorProposed(address indexed operator, address indexed proposed);

    /// @notice Another operator commits from now on.
    event OperatorChanged(address indexed previous, address indexed operator);

    // ------------------------------------------------------------------------------------------------- functions

    /// @notice Commits the next block of the child chain.
    /// @dev Requirements:
    /// - the caller is the operator;
    /// - `number` is `nextBlockNumber()`, and it and the next one stay below 2^30;
    /// - the root is not zero; 1 to 2^22 transactions.
    ///
    /// Notes:
    /// - sent twice, the second call reverts and nothing changes;
    /// - the header's timestamp is this Ethereum block's, so that what is sent depends on nothing but the
    ///   transactions.
    function commitBlock(uint64 number, bytes32 transactionsRoot, uint32 transactionCount) external;

    /// @notice Takes `amount` of a token from the caller and makes it an output of `owner` on the child chain.
    /// @dev Requirements:
    /// - the caller allowed this contract that much; amount, owner and token are not zero;
    /// - exactly `amount` arrives: a token that takes a fee of transfers is refused.
    ///
    /// Notes:
    /// - the operator credits it when this Ethereum block is final.
    /// @return id The deposit's number.
    function deposit(address token, uint256 amount, address owner) external returns (uint64 id);

    /// @notice As `deposit`, with the caller's permit (ERC-2612) for the amount.
    /// @dev Requirements: those of `deposit`, the allowance given by the permit.
    ///
    /// Notes:
    /// - a permit that somebody else sent first does not hinder the deposit.
    /// @return id The deposit's number.
    function depositWithPermit(
        address token,
        uint256 amount,
        address owner,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (uint64 id);

    /// @notice Makes the ether sent along an output of `owner` on the child chain.
    /// @dev Requirements: value and owner are not zero.
    ///
    /// Notes: as `deposit`.
    /// @return id The deposit's number.
    function depositEther(address owner) external payable returns (uint64 id);

    /// @notice Starts to take out an output of a transaction that a block contains.
    /// @dev Requirements:
    /// - the caller owns the output and sends exactly `standardExitBond()`;
    /// - the proof holds; the output was not finalized and no exit of it is live.
    ///
    /// Notes:
    /// - it can be paid at max(now + W, the block's timestamp + 2W), W the exit period, older outputs first;
    /// - any signed spend of the output cancels it and takes the bond.
    /// @return number The exit's.
    function startStandardExit(
        Transaction calldata transaction,
        InclusionProof calldata proof,
        uint256 outputIndex
    ) external payable returns (uint40 number);

    /// @notice Starts to take out a deposit.
    /// @dev Requirements: those of `startStandardExit`, but for the proof: the deposit was made as it is named.
    ///
    /// Notes:
    /// - it can be paid at now + W; it ages with the block that followed it, before that block's transactions.
    /// @return number The exit's.
    function startDepositExit(Deposit calldata deposit_) external payable returns (uint40 number);

    /// @notice Cancels an exit by showing a spend of its output.
    /// @dev Requirements:
    /// - the exit is live and `exit` is its data;
    /// - `spend` has the output as input `inputIndex`, and its hash is signed by the exiting owner (65 bytes
    ///   r‖s‖v, s in the lower half, v 27 or 28). It need not be included anywhere.
    ///
    /// Notes:
    /// - the bond less the bounty goes to the caller, the bounty to whoever takes the entry out;
    /// - an exiter can challenge itself first and loses the bounty only: a challenger whose call then reverts lost
    ///   nothing but gas;
    /// - the output's slot is as before the exit, so a further exit can start, and be challenged as well.
    function challengeStandardExit(
        StandardExit calldata exit,
        Transaction calldata spend,
        uint256 inputIndex,
        bytes calldata signature
    ) external;

    /// @notice Pays the exits of a token that are due, in their order.
    /// @param exits The data of the queue's first entries, in the queue's order.
    /// @dev Requirements:
    /// - before each payment enough gas is left for it and for what follows; else all is undone.
    ///
    /// Notes:
    /// - data that does not match the first entry takes that entry out if it was cancelled, and is held against
    ///   the next; otherwise the call ends there. It ends at an entry that is not due as well. What was done
    ///   before stays done;
    /// - a payment that fails is credited to its owner (`claimable`), and the queue goes on;
    /// - an exit larger than `held(token)` is left out unpaid, an output finalized by another exit is not paid
    ///   again; the bond returns in both cases;
    /// - cancelled entries behind the last data are taken out too, 16 at most;
    /// - the caller gets the bounty of each entry taken out.
    function processExits(address token, ExitData[] calldata exits) external;

    /// @notice Pays the caller what is credited to it, to any address.
    /// @dev Requirements: something is credited; `to` is neither zero nor this contract, and takes it.
    ///
    /// Notes: there is no limit of gas here.
    function claim(address token, address to) external;

    /// @notice Proposes who shall be operator; the zero address takes a proposal back.
    /// @dev Requirements: the caller is the operator.
    ///
    /// Notes: nothing changes before the other one accepts.
    function proposeOperator(address proposed) external;

    /// @notice Becomes operator.
    /// @dev Requirements: the caller is the proposed operator.
    ///
    /// Notes: the former operator can commit nothing from here on.
    function acceptOperator() external;

    /// @notice Who commits.
    function operator() external view returns (address);

    /// @notice Who may become operator, zero for nobody.
    function proposedOperator() external view returns (address);

    /// @notice W, in seconds.
    function exitPeriod() external view returns (uint64);

    /// @notice What starting a standard exit takes along, in wei.
    function standardExitBond() external view returns (uint256);

    /// @notice What taking an entry out of a queue brings, in wei.
    function bounty() external view returns (uint256);

    /// @notice The number the next block gets; a block has landed when this has passed its number.
    function nextBlockNumber() external view returns (uint64);

    /// @notice keccak256(abi.encode(header)) of a block, zero for one that is not committed.
    function blockHashes(uint64 number) external view returns (bytes32);

    /// @notice The number the next deposit gets; the first has 1.
    function nextDepositId() external view returns (uint64);

    /// @notice The number the next exit gets; the first has 1.
    function nextExitNumber() external view returns (uint40);

    /// @notice The exit that paid or blocked the output, zero for none.
    function finalizedBy(bytes32 outputId) external view returns (uint40);

    /// @notice Zero, a deposit's record (nextBlockNumber << 64 | timestamp), or the commitment to an exit (its
    /// highest bit set).
    function outputRecord(bytes32 outputId) external view returns (uint216);

    /// @notice Whether the exit was cancelled: only that lets an entry of a queue be skipped.
    function isCancelled(uint40 exitNumber) external view returns (bool);

    /// @notice Entries of a token's queue, cancelled ones too.
    function queueLength(address token) external view returns (uint256);

    /// @notice Key of the queue's first entry (see `ExitStarted`), zero when it is empty.
    function firstExit(address token) external view returns (uint128 priority);

    /// @notice Deposits less payments and credits, bonds apart: what exits of the token can be paid from.
    function held(address token) external view returns (uint256);

    /// @notice What could not be pushed to an owner.
    function claimable(address token, address owner) external view returns (uint256);
}
