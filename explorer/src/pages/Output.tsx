import { Link } from "wouter";
import type { OutputHistory } from "../shapes.ts";
import { Answer, Facts, Page } from "../parts/Page.tsx";
import { paymentPath } from "../parts/PaymentsTable.tsx";
import { Address, Amount, Hash, State } from "../parts/Shown.tsx";
import { useOne } from "../queries.ts";

/** An output: where it came from, and where it went. */
export function OutputPage({ id }: { id: string }) {
  const asked = useOne<OutputHistory>("outputs", `/v1/outputs/${id}`);
  return (
    <Page title={`Output ${id.slice(0, 10)}…`}>
      <Answer of={asked} lines={7}>
        {({ output, created, spentBy }) => (
          <Facts
            of={[
              ["Id", <Hash value={output.id} whole />],
              ["State", <State value={output.state} />],
              ["Owner", <Address value={output.owner} whole />],
              ["Amount", <Amount amount={output.amount} token={output.token} />],
              ["Token", <Hash value={output.token} whole />],
              [
                "Made by",
                created === null ? (
                  <Link href="/deposits">deposit {output.depositId}</Link>
                ) : (
                  <Hash value={created} to={paymentPath(created)} whole />
                ),
              ],
              [
                "Place",
                output.blockNumber === null ? null : (
                  <>
                    output {output.outputIndex} of payment {output.transactionIndex} in{" "}
                    <Link href={`/hours/${output.blockNumber}`}>hour {output.blockNumber}</Link>
                  </>
                ),
              ],
              [
                "Exit",
                output.state === "exiting" || output.state === "withdrawn" ? (
                  <Link href={`/accounts/${output.owner}?show=exits`}>among its owner&apos;s</Link>
                ) : null,
              ],
              ["Spent by", spentBy === null ? "nobody yet" : <Hash value={spentBy} to={paymentPath(spentBy)} whole />],
            ]}
          />
        )}
      </Answer>
    </Page>
  );
}
