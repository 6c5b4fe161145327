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

/// @notice An exit as it is handed in again by whoever does something about it or processes it.
/// @param id The output id of a standard exit, the transaction's hash of an in-flight exit.
/// @param data ABI encoding of its `StandardExit`, or what `InFlightExitStarted` told as `data`.
struct ExitData {
    bytes32 id;
    bytes data;
}

/// @notice What an in-flight exit is about: abi.encode of these members stands in `InFlightExitStarted`.
/// @param priority The queue key of all its entries, in whatever token (see `ExitStarted`; kind 1).
/// @param startedAt Seconds.
/// @param salt What nobody knew before: so that no second exit with the same commitment can be made ready.
/// @param bondOwner Who started it, and gets that bond back.
/// @param inputIds The output ids the transaction spends.
/// @param inputs What these outputs are.
/// @param outputs What the transaction makes of them.
struct InFlightExit {
    uint128 priority;
    uint64 startedAt;
    uint64 salt;
    address bondOwner;
    bytes32[] inputIds;
    Output[] inputs;
    Output[] outputs;
}

/// @notice An output of a transaction that a block contains.
/// @param transaction The transaction that made it.
/// @param proof Where that is.
/// @param outputIndex Which of its outputs, from 0.
struct PaymentOutput {
    Transaction transaction;
    InclusionProof proof;
    uint256 outputIndex;
}

/// @notice The output of a deposit.
/// @param deposit As `Deposited` told it.
/// @param exit The standard exit that stands in the output's slot, live or paid; all zero when there is none.
struct DepositOutput {
    Deposit deposit;
    StandardExit exit;
}

/// @notice The owner's word that anyone may exit an output for it (`ExitAuthorization`, EIP-712).
/// @param bondOwner Who gets the bond back.
/// @param deadline The last second at which it holds.
/// @param signature The owner's, 65 bytes; empty when the owner itself calls, who then is the bond's owner.
struct Authorization {
    address bondOwner;
    uint64 deadline;
    bytes signature;
}

/// @notice One of many standard exits started in a call.
struct StandardExitRequest {
    PaymentOutput output;
    Authorization authorization;
}

/// @notice One of many exits of deposits started in a call.
struct DepositExitRequest {
    Deposit deposit;
    Authorization authorization;
}

/// @notice One of many piggybacks made in a call.
/// @param index i for input i of the exiting transaction, 16 + i for its output i.
struct PiggybackRequest {
    uint256 index;
    Authorization authorization;
}

/// @notice What is paid along beyond gas, in wei.
/// @param standardExit With a standard exit: returned when it is processed, lost to whoever challenges it rightly.
/// @param inFlightExit With an in-flight exit: returned unless it ends non-canonical by a challenge.
/// @param piggyback With a piggyback: returned when its token's entry is processed, lost to a challenge with a spend.
/// @param challenge With a challenge that an in-flight exit is not canonical: lost to whoever answers it.
/// @param bounty Out of the bond that made an entry of a queue, to whoever takes the entry out.
struct Bonds {
    uint256 standardExit;
    uint256 inFlightExit;
    uint256 piggyback;
    uint256 challenge;
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
    /// @notice Only the output's owner may exit it, or who has its authorization.
    error RootChain_NotOwner(address caller, address owner);
    /// @notice The value sent is not the bond, or all bonds together.
    error RootChain_WrongBond(uint256 sent, uint256 bond);
    /// @notice The output was paid, or blocked, by that exit.
    error RootChain_AlreadyFinalized(bytes32 outputId, uint40 exitNumber);
    /// @notice An exit of the output is live; or the transaction's main exit is, and its data was not handed in, or it
    /// is not through all its queues.
    /// @param id The output id, or the transaction's hash.
    error RootChain_AlreadyExiting(bytes32 id);
    /// @notice No live exit matches the data: it never started, was cancelled, or processed.
    /// @param id The output id, or the exiting transaction's hash.
    error RootChain_NoSuchExit(uint40 exitNumber, bytes32 id);
    /// @notice The signature is not the owner's: of a spend, of an input's transaction, of an authorization.
    error RootChain_WrongSigner(address signer, address owner);
    /// @notice The authorization held until its deadline.
    error RootChain_AuthorizationExpired(uint64 deadline);
    /// @notice There are only `count` inputs, outputs or places.
    error RootChain_WrongIndex(uint256 index, uint256 count);
    /// @notice A transaction has 1 to 16 inputs and 1 to 16 outputs; each input is signed, and shown to be made.
    error RootChain_WrongCount(uint256 count);
    /// @notice A transaction spends an output once.
    error RootChain_DuplicateInput(bytes32 outputId);
    /// @notice Neither the next payment's output nor the next deposit's has this id.
    error RootChain_UnknownInput(bytes32 outputId);
    /// @notice What the inputs bring in this token is not what the outputs take.
    error RootChain_Unbalanced(address token);
    /// @notice An older one is needed: ages are block number << 23 | index + 1.
    error RootChain_NotOlder(uint256 age, uint256 olderThan);
    /// @notice That could be done until then.
    error RootChain_TooLate(uint256 until);
    /// @notice That can be done from then on.
    error RootChain_TooEarly(uint256 from);
    /// @notice The piggyback was made before; once cancelled it cannot be made again.
    error RootChain_AlreadyPiggybacked(uint40 exitNumber, uint256 index);
    /// @notice There is no live piggyback there.
    error RootChain_NotPiggybacked(uint40 exitNumber, uint256 index);
    /// @notice The exit pays a live piggyback when it is processed.
    error RootChain_StillPiggybacked(uint40 exitNumber);
    /// @notice A transaction is no competitor of itself, and does not make its own inputs spent.
    error RootChain_SameTransaction(bytes32 transactionHash);
    /// @notice That input of the transaction is another output.
    error RootChain_NotSpent(bytes32 outputId, bytes32 input);
    /// @notice No challenge of that exit stands.
    error RootChain_NotChallenged(uint40 exitNumber, bytes32 transactionHash);
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
    /// transaction's index + 1 (0 for a deposit), 1 kind (0 standard, 1 in-flight), 40 the exit's number.
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

    /// @notice A standard exit has left its queue; `paid` is false when another exit had finalized the output before.
    event ExitFinalized(uint40 indexed number, bytes32 indexed outputId, bool paid);

    /// @notice An output is not paid by an exit, since it is more than what is held, and not finalized.
    event ExitUnpayable(uint40 indexed number, bytes32 indexed outputId, uint256 amount, uint256 held);

    /// @notice An in-flight exit starts. The transaction's main exit, if it was live, is moved aside: it pays nothing.
    /// @param data abi.encode of the members of `InFlightExit`: to be handed in again.
    event InFlightExitStarted(
        uint40 indexed number,
        bytes32 indexed transactionHash,
        address indexed bondOwner,
        bytes data
    );

    /// @notice An owner asks to be paid for an input or output of an in-flight exit, if it ends in favour of that side.
    /// @param index i for input i, 16 + i for output i.
    event Piggybacked(
        uint40 indexed number,
        bytes32 indexed outputId,
        address indexed owner,
        uint256 index,
        address bondOwner
    );

    /// @notice Another transaction spends an input of the exiting one: the exit is not canonical while this stands.
    /// It takes the place of a challenge that stood before.
    /// @param position The competitor's age, block number << 23 | index + 1, or 2^53 - 1 for one not included.
    event NonCanonicalChallenged(
        uint40 indexed number,
        bytes32 indexed transactionHash,
        address indexed challenger,
        bytes32 competitorHash,
        uint64 position
    );

    /// @notice The exiting transaction is included before the competitor: the exit is canonical again.
    event CanonicalResponded(
        uint40 indexed number,
        bytes32 indexed transactionHash,
        address indexed responder,
        uint64 position
    );

    /// @notice A piggyback is cancelled by a spend of its input or output.
    event PiggybackChallenged(
        uint40 indexed number,
        bytes32 indexed outputId,
        address indexed challenger,
        uint256 index,
        bytes32 spendingTransactionHash
    );

    /// @notice The exit has left the queue of a token. The first such event fixes for all whether it is canonical.
    /// What it pays, and which inputs it blocks, `OutputFinalized` says.
    event InFlightExitFinalized(
        uint40 indexed number,
        bytes32 indexed transactionHash,
        address indexed token,
        bool canonical
    );

    /// @notice The exit is over with nothing paid; entries it has wait in their queues to be taken out.
    event InFlightExitClosed(uint40 indexed number, bytes32 indexed transactionHash);

    /// @notice The output is paid or blocked, for good, by that exit.
    event OutputFinalized(bytes32 indexed outputId, uint40 indexed number);

    /// @notice A payment could not be pushed, or a challenge was replaced, and is credited: `claim` it. Ether and a
    /// bond of one receiver go, and are credited, together.
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
    /// @param number The block's, from 1.
    /// @param transactionsRoot Root of the ordered Merkle tree over the transactions' hashes.
    /// @param transactionCount How many transactions the block has.
    function commitBlock(uint64 number, bytes32 transactionsRoot, uint32 transactionCount) external;

    /// @notice Takes `amount` of a token from the caller and makes it an output of `owner` on the child chain.
    /// @dev Requirements:
    /// - the caller allowed this contract that much; amount, owner and token are not zero;
    /// - exactly `amount` arrives: a token that takes a fee of transfers is refused.
    ///
    /// Notes:
    /// - the operator credits it when this Ethereum block is final.
    /// @param token An ERC-20 token; for ether see `depositEther`.
    /// @param amount In the token's smallest unit.
    /// @param owner Who owns the output: an externally owned account.
    /// @return id The deposit's number.
    function deposit(address token, uint256 amount, address owner) external returns (uint64 id);

    /// @notice As `deposit`, with the caller's permit (ERC-2612) for the amount.
    /// @dev Requirements: those of `deposit`, the allowance given by the permit.
    ///
    /// Notes:
    /// - a permit that somebody else sent first does not hinder the deposit.
    /// @param token An ERC-20 token with permits; one without takes the allowance that is there.
    /// @param amount In the token's smallest unit; the permit is for exactly this.
    /// @param owner Who owns the output: an externally owned account.
    /// @param deadline The permit's, in seconds.
    /// @param v The permit's signature, with `r` and `s`.
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
    /// @param owner Who owns the output: an externally owned account.
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
    /// @param transaction The payment that made the output.
    /// @param proof Where it is.
    /// @param outputIndex Which of its outputs, from 0.
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
    /// @param deposit_ As `Deposited` told it.
    /// @return number The exit's.
    function startDepositExit(Deposit calldata deposit_) external payable returns (uint40 number);

    /// @notice Starts many exits of payments' outputs, each by its owner or with its owner's authorization.
    /// @dev Requirements: those of `startStandardExit` for each, but that the caller owns the output or hands in its
    /// owner's authorization for that output and block; the value is one bond for each.
    ///
    /// Notes:
    /// - what is paid goes to the owner, the bond back to the authorization's `bondOwner`;
    /// - one that cannot start undoes all.
    /// @param requests At least one.
    /// @return first The first exit's number; the others follow it.
    function startStandardExits(StandardExitRequest[] calldata requests) external payable returns (uint40 first);

    /// @notice Starts many exits of deposits, each by its owner or with its owner's authorization.
    /// @dev Requirements: those of `startDepositExit` for each, as in `startStandardExits`; an authorization is for
    /// block 0.
    ///
    /// Notes: as `startStandardExits`.
    /// @param requests At least one.
    /// @return first The first exit's number; the others follow it.
    function startDepositExits(DepositExitRequest[] calldata requests) external payable returns (uint40 first);

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
    /// @param exit As `ExitStarted` told it.
    /// @param spend A payment that spends the output.
    /// @param inputIndex Which of its inputs the output is, from 0.
    /// @param signature The exiting owner's, of the spend's hash.
    function challengeStandardExit(
        StandardExit calldata exit,
        Transaction calldata spend,
        uint256 inputIndex,
        bytes calldata signature
    ) external;

    /// @notice Starts to take out what a signed transaction moves, included in a block or not.
    /// @dev Requirements:
    /// - the value is `inFlightExitBond()`;
    /// - 1 to 16 inputs, each once, and 1 to 16 outputs; no owner and no amount is zero; the sums of each token agree;
    /// - each input is shown to be an output of an included payment, or of a deposit, and is signed for by its owner;
    /// - the transaction's main exit is not between its first queue and its last; while it is live, the youngest input
    ///   as shown now is strictly older than it was there (a payment that was included twice has two ages).
    ///
    /// Notes:
    /// - nothing is paid that is not piggybacked; inputs may be exiting or finalized;
    /// - it can be paid at max(now + W, timestamp of its youngest input + 2W), a deposit's timestamp being its own;
    /// - it ages as its youngest input; a deposit ages with the block that followed it, before its transactions;
    /// - the bond is lost to a standing challenge that it is not canonical;
    /// - the main exit that was live is moved aside: it pays nothing any more, its bonds return as otherwise. Who is to
    ///   be paid piggybacks on the new one; whoever starts shows the earliest inclusions, and can not be moved aside.
    /// @param transaction The payment.
    /// @param signatures One an input, in their order, 65 bytes each.
    /// @param payments The inputs that payments made, in the inputs' order.
    /// @param deposits The inputs that deposits made, in the inputs' order.
    /// @param former Data of the transaction's main exit while it is live; empty when there is none.
    /// @return number The exit's.
    function startInFlightExit(
        Transaction calldata transaction,
        bytes[] calldata signatures,
        PaymentOutput[] calldata payments,
        DepositOutput[] calldata deposits,
        bytes calldata former
    ) external payable returns (uint40 number);

    /// @notice Asks that an input or output of an in-flight exit be paid to its owner, who calls.
    /// @dev Requirements:
    /// - the value is `piggybackBond()`; the caller owns the input or output;
    /// - less than W/2 has passed since the exit started, and it is neither processed nor closed;
    /// - no such piggyback was made before.
    ///
    /// Notes:
    /// - outputs are paid when the exit is canonical at its first processing, inputs when it is not; nothing when a
    ///   further exit of the transaction has moved it aside;
    /// - the first piggyback of a token queues the exit there, and its bond bears the bounty;
    /// - a spend of the input or output by its owner cancels it and takes the bond.
    /// @param exit As `InFlightExitStarted` told it.
    /// @param index i for input i, 16 + i for output i.
    function piggyback(ExitData calldata exit, uint256 index) external payable;

    /// @notice Makes many piggybacks, each by its owner or with its owner's authorization.
    /// @dev Requirements: those of `piggyback` for each, but that the caller owns the input or output or hands in its
    /// owner's authorization for it and block 0; the value is one bond for each.
    ///
    /// Notes: one that cannot be made undoes all.
    /// @param exit As `InFlightExitStarted` told it.
    /// @param requests At least one.
    function piggybacks(ExitData calldata exit, PiggybackRequest[] calldata requests) external payable;

    /// @notice Shows another transaction that spends an input of the exiting one: a competitor.
    /// @dev Requirements:
    /// - the value is `challengeBond()`;
    /// - less than W/2 has passed since the exit started, and it is neither processed nor closed;
    /// - the competitor spends input `inputIndex` of the exit, and that input's owner signed it;
    /// - it is strictly older than what is remembered, if something is: a competitor, or the exit's own inclusion. One
    ///   that is not included is younger than all that are.
    ///
    /// Notes:
    /// - while it stands the exit is not canonical; if it stands at the end the exit's bond goes to the caller;
    /// - the caller's bond returns with that end; it is lost to `respondCanonical`. A challenge that is replaced by an
    ///   older one gets its bond credited (`claimable`).
    /// @param exit As `InFlightExitStarted` told it.
    /// @param inputIndex Which input of the exiting transaction, from 0.
    /// @param competitor The other transaction.
    /// @param competitorInputIndex Which of its inputs that is, from 0.
    /// @param signature The input owner's, of the competitor's hash.
    /// @param proof Where the competitor is; with block number 0 when it is not included.
    function challengeNonCanonical(
        ExitData calldata exit,
        uint256 inputIndex,
        Transaction calldata competitor,
        uint256 competitorInputIndex,
        bytes calldata signature,
        InclusionProof calldata proof
    ) external payable;

    /// @notice Shows that the exiting transaction is itself included, before the competitor that stands.
    /// @dev Requirements:
    /// - a challenge stands, so the exit is neither processed nor closed;
    /// - the proof holds, and its place is strictly older than the competitor's.
    ///
    /// Notes: the challenge's bond goes to the caller; the exit is canonical again, its place remembered.
    /// @param transactionHash The exiting transaction's.
    /// @param number The exit's.
    /// @param proof Where the exiting transaction is.
    function respondCanonical(bytes32 transactionHash, uint40 number, InclusionProof calldata proof) external;

    /// @notice Cancels the piggyback of an input by showing another transaction that spends it.
    /// @dev Requirements:
    /// - the exit is neither processed nor closed, the piggyback is live;
    /// - another transaction than the exiting one spends the input, signed by its owner; it need not be included.
    ///
    /// Notes: the bond, less the bounty if it made an entry of a queue, goes to the caller.
    /// @param exit As `InFlightExitStarted` told it.
    /// @param inputIndex Which input of the exiting transaction, from 0.
    /// @param spend The other transaction.
    /// @param spendInputIndex Which of its inputs that is, from 0.
    /// @param signature The input owner's, of the spend's hash.
    function challengeInputSpent(
        ExitData calldata exit,
        uint256 inputIndex,
        Transaction calldata spend,
        uint256 spendInputIndex,
        bytes calldata signature
    ) external;

    /// @notice Cancels the piggyback of an output of an included transaction by showing a spend of it.
    /// @dev Requirements:
    /// - the exit is neither processed nor closed, the piggyback is live;
    /// - the exiting transaction is included; the spend is signed by the output's owner, and need not be included.
    ///
    /// Notes: as `challengeInputSpent`.
    /// @param exit As `InFlightExitStarted` told it.
    /// @param outputIndex Which output of the exiting transaction, from 0.
    /// @param proof Where the exiting transaction is.
    /// @param spend A transaction that spends the output.
    /// @param spendInputIndex Which of its inputs that is, from 0.
    /// @param signature The output owner's, of the spend's hash.
    function challengeOutputSpent(
        ExitData calldata exit,
        uint256 outputIndex,
        InclusionProof calldata proof,
        Transaction calldata spend,
        uint256 spendInputIndex,
        bytes calldata signature
    ) external;

    /// @notice Ends an in-flight exit that pays nobody.
    /// @dev Requirements: W has passed since it started, it was never processed, and no piggyback is live.
    ///
    /// Notes:
    /// - the bonds go as at a first processing; nothing is paid or finalized;
    /// - its entries, of piggybacks that were cancelled, can be taken out of their queues without its data.
    /// @param exit As `InFlightExitStarted` told it.
    function closeInFlightExit(ExitData calldata exit) external;

    /// @notice Pays the exits of a token that are due, in their order.
    /// @param token Whose queue; the zero address is ether's.
    /// @param exits The data of the queue's first entries, in the queue's order.
    /// @dev Requirements:
    /// - before each payment enough gas is left for it and for what follows; else all is undone.
    ///
    /// Notes:
    /// - data that does not match the first entry takes that entry out if it was cancelled, and is held against
    ///   the next; otherwise the call ends there. It ends at an entry that is not due as well. What was done
    ///   before stays done;
    /// - a payment that fails is credited to its owner (`claimable`), and the queue goes on;
    /// - what is more than `held(token)` is left out unpaid, an output finalized by another exit is not paid again;
    ///   the bond returns in both cases;
    /// - the first processing of an in-flight exit, in whatever token, fixes whether it is canonical: when no
    ///   competitor stands, no other exit finalized one of its inputs, and none moved it aside. Then all its inputs are
    ///   finalized, and in each token its live piggybacked outputs are paid; else its live piggybacked inputs, unless
    ///   it was moved aside. Bonds of piggybacks return either way;
    /// - cancelled entries behind the last data are taken out too, 16 at most;
    /// - the caller gets the bounty of each entry taken out.
    function processExits(address token, ExitData[] calldata exits) external;

    /// @notice Pays the caller what is credited to it, to any address.
    /// @dev Requirements: something is credited; `to` is neither zero nor this contract, and takes it.
    ///
    /// Notes: there is no limit of gas here.
    /// @param token What is claimed; the zero address is ether.
    /// @param to Who gets it.
    function claim(address token, address to) external;

    /// @notice Proposes who shall be operator; the zero address takes a proposal back.
    /// @dev Requirements: the caller is the operator.
    ///
    /// Notes: nothing changes before the other one accepts.
    /// @param proposed Who may accept.
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

    /// @notice What starting an in-flight exit takes along, in wei.
    function inFlightExitBond() external view returns (uint256);

    /// @notice What a piggyback takes along, in wei.
    function piggybackBond() external view returns (uint256);

    /// @notice What challenging that an in-flight exit is canonical takes along, in wei.
    function challengeBond() external view returns (uint256);

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

    /// @notice The slot of an in-flight exit, zero when there is none.
    /// @param transactionHash The exiting transaction's.
    /// @param number 0 for the transaction's main exit; for one that a further exit has moved aside, its number.
    /// @return slot From the lowest bit: 32 times two bits a piggyback (0 none, 1 cancelled, 2 live, 3 live and its
    /// bond bears the bounty of the entry), 2 bits the outcome (0 open, 1 canonical, 2 not), 1 bit whether a piggyback
    /// has another bond owner than its owner, 189 bits of keccak256(data).
    function inFlightExit(bytes32 transactionHash, uint40 number) external view returns (uint256 slot);

    /// @notice What an open in-flight exit remembers of challenges and responses.
    /// @return challenger Of the challenge that stands, zero when none does.
    /// @return position What a further challenge must be older than (block number << 23 | index + 1), zero for nothing.
    function competitor(
        bytes32 transactionHash,
        uint40 number
    ) external view returns (address challenger, uint64 position);

    /// @notice Whether the exit was cancelled or closed: only that lets an entry of a queue be skipped.
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
