import type { FileOffer, Payment, Purpose } from "../api.ts";
import { paidAmounts } from "../amounts.ts";
import { Answer, Facts, Page } from "../parts/Page.tsx";
import { BRIEF_COLUMNS } from "../parts/PaymentsTable.tsx";
import { Address, Amount, Hash, Time } from "../parts/Shown.tsx";
import { ListTable } from "../parts/Table.tsx";
import { useList, useOne } from "../queries.ts";

export function FilePage({ id }: { id: string }) {
  const asked = useOne<FileOffer>("files", `/v1/files/${encodeURIComponent(id)}`);
  return (
    <Page title="File">
      <Answer of={asked} lines={8}>
        {(file) => <FileView file={file} id={id} />}
      </Answer>
    </Page>
  );
}

const percent = (bps: number | null): string => `${((bps ?? 0) / 100).toString()} %`;

function FileView({ file, id }: { file: FileOffer; id: string }) {
  const { price, token } = file;
  return (
    <>
      <Facts
        of={[
          ["File id", <code>{file.fileId}</code>],
          ["Hash", <Hash value={file.fileHash} whole />],
          ["Name", file.name],
          ["Size", file.size === null ? null : `${file.size.toLocaleString("en")} bytes`],
          ["Kind", file.mimeType],
          ["Validator", <Address value={file.validator} />],
          ["Owner", file.owner === null ? null : <Address value={file.owner} />],
          ["Price", price === null || token === null ? "not for sale" : <Amount amount={price} token={token} />],
          [
            "Shares",
            price === null
              ? null
              : `owner ${percent(file.ownerShareBps)}, service node ${percent(file.serviceShareBps)}, the validator the rest`,
          ],
          ["Offered", file.offeredAt === null ? null : <Time at={file.offeredAt} exact />],
        ]}
      />
      <Income id={id} />
      {(["upload", "extension", "purchase"] as const).map((purpose) => (
        <Payments key={purpose} id={id} purpose={purpose} />
      ))}
    </>
  );
}

/** Of the purchases that are shown below: it says how many these are. */
function Income({ id }: { id: string }) {
  const { items, more } = useList<Payment>("payments", "/v1/transactions", { fileId: id, purpose: "purchase" });
  const sums = new Map<string, bigint>();
  for (const payment of items) {
    for (const { token, amount } of paidAmounts(payment)) sums.set(token, (sums.get(token) ?? 0n) + amount);
  }
  return (
    <>
      <h2>Income</h2>
      {items.length === 0 ? <p className="note">Nobody has bought it.</p> : null}
      {[...sums].map(([token, amount]) => (
        <p key={token}>
          <Amount amount={amount.toString()} token={token} /> of {more === null ? "" : "the newest "}
          {items.length} {items.length === 1 ? "purchase" : "purchases"}
        </p>
      ))}
    </>
  );
}

const TITLES = { upload: "Uploads", extension: "Extensions", purchase: "Purchases" };

function Payments({ id, purpose }: { id: string; purpose: Purpose & keyof typeof TITLES }) {
  const list = useList<Payment>("payments", "/v1/transactions", { fileId: id, purpose });
  if (purpose === "extension" && list.items.length === 0) return null;
  return (
    <>
      <h2>{TITLES[purpose]}</h2>
      <ListTable
        list={list}
        caption={`${TITLES[purpose]}, the newest first`}
        columns={BRIEF_COLUMNS}
        keyOf={({ hash }) => hash}
        empty="None yet."
      />
    </>
  );
}
