import { useEffect, useMemo, useState, type FormEvent } from "react";
import { isHexOfLength } from "@plasma-billing/protocol/hex.ts";
import type { Address, Domain } from "@plasma-billing/protocol/typedData.ts";
import { ApiError, get } from "../api.ts";
import type { OutputHistory, Payment, Proof, Status } from "../shapes.ts";
import { nodeCall, walletCall, type Call, type WalletProvider } from "../verify/ethereum.ts";
import { recall, remember, type Remembered } from "../verify/remembered.ts";
import {
  STEPS,
  unstarted,
  verdictOf,
  verify,
  type Step,
  type StepName,
  type Steps,
  type Verdict,
} from "../verify/verify.ts";

interface Props {
  /** From the page's address. */
  asked: string;
  /** As it is shown. */
  payment: Payment;
  status: Status;
}

/** The reader's own check of a payment, step by step. */
export default function Verification({ asked, payment, status }: Props) {
  const [kept, keep] = useState<Remembered>(recall);
  const [again, setAgain] = useState(0);
  const named = { contract: status.contract, chainId: status.chainId };
  const { contract, chainId } = kept.confirmed ?? named;
  const choose = (next: Remembered): void => {
    remember(next);
    keep(next);
    setAgain((count) => count + 1);
  };
  const steps = useVerification(asked, payment, contract, chainId, kept, again);
  return (
    <section className="verification" aria-label="Verification">
      <h2>Verified by your browser</h2>
      <Changed kept={kept} named={named} choose={choose} />
      <VerdictNote verdict={verdictOf(steps)} confirmed={kept.confirmed !== null} />
      <ol className="steps">
        {(Object.keys(STEPS) as StepName[]).map((name) => (
          <StepView key={name} name={name} step={steps[name]} />
        ))}
      </ol>
      <Source key={JSON.stringify(kept)} kept={kept} named={named} choose={choose} />
      <p className="muted">
        Not part of it, since no signature and no hash covers them: the time a payment was accepted, roles, the names
        and decimals of tokens, and where inputs came from. That this page computes what it says, you believe whoever
        serves it.
      </p>
    </section>
  );
}

/** What is verified of a payment: states of outputs change while the reader looks. */
function lasting({ inputs, outputs, state: _, ...rest }: Payment): string {
  const still = (all: Payment["inputs"]): object[] => all.map(({ state: __, ...output }) => output);
  return JSON.stringify({ ...rest, inputs: still(inputs), outputs: still(outputs) });
}

function useVerification(
  asked: string,
  payment: Payment,
  contract: string,
  chainId: number,
  kept: Remembered,
  again: number,
): Steps {
  const [steps, setSteps] = useState<Steps>(unstarted);
  const content = lasting(payment);
  const { rpcUrl, wallet } = kept;
  const shown = useMemo(() => payment, [content]);
  useEffect(() => {
    const ending = new AbortController();
    const domain: Domain = { chainId: BigInt(chainId), verifyingContract: contract.toLowerCase() as Address };
    setSteps(unstarted());
    const of = { asked, payment: shown, domain, operator, ethereum: callOf(rpcUrl, wallet, ending.signal) };
    void verify(of, (name, step) => {
      if (!ending.signal.aborted) setSteps((old) => ({ ...old, [name]: step }));
    });
    return () => ending.abort();
  }, [asked, shown, contract, chainId, rpcUrl, wallet, again]);
  return steps;
}

function walletOf(): WalletProvider | null {
  return (window as { ethereum?: WalletProvider }).ethereum ?? null;
}

function callOf(rpcUrl: string, wallet: boolean, signal: AbortSignal): Call | null {
  const provider = walletOf();
  if (wallet && provider !== null) return walletCall(provider);
  return rpcUrl === "" ? null : nodeCall(rpcUrl, signal);
}

const operator = {
  creator: async (outputId: string): Promise<Payment> => {
    const { created } = await get<OutputHistory>(`/v1/outputs/${outputId}`);
    return await get<Payment>(`/v1/transactions/${created}`);
  },
  proof: async (hash: string): Promise<Proof | null> => {
    try {
      return await get<Proof>(`/v1/transactions/${hash}/proof`);
    } catch (error) {
      if (error instanceof ApiError && error.code === "NOT_COMMITTED") return null;
      throw error;
    }
  },
};

interface Choice {
  kept: Remembered;
  /** By the operator. */
  named: { contract: string; chainId: number };
  choose: (next: Remembered) => void;
}

/** Who confirmed a contract must hear of it when the operator names another. */
function Changed({ kept, named, choose }: Choice) {
  const { confirmed } = kept;
  if (confirmed === null) return null;
  const same = confirmed.contract.toLowerCase() === named.contract.toLowerCase() && confirmed.chainId === named.chainId;
  if (same) return null;
  return (
    <div className="note bad" role="alert">
      <p>
        <strong>The operator names another contract than the one you confirmed.</strong> Yours is{" "}
        <code>{confirmed.contract}</code> on chain {confirmed.chainId}, its is <code>{named.contract}</code> on chain{" "}
        {named.chainId}. It is compared with yours. If the operator did not tell you of a new contract, do not trust
        what it shows.
      </p>
      <button type="button" onClick={() => choose({ ...kept, confirmed: null })}>
        Forget what I confirmed
      </button>
    </div>
  );
}

const VERDICTS: Record<Verdict, { tone: string; title: string; text: string }> = {
  running: { tone: "waiting", title: "Checking …", text: "" },
  failed: {
    tone: "bad",
    title: "This payment is not proved.",
    text: "A step failed: what is shown here is not what Ethereum holds, or something needed for the proof is missing.",
  },
  waiting: {
    tone: "waiting",
    title: "Not proved yet.",
    text: "Nothing is wrong so far, but some steps cannot be done yet.",
  },
  landed: {
    tone: "good",
    title: "Ethereum holds this payment.",
    text: "Your browser computed it, and the contract agrees as of Ethereum's newest block. It is not final yet.",
  },
  final: {
    tone: "good",
    title: "Ethereum holds this payment for good.",
    text: "Your browser computed it, and the contract agrees as of a finalized block.",
  },
};

function VerdictNote({ verdict, confirmed }: { verdict: Verdict; confirmed: boolean }) {
  const { tone, title, text } = VERDICTS[verdict];
  if (tone === "good" && !confirmed) {
    return (
      <div className="note waiting" role="status" data-verdict="unconfirmed">
        <p>
          <strong>All steps agree with the contract that the operator named.</strong> Whether it is the right one, the
          operator cannot prove: compare its address below with one from a source you trust, and confirm it.
        </p>
      </div>
    );
  }
  return (
    <div className={`note ${tone}`} role="status" data-verdict={verdict}>
      <p>
        <strong>{title}</strong> {text}
      </p>
    </div>
  );
}

const STATES: Record<Step["state"], { sign: string; name: string; tone: string }> = {
  running: { sign: "…", name: "running", tone: "waiting" },
  ok: { sign: "✓", name: "holds", tone: "good" },
  failed: { sign: "✗", name: "failed", tone: "bad" },
  waiting: { sign: "○", name: "not yet", tone: "waiting" },
  impossible: { sign: "–", name: "not possible", tone: "waiting" },
};

function StepView({ name, step }: { name: StepName; step: Step }) {
  const { sign, name: state, tone } = STATES[step.state];
  return (
    <li data-step={name} data-state={step.state}>
      <span className={`state ${tone}`}>
        <span aria-hidden="true">{sign}</span> {state}
      </span>
      <div>
        {STEPS[name]}
        {step.why === null ? null : <p className={tone}>{step.why}</p>}
        {step.facts.length === 0 ? null : (
          <dl>
            {step.facts.map(([fact, value]) => (
              <div key={`${fact} ${value}`}>
                <dt>{fact}</dt>
                <dd>
                  <code>{value}</code>
                </dd>
              </div>
            ))}
          </dl>
        )}
      </div>
    </li>
  );
}

const DEVNET_CHAIN = 31_337;

/** Through what Ethereum is asked, and which contract. */
function Source({ kept, named, choose }: Choice) {
  const first = kept.confirmed ?? named;
  const [rpcUrl, setRpcUrl] = useState(kept.rpcUrl);
  const [wallet, setWallet] = useState(kept.wallet && walletOf() !== null);
  const [contract, setContract] = useState(first.contract);
  const [chainId, setChainId] = useState(String(first.chainId));
  const [sure, setSure] = useState(kept.confirmed !== null);
  const [wrong, setWrong] = useState<string | null>(null);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const fault = faultOf(rpcUrl.trim(), contract.trim(), chainId.trim());
    setWrong(fault);
    if (fault !== null) return;
    const confirmed = sure ? { contract: contract.trim(), chainId: Number(chainId) } : null;
    choose({ rpcUrl: rpcUrl.trim(), wallet, confirmed });
  };
  return (
    <form className="source" onSubmit={submit} noValidate aria-label="Ethereum, as you see it">
      <h3>Compared with</h3>
      {walletOf() === null ? null : (
        <label className="check">
          <input type="checkbox" checked={wallet} onChange={({ target }) => setWallet(target.checked)} /> Ask through
          the wallet of this browser
        </label>
      )}
      <label>
        Ethereum node (its URL, one that you trust)
        <input
          type="url"
          name="rpcUrl"
          value={rpcUrl}
          disabled={wallet}
          placeholder={named.chainId === DEVNET_CHAIN ? "http://127.0.0.1:8545" : "https://…"}
          onChange={({ target }) => setRpcUrl(target.value)}
        />
      </label>
      <label>
        Contract
        <input
          name="contract"
          value={contract}
          spellCheck={false}
          onChange={({ target }) => setContract(target.value)}
        />
      </label>
      <label>
        Chain id
        <input name="chainId" inputMode="numeric" value={chainId} onChange={({ target }) => setChainId(target.value)} />
      </label>
      <label className="check">
        <input type="checkbox" name="sure" checked={sure} onChange={({ target }) => setSure(target.checked)} /> I have
        contract and chain from a source that is not this operator
      </label>
      {wrong === null ? null : (
        <p className="bad" role="alert">
          {wrong}
        </p>
      )}
      <button type="submit" className="main">
        Compare
      </button>
      <p className="muted">It is remembered in this browser. The node learns which hour you look at.</p>
    </form>
  );
}

function faultOf(rpcUrl: string, contract: string, chainId: string): string | null {
  if (rpcUrl !== "" && !/^https?:\/\//.test(rpcUrl)) return "The node's URL begins with https:// or http://.";
  if (rpcUrl !== "" && !URL.canParse(rpcUrl)) return "The node's URL is none.";
  if (!isHexOfLength(contract, 20)) return "A contract's address is 0x and 40 hex digits.";
  if (!/^[1-9][0-9]{0,14}$/.test(chainId)) return "A chain id is a whole number.";
  return null;
}
