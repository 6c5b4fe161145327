import type { OutputHistory } from "../api.ts";
import { Answer, Facts, Page } from "../parts/Page.tsx";
import { paymentPath } from "../parts/PaymentsTable.tsx";
import { Address, Amount, Hash, State } from "../parts/Shown.tsx";
import { useOne } from "../queries.ts";

/** An output: where it came from, and where it went. */
export function OutputPage({ id }: { id: string }) {
  const asked = useOne<OutputHistory>("outputs", `/v1/outputs/${id}`);
  return (
    <Page title="Output">
      <Answer of={asked} lines={6}>
        {({ output, created, spentBy }) => (
          <Facts
            of={[
              ["Id", <Hash value={output.id} whole />],
              ["State", <State value={output.state} />],
              ["Owner", <Address value={output.owner} whole />],
              ["Amount", <Amount amount={output.amount} token={output.token} />],
              ["Deposit", output.depositId],
              ["Made by", created === null ? null : <Hash value={created} to={paymentPath(created)} whole />],
              ["Spent by", spentBy === null ? null : <Hash value={spentBy} to={paymentPath(spentBy)} whole />],
            ]}
          />
        )}
      </Answer>
    </Page>
  );
}
