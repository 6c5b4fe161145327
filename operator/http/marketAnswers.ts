import { Type } from "typebox";
import {
  Amount,
  ChecksummedAddress,
  Count,
  exactly,
  Hash,
  Milliseconds,
  nullable,
  OutputAnswer,
  PurposeName,
  RoleName,
  Seconds,
} from "./answers.ts";

// What the marketplace's routes answer, field for field; marketShapes.ts makes it.

const Signature = Type.String({ pattern: "^0x[0-9a-f]{130}$" });
const BasisPoints = Type.Integer({ minimum: 0, maximum: 10_000, description: "Ten thousandths" });
const FileName = Type.String({ minLength: 1, maxLength: 128, description: "1 to 128 bytes of UTF-8" });
const Output = exactly({ owner: ChecksummedAddress, token: ChecksummedAddress, amount: Amount });
const Unsigned = { purpose: PurposeName, inputs: Type.Array(Hash), outputs: Type.Array(Output), fileHash: Hash };

export const RegistrationAnswer = exactly({
  account: ChecksummedAddress,
  role: RoleName,
  validator: nullable(ChecksummedAddress),
  issuedAt: Seconds,
  signature: nullable(Signature),
  registeredAt: Milliseconds,
});

/** What the offer says is null while there is none. */
export const FileAnswer = exactly({
  fileId: nullable(FileName),
  fileHash: Hash,
  validator: ChecksummedAddress,
  owner: nullable(ChecksummedAddress),
  token: nullable(ChecksummedAddress),
  price: nullable(Amount),
  ownerShareBps: nullable(BasisPoints),
  serviceShareBps: nullable(BasisPoints),
  version: nullable(Count),
  signature: nullable(Signature),
  name: nullable(Type.String()),
  size: nullable(Count),
  extension: nullable(Type.String()),
  mimeType: nullable(Type.String()),
  metadata: nullable(Type.Object({}, { description: "Free form" })),
  offeredAt: nullable(Milliseconds),
});

export const QuoteAnswer = exactly({
  fileId: FileName,
  validator: ChecksummedAddress,
  serviceNode: ChecksummedAddress,
  token: ChecksummedAddress,
  fee: Amount,
  sizeBytes: Count,
  days: Count,
  expiresAt: Seconds,
  signature: Signature,
});

export const SwapAnswer = exactly({
  hash: Hash,
  transaction: exactly({ ...Unsigned, signatures: Type.Array(nullable(Signature)) }),
  expiresAt: Seconds,
  proposedAt: Milliseconds,
});

const TypedField = exactly({ name: Type.String(), type: Type.String() });

export const PreparedAnswer = exactly(
  {
    transaction: exactly(Unsigned),
    inputs: Type.Array(OutputAnswer),
    hash: Hash,
    typedData: exactly({
      domain: exactly({
        name: Type.String(),
        version: Type.String(),
        chainId: Count,
        verifyingContract: ChecksummedAddress,
      }),
      types: exactly({
        EIP712Domain: Type.Array(TypedField),
        Transaction: Type.Array(TypedField),
        Output: Type.Array(TypedField),
      }),
      primaryType: Type.Literal("Transaction"),
      message: exactly({ ...Unsigned, purpose: Type.Integer({ minimum: 1, maximum: 5 }) }),
    }),
  },
  "To be signed, by hash or as typed data (eth_signTypedData_v4)",
);
