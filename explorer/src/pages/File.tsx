import { Link } from "wouter";
import type { FileOffer, Payment, Purpose } from "../shapes.ts";
import { earnings } from "../amounts.ts";
import { Answer, Facts, Page } from "../parts/Page.tsx";
import { BRIEF_COLUMNS } from "../parts/PaymentsTable.tsx";
import { Address, Amount, Hash, roleName, Time } from "../parts/Shown.tsx";
import { ListTable, Table } from "../parts/Table.tsx";
import { useList, useOne } from "../queries.ts";

export function FilePage({ id }: { id: string }) {
  const asked = useOne<FileOffer>("files", `/v1/files/${encodeURIComponent(id)}`);
  return (
    <Page title={`File ${id}`}>
      <Answer of={asked} lines={8}>
        {(file) => <FileView file={file} id={id} />}
      </Answer>
    </Page>
  );
}

const BPS = 100;
const percent = (bps: number | null): string => `${((bps ?? 0) / BPS).toString()} %`;

function FileView({ file, id }: { file: FileOffer; id: string }) {
  const { price, token } = file;
  return (
    <>
      <Facts
        of={[
          ["File id", <code>{file.fileId ?? id}</code>],
          ["Hash", <Hash value={file.fileHash} whole />],
          ["Name", file.name],
          ["Size", file.size === null ? null : `${file.size.toLocaleString("en")} bytes`],
          ["Kind", file.mimeType],
          ["Validator", <Address value={file.validator} whole />],
          ["Owner", file.owner === null ? null : <Address value={file.owner} whole />],
          ["Price", price === null || token === null ? "not for sale" : <Amount amount={price} token={token} />],
          [
            "Shares",
            price === null
              ? null
              : `owner ${percent(file.ownerShareBps)}, service node ${percent(file.serviceShareBps)}, the validator the rest`,
          ],
          ["Version", file.version],
          ["Offered", file.offeredAt === null ? null : <Time at={file.offeredAt} exact />],
        ]}
      />
      <Sales id={id} />
      <Payments id={id} purpose="upload" />
      <Payments id={id} purpose="extension" />
    </>
  );
}

/** Who bought it, and what that brought to whom. */
function Sales({ id }: { id: string }) {
  const list = useList<Payment>("payments", "/v1/transactions", { fileId: id, purpose: "purchase" });
  const { items, more } = list;
  const which =
    more === null
      ? items.length === 1
        ? "its purchase"
        : `its ${items.length} purchases`
      : `the ${items.length} purchases below`;
  return (
    <>
      {items.length === 0 ? null : (
        <>
          <h2>Income</h2>
          <p>
            From {which}
            {more === null ? "." : ": show more there to count more."}
          </p>
          <Table
            caption="What purchases brought to whom"
            items={earnings(items)}
            keyOf={({ address, token }) => address + token}
            columns={[
              { name: "Earner", of: ({ address }) => <Address value={address} /> },
              { name: "Role", of: ({ role }) => roleName(role) },
              {
                name: "Income",
                of: ({ amount, token }) => <Amount amount={amount.toString()} token={token} />,
                end: true,
              },
            ]}
          />
        </>
      )}
      <h2>Purchases</h2>
      <ListTable
        list={list}
        caption="Purchases, the newest first"
        columns={BRIEF_COLUMNS}
        keyOf={({ hash }) => hash}
        empty="Nobody has bought it."
      />
      <p>
        <Link href={`/payments?fileId=${encodeURIComponent(id)}`}>All payments that name it</Link>
      </p>
    </>
  );
}

const TITLES = { upload: "Uploads", extension: "Extensions" };

function Payments({ id, purpose }: { id: string; purpose: Purpose & keyof typeof TITLES }) {
  const list = useList<Payment>("payments", "/v1/transactions", { fileId: id, purpose });
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
