import { useState, type FormEvent } from "react";
import { Link, Route, Switch, useLocation } from "wouter";
import { useLive } from "./live.tsx";
import { AccountPage } from "./pages/Account.tsx";
import { AccountsPage } from "./pages/Accounts.tsx";
import { DepositsPage, ExitsPage } from "./pages/Chain.tsx";
import { FilePage } from "./pages/File.tsx";
import { FilesPage } from "./pages/Files.tsx";
import { HomePage } from "./pages/Home.tsx";
import { HourPage } from "./pages/Hour.tsx";
import { HoursPage } from "./pages/Hours.tsx";
import { OutputPage } from "./pages/Output.tsx";
import { PaymentPage } from "./pages/Payment.tsx";
import { PaymentsPage } from "./pages/Payments.tsx";
import { SearchPage } from "./pages/Search.tsx";
import { Announcements } from "./parts/announce.tsx";
import { Guard, Page } from "./parts/Page.tsx";
import { Address } from "./parts/Shown.tsx";
import { useStatus } from "./shared.tsx";
import { decoded } from "./router.ts";
import { applyTheme, keepTheme, keptTheme, THEMES, type Theme } from "./theme.ts";

const PAGES = [
  ["/payments", "Payments"],
  ["/hours", "Hours"],
  ["/accounts", "Accounts"],
  ["/files", "Files"],
  ["/deposits", "Deposits"],
  ["/exits", "Exits"],
] as const;

export function App() {
  const [path] = useLocation();
  return (
    <>
      <a className="skip" href="#main">
        To the content
      </a>
      <header>
        <Link href="/" className="brand" aria-current={path === "/" ? "page" : undefined}>
          Plasma Billing
        </Link>
        <LiveSwitch />
        <nav aria-label="Pages">
          {PAGES.map(([to, name]) => (
            <Link key={to} href={to} aria-current={path === to || path.startsWith(`${to}/`) ? "page" : undefined}>
              {name}
            </Link>
          ))}
        </nav>
        <SearchForm />
      </header>
      <Warnings />
      <main id="main" tabIndex={-1}>
        <Guard of={path}>
          <Switch>
            <Route path="/" component={HomePage} />
            <Route path="/payments" component={PaymentsPage} />
            <Route path="/payments/:hash">{({ hash }) => <PaymentPage key={hash} hash={hash} />}</Route>
            <Route path="/hours" component={HoursPage} />
            <Route path="/hours/:number">{({ number }) => <HourPage key={number} number={number} />}</Route>
            <Route path="/accounts" component={AccountsPage} />
            <Route path="/accounts/:address">{({ address }) => <AccountPage key={address} address={address} />}</Route>
            <Route path="/files" component={FilesPage} />
            <Route path="/files/:id">{({ id }) => <FilePage key={id} id={decoded(id)} />}</Route>
            <Route path="/outputs/:id">{({ id }) => <OutputPage key={id} id={id} />}</Route>
            <Route path="/deposits" component={DepositsPage} />
            <Route path="/exits" component={ExitsPage} />
            <Route path="/search" component={SearchPage} />
            <Route>
              <Page title="No such page">
                <p>
                  There is nothing at this address. <Link href="/">Begin at the beginning.</Link>
                </p>
              </Page>
            </Route>
          </Switch>
        </Guard>
      </main>
      <Footer />
      <Announcements />
    </>
  );
}

function SearchForm() {
  const [text, setText] = useState("");
  const [, go] = useLocation();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim() === "") return;
    go(`/search?q=${encodeURIComponent(text.trim())}`);
    setText("");
  };
  return (
    <form role="search" onSubmit={submit}>
      <input
        type="search"
        aria-label="Search by hash, address, file id or hour"
        placeholder="Hash, address, file id or hour"
        maxLength={128}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit">Search</button>
    </form>
  );
}

/** Whether what is shown follows what happens; who reads in peace stops it. */
function LiveSwitch() {
  const { connected, paused, pause } = useLive();
  const state = paused ? "paused" : connected === true ? "live" : connected === false ? "broken" : "connecting";
  return (
    <button
      type="button"
      className={`live ${state}`}
      aria-pressed={paused}
      aria-label="Pause live updates"
      title={paused ? "Nothing changes by itself: go on" : "What happens shows at once: pause it"}
      onClick={() => pause(!paused)}
    >
      <span aria-hidden="true" className="dot" /> {state}
    </button>
  );
}

/** What a reader has to know on every page: nothing comes in, or the operator is in trouble. */
function Warnings() {
  const { connected } = useLive();
  const status = useStatus();
  return (
    <div role="status" className="warnings">
      {connected === false ? (
        <p className="note waiting">
          The stream of payments is broken: what you see may be old. It is opened again by itself, and catches up.
        </p>
      ) : null}
      {status?.paused === true ? <p className="note waiting">The operator takes no payments at the moment.</p> : null}
      {status?.warnings.map((text) => (
        <p key={text} className="note waiting">
          {text}
        </p>
      ))}
    </div>
  );
}

function Footer() {
  const status = useStatus();
  const [theme, setTheme] = useState<Theme>(keptTheme);
  const choose = (next: Theme): void => {
    setTheme(next);
    keepTheme(next);
    applyTheme(next);
  };
  return (
    <footer>
      <div>
        {status === undefined ? null : (
          <p>
            Contract <code>{status.contract}</code> on chain {status.chainId}, operator{" "}
            <Address value={status.operator} whole />
          </p>
        )}
        <p>Do not believe this page: on each payment&apos;s page your own browser verifies it against Ethereum.</p>
      </div>
      <label>
        Colours{" "}
        <select value={theme} onChange={({ target }) => choose(THEMES.find((each) => each === target.value) ?? "auto")}>
          {THEMES.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
    </footer>
  );
}
