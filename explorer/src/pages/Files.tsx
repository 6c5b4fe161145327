import { Link, useSearchParams } from "wouter";
import type { FileOffer } from "../shapes.ts";
import { Page } from "../parts/Page.tsx";
import { Address, Amount, Time } from "../parts/Shown.tsx";
import { ListTable } from "../parts/Table.tsx";
import { useList } from "../queries.ts";

export function filePath(id: string): string {
  return `/files/${encodeURIComponent(id)}`;
}

export function FilesPage() {
  const [params] = useSearchParams();
  const [validator, owner] = [params.get("validator") ?? undefined, params.get("owner") ?? undefined];
  const whose = validator ?? owner;
  return (
    <Page title="Files">
      {whose === undefined ? (
        <p>What is for sale. Any other file that was uploaded is found by the search.</p>
      ) : (
        <p>
          Those {validator === undefined ? "owned" : "offered"} by <Address value={whose} />.{" "}
          <Link href="/files">All files</Link>
        </p>
      )}
      <ListTable
        list={useList<FileOffer>("files", "/v1/files", { validator, owner })}
        caption="Files for sale, the newest first"
        columns={[
          {
            name: "File",
            of: ({ fileId }) => (fileId === null ? null : <Link href={filePath(fileId)}>{fileId}</Link>),
          },
          { name: "Name", of: ({ name }) => name },
          {
            name: "Price",
            of: ({ price, token }) =>
              price === null || token === null ? null : <Amount amount={price} token={token} />,
            end: true,
          },
          { name: "Validator", of: ({ validator: of }) => <Address value={of} /> },
          { name: "Owner", of: ({ owner: of }) => (of === null ? null : <Address value={of} />) },
          { name: "Offered", of: ({ offeredAt }) => (offeredAt === null ? null : <Time at={offeredAt} />) },
        ]}
        keyOf={({ fileHash }) => fileHash}
        empty="No file is for sale."
      />
    </Page>
  );
}
