import { Link } from "wouter";
import type { FileOffer } from "../api.ts";
import { Page } from "../parts/Page.tsx";
import { Address, Amount, Time } from "../parts/Shown.tsx";
import { ListTable } from "../parts/Table.tsx";
import { useList } from "../queries.ts";

export function filePath(id: string): string {
  return `/files/${encodeURIComponent(id)}`;
}

export function FilesPage() {
  return (
    <Page title="Files">
      <ListTable
        list={useList<FileOffer>("files", "/v1/files")}
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
          { name: "Validator", of: ({ validator }) => <Address value={validator} /> },
          { name: "Owner", of: ({ owner }) => (owner === null ? null : <Address value={owner} />) },
          { name: "Offered", of: ({ offeredAt }) => (offeredAt === null ? null : <Time at={offeredAt} />) },
        ]}
        keyOf={({ fileHash }) => fileHash}
        empty="No file is for sale."
      />
    </Page>
  );
}
