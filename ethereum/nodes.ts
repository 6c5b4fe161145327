import { quantity, readHeader, type Header } from "./answers.ts";
import { EthereumError } from "./errors.ts";
import { httpTransport, type Transport } from "./transport.ts";

/** Blocks a node may be behind the others before it is left out. */
const LAG_MAX = 5;
/** How far back nodes at different forks of the tip are followed to a block that they share. */
const FORK_DEPTH_MAX = 32;

/** One of the configured nodes, as last seen. */
export interface NodeHealth {
  /** Without what may be secret in the URL. */
  host: string;
  head: number | null;
  /** Why it is not asked at the moment; null when it is. */
  problem: string | null;
}

interface Node extends NodeHealth {
  url: string;
  finalized: number;
  latest: Header | null;
  /** Whether it is known to be on the right chain. */
  checked: boolean;
  onOtherChain: boolean;
  probe: Promise<void> | null;
}

/** Where all nodes that are asked agree to be. */
export interface View {
  head: Header;
  /** Height of the finalized block, 0 before there is one. */
  finalized: number;
}

/** A node's refusal of what was sent to it. */
export interface NodeRefusal {
  host: string;
  reason: string;
}

/**
 * Several nodes read as one. An answer counts when more than half of the nodes that answer give it, and at least half of
 * those configured; who is behind, on another chain, silent or of another opinion is left out until it has recovered.
 */
export class Nodes {
  private readonly nodes: readonly Node[];
  private readonly transport: Transport;
  private chainId: bigint | null = null;

  constructor(urls: readonly string[], transport: Transport = httpTransport) {
    this.transport = transport;
    this.nodes = urls.map((url) => ({
      ...{ url, host: new URL(url).host, head: null, finalized: 0, latest: null, problem: null },
      ...{ checked: false, onOtherChain: false, probe: null },
    }));
  }

  get health(): NodeHealth[] {
    return this.nodes.map(({ host, head, problem }) => ({ host, head, problem }));
  }

  /** From now on nodes of another chain are left out. */
  expectChain(chainId: bigint): void {
    this.chainId = chainId;
  }

  /** Asks every node for its chain; those that do not answer are left out. */
  async chainIds(): Promise<Map<string, bigint>> {
    const answers = await Promise.all(
      this.nodes.map(async ({ url, host }) => {
        try {
          return [host, quantity(await this.transport(url, "eth_chainId", []))] as const;
        } catch (error) {
          fromNode(error);
          return null;
        }
      }),
    );
    const ids = new Map(answers.filter((answer) => answer !== null));
    if (ids.size === 0) await this.any("eth_chainId", []);
    return ids;
  }

  /**
   * Looks where the nodes are: the highest block that all of those that keep up share.
   * @throws EthereumError UNREACHABLE, NODES_DISAGREE
   */
  async look(): Promise<View> {
    const waiting = this.nodes.filter((node) => node.problem !== null);
    const probes = waiting.map(async (node) => await (node.probe ??= this.probe(node)));
    await Promise.all(this.asked.map(async (node) => await this.observe(node)));
    // Nobody is waited for who did not answer before, unless nobody else is there.
    if (this.asked.length < this.least) await Promise.all(probes);
    this.leaveOutLaggards();
    this.needEnough();
    const finals = this.asked.map(({ finalized }) => finalized).sort((a, b) => b - a);
    // More than half say that at least this is final.
    const finalized = finals[Math.floor(finals.length / 2)] as number;
    return { head: await this.sharedHead(), finalized };
  }

  /**
   * Asks every node that is not left out.
   * @param read throws when it is no answer; what it gives is compared
   * @throws EthereumError NODES_DISAGREE, or the last failure when too few answered
   */
  async agreed<T>(method: string, params: readonly unknown[], read: (result: unknown) => T): Promise<T> {
    // Too few are up to date: who is left of the right chain has to do.
    const asked = this.asked.length >= this.least ? this.asked : this.nodes.filter(({ onOtherChain }) => !onOtherChain);
    const byText = new Map<string, { value: T; nodes: Node[] }>();
    let failure: EthereumError | null = null;
    let answers = 0;
    await Promise.all(
      asked.map(async (node) => {
        try {
          const value = read(await this.transport(node.url, method, params));
          const text = JSON.stringify(value, plain) ?? "";
          const same = byText.get(text) ?? { value, nodes: [] };
          byText.set(text, same);
          same.nodes.push(node);
          answers++;
        } catch (error) {
          failure = fromNode(error);
          if (isSilence(error)) leaveOut(node, error.message);
        }
      }),
    );
    if (answers < this.least) throw failure ?? this.tooFew();
    const [most] = [...byText.values()].sort((a, b) => b.nodes.length - a.nodes.length);
    if (most === undefined || 2 * most.nodes.length <= answers || most.nodes.length < this.least) {
      const opinions = [...byText].map(([text, { nodes }]) => ({
        hosts: nodes.map(({ host }) => host),
        answer: text.slice(0, 200),
      }));
      throw new EthereumError("NODES_DISAGREE", `the nodes disagree on ${method}`, { method, opinions });
    }
    for (const { nodes } of byText.values()) {
      if (nodes === most.nodes) continue;
      for (const node of nodes) leaveOut(node, `answers ${method} otherwise than the others`);
    }
    return most.value;
  }

  /** Asks one node after the other, those that are left out last. A refusal that is an answer ends it. */
  async any(method: string, params: readonly unknown[]): Promise<unknown> {
    let failure: EthereumError | null = null;
    const rightChain = this.nodes.filter(({ onOtherChain }) => !onOtherChain);
    for (const node of rightChain.toSorted((a, b) => Number(a.problem !== null) - Number(b.problem !== null))) {
      try {
        return await this.transport(node.url, method, params);
      } catch (error) {
        failure = fromNode(error);
        if (isAnswer(error)) throw error;
      }
    }
    throw failure ?? this.tooFew();
  }

  /** The answers of those that are asked, in no order. */
  async each<T>(method: string, params: readonly unknown[], read: (result: unknown) => T): Promise<T[]> {
    const values: T[] = [];
    await Promise.all(
      this.asked.map(async ({ url }) => {
        try {
          values.push(read(await this.transport(url, method, params)));
        } catch (error) {
          fromNode(error);
        }
      }),
    );
    return values;
  }

  /** Sends to all but those known to be on another chain. What they refuse proves nothing. */
  async toAll(method: string, params: readonly unknown[]): Promise<{ taken: number; refusals: NodeRefusal[] }> {
    const refusals: NodeRefusal[] = [];
    let taken = 0;
    await Promise.all(
      this.nodes.map(async ({ url, host, onOtherChain }) => {
        if (onOtherChain) return;
        try {
          await this.transport(url, method, params);
          taken++;
        } catch (error) {
          refusals.push({ host, reason: fromNode(error).message });
        }
      }),
    );
    return { taken, refusals };
  }

  private get asked(): Node[] {
    return this.nodes.filter(({ problem }) => problem === null);
  }

  /** So many must give the same answer. */
  private get least(): number {
    return Math.ceil(this.nodes.length / 2);
  }

  private async probe(node: Node): Promise<void> {
    node.problem = (await this.observe(node)) ?? null;
    node.probe = null;
  }

  /** Has the node say where it is. Gives what is wrong with it. */
  private async observe(node: Node): Promise<string | null> {
    try {
      const [head, finalized] = await Promise.all([
        this.transport(node.url, "eth_getBlockByNumber", ["latest", false]),
        this.transport(node.url, "eth_getBlockByNumber", ["finalized", false]).catch(noFinalized),
        this.checkChain(node),
      ]);
      node.latest = readHeader(head);
      node.head = node.latest.number;
      node.finalized = finalized === null ? 0 : readHeader(finalized).number;
      return null;
    } catch (error) {
      const { message } = fromNode(error);
      leaveOut(node, message);
      return message;
    }
  }

  private async checkChain(node: Node): Promise<void> {
    if (node.checked || this.chainId === null) return;
    const id = quantity(await this.transport(node.url, "eth_chainId", []));
    node.onOtherChain = id !== this.chainId;
    if (node.onOtherChain) {
      const { host } = node;
      throw new EthereumError("WRONG_CHAIN", `${host} is on chain ${id}, not ${this.chainId}`, { host, id });
    }
    node.checked = true;
  }

  private leaveOutLaggards(): void {
    const heads = this.asked.map(({ head }) => head as number).sort((a, b) => b - a);
    // One node that claims to be far ahead does not push the others out, where there are three.
    const reference = heads[Math.ceil(heads.length / 2) - 1] ?? 0;
    for (const node of this.asked) {
      const head = node.head as number;
      if (head < reference - LAG_MAX) leaveOut(node, `${node.host} is at block ${head}, others at ${reference}`);
    }
  }

  private async sharedHead(): Promise<Header> {
    const lowest = Math.min(...this.asked.map(({ head }) => head as number));
    for (let number = lowest; number >= Math.max(0, lowest - FORK_DEPTH_MAX); number--) {
      const here = this.asked.find(({ head }) => head === number);
      if (this.asked.length === 1 && here?.latest != null) return here.latest;
      try {
        return await this.agreed("eth_getBlockByNumber", [`0x${number.toString(16)}`, false], readHeader);
      } catch (error) {
        if (!(error instanceof EthereumError) || error.code !== "NODES_DISAGREE") throw error;
      }
    }
    throw new EthereumError("NODES_DISAGREE", `the nodes share no block from ${lowest} back`, { lowest });
  }

  private needEnough(): void {
    if (this.asked.length < this.least) throw this.tooFew();
  }

  private tooFew(): EthereumError {
    const problems = this.nodes.flatMap(({ problem }) => problem ?? []);
    const message = `${this.asked.length} of ${this.nodes.length} nodes can be asked, ${this.least} are needed`;
    return new EthereumError("UNREACHABLE", [message, ...problems].join("; "));
  }
}

/** A refusal that any node would give: the transaction or call itself fails. */
function isAnswer(error: unknown): boolean {
  if (!(error instanceof EthereumError) || error.code !== "RPC_ERROR") return false;
  return error.context["code"] === 3 || /revert|insufficient funds|gas required exceeds/i.test(error.message);
}

function isSilence(error: unknown): error is EthereumError {
  return error instanceof EthereumError && (error.code === "UNREACHABLE" || error.code === "BAD_ANSWER");
}

function fromNode(error: unknown): EthereumError {
  if (error instanceof EthereumError) return error;
  throw error;
}

/** Some nodes know no finalized block before the first, and say so as an error. */
function noFinalized(error: unknown): null {
  if (fromNode(error).code !== "RPC_ERROR") throw error;
  return null;
}

/** Until it has shown again where it is, and on which chain. */
function leaveOut(node: Node, problem: string): void {
  node.problem = problem;
  node.checked = false;
}

function plain(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
