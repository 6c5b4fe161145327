// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// A block of the child chain as the operator committed it. `timestamp` is the committing Ethereum block's.
struct BlockHeader {
    uint64 number;
    bytes32 transactionsRoot;
    uint32 transactionCount;
    uint64 timestamp;
}

/// One output of a transaction; ether is the zero address as token.
struct Output {
    address owner;
    address token;
    uint256 amount;
}

/// A payment on the child chain; its EIP-712 digest is its hash, what its payers sign, and its Merkle leaf.
struct Transaction {
    uint8 purpose;
    bytes32[] inputs;
    Output[] outputs;
    bytes32 fileHash;
}

/// A deposit; its EIP-712 digest takes the place of a transaction hash, and its only output has index 0.
struct Deposit {
    uint64 id;
    address owner;
    address token;
    uint256 amount;
}

/// That a transaction is leaf `index` of the block `header`.
struct InclusionProof {
    BlockHeader header;
    uint32 index;
    bytes32[] siblings;
}

/// What a standard exit is about: handed in again by whoever challenges or processes it, checked against its slot.
struct StandardExit {
    uint40 number;
    address owner;
    address token;
    uint256 amount;
    address bondOwner;
    /// What the output's slot held before the exit: a deposit's record, or zero for a transaction's output.
    uint216 depositRecord;
}

/// One entry of a queue as handed to `processExits`: `id` is the output id of a standard exit (the key of an in-flight
/// exit's slot), `data` the ABI encoding of its `StandardExit`.
struct ExitData {
    bytes32 id;
    bytes data;
}

/// What starting an exit costs beyond gas, in wei. The bounty is paid out of the bond to whoever takes the entry out.
struct Bonds {
    uint256 standardExit;
    uint256 bounty;
}

interface IRootChain {
    error RootChain_ZeroAddress();
    error RootChain_ZeroAmount();
    error RootChain_ZeroRoot();
    error RootChain_NotOperator(address caller);
    error RootChain_NotProposedOperator(address caller);
    error RootChain_WrongBlockNumber(uint64 number, uint64 next);
    error RootChain_TooManyBlocks(uint64 number);
    error RootChain_WrongTransactionCount(uint32 transactionCount);
    error RootChain_WrongExitPeriod(uint64 exitPeriod);
    error RootChain_BountyAboveBond(uint256 bounty, uint256 bond);
    error RootChain_WrongAmountArrived(address token, uint256 arrived, uint256 amount);
    error RootChain_UnknownBlock(uint64 number, bytes32 transactionsRoot);
    error RootChain_NotIncluded(bytes32 transactionHash, uint64 blockNumber, uint32 index);
    error RootChain_UnknownDeposit(uint64 id);
    error RootChain_NotOwner(address caller, address owner);
    error RootChain_WrongBond(uint256 sent, uint256 bond);
    error RootChain_AlreadyFinalized(bytes32 outputId, uint40 exitNumber);
    error RootChain_AlreadyExiting(bytes32 outputId);
    error RootChain_NoSuchExit(uint40 exitNumber, bytes32 outputId);
    error RootChain_WrongSigner(address signer, address owner);
    error RootChain_NothingToClaim(address token, address owner);
    error RootChain_TooLittleGas(uint256 left, uint256 required);

    event BlockCommitted(uint64 indexed number, bytes32 transactionsRoot, uint32 transactionCount, uint64 timestamp);
    event Deposited(
        uint64 indexed id,
        address indexed owner,
        address indexed token,
        uint256 amount,
        uint64 nextBlockNumber,
        uint64 timestamp
    );
    /// `priority` is the queue key: 34 bits time it can be paid at, 30 block number, 23 index + 1, 1 kind, 40 number.
    /// It is a deposit's exit exactly when `depositRecord` is not zero.
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
    event ExitChallenged(
        uint40 indexed number,
        bytes32 indexed outputId,
        address indexed challenger,
        bytes32 spendingTransactionHash
    );
    /// The entry was taken out of its queue; `paid` is false when another exit had finalized the output before.
    event ExitFinalized(uint40 indexed number, bytes32 indexed outputId, bool paid);
    event ExitUnpayable(uint40 indexed number, bytes32 indexed outputId, uint256 amount, uint256 held);
    event OutputFinalized(bytes32 indexed outputId, uint40 indexed number);
    event PayoutDeferred(address indexed token, address indexed owner, uint256 amount);
    event Claimed(address indexed token, address indexed owner, address indexed to, uint256 amount);
    event OperatorProposed(address indexed operator, address indexed proposed);
    event OperatorChanged(address indexed previous, address indexed operator);

    function commitBlock(uint64 number, bytes32 transactionsRoot, uint32 transactionCount) external;

    function deposit(address token, uint256 amount, address owner) external returns (uint64 id);
    function depositWithPermit(
        address token,
        uint256 amount,
        address owner,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (uint64 id);
    function depositEther(address owner) external payable returns (uint64 id);

    function startStandardExit(
        Transaction calldata transaction,
        InclusionProof calldata proof,
        uint256 outputIndex
    ) external payable returns (uint40 number);
    function startDepositExit(Deposit calldata deposit_) external payable returns (uint40 number);
    /// `spend` is any signed transaction that has the output as input `inputIndex`; it need not be included anywhere.
    function challengeStandardExit(
        StandardExit calldata exit,
        Transaction calldata spend,
        uint256 inputIndex,
        bytes calldata signature
    ) external;
    function processExits(address token, ExitData[] calldata exits) external;
    function claim(address token, address to) external;

    function proposeOperator(address proposed) external;
    function acceptOperator() external;

    function operator() external view returns (address);
    function proposedOperator() external view returns (address);
    function exitPeriod() external view returns (uint64);
    function standardExitBond() external view returns (uint256);
    function bounty() external view returns (uint256);
    function nextBlockNumber() external view returns (uint64);
    function blockHashes(uint64 number) external view returns (bytes32);
    /// Deposits are numbered from 1; this is the number the next one gets.
    function nextDepositId() external view returns (uint64);
    /// Exits are numbered from 1; this is the number the next one gets.
    function nextExitNumber() external view returns (uint40);
    function finalizedBy(bytes32 outputId) external view returns (uint40);
    /// Zero, a deposit's record (nextBlockNumber << 64 | timestamp, below 2^94), or a live exit's commitment.
    function outputRecord(bytes32 outputId) external view returns (uint216);
    function isCancelled(uint40 exitNumber) external view returns (bool);
    function queueLength(address token) external view returns (uint256);
    /// Key of the queue's first entry, zero when it is empty.
    function firstExit(address token) external view returns (uint128 priority);
    function held(address token) external view returns (uint256);
    function claimable(address token, address owner) external view returns (uint256);
}
