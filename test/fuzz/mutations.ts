import fc from "fast-check";

// Ways to make right bytes wrong. None knows the format: where it matters, the decoder's `mend` makes checksums fit again.

/** What decoders trip over, put in wherever it falls. */
const TOKENS: readonly Uint8Array[] = [
  ...['"__proto__"', '"constructor"', '"toString"', '{"toString":1,"valueOf":1}', '"__proto__":{"a":1},'],
  ...["1e400", "-1e400", "-0", "1E2", "9007199254740993", "-1", "0x10", "NaN", "null", "true", "[]", "{}", '""'],
  ...[
    `"${2n ** 256n}"`,
    `"${2n ** 256n - 1n}"`,
    `"${"9".repeat(78)}"`,
    '"01"',
    '"1n"',
    '"-1n"',
    `"${"9".repeat(400)}n"`,
  ],
  ...['"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', "\ufeff", "\u0130\u0131", '"\u0661"', "\u2028", " \t\r\n", '\\"'],
  ...["[".repeat(40), "]".repeat(40), '{"a":'.repeat(40), "[".repeat(20_000), '"', "\\", ",", ":"],
  ...[`"0x${"AB".repeat(32)}"`, `"0X${"ab".repeat(32)}"`, `"0x${"ab".repeat(20)}"`, '"type":"exit",', '"version":2,'],
]
  .map((text) => Uint8Array.from(Buffer.from(text)))
  .concat(
    [[0], [255], [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0x80, 0, 0, 0], [0, 0, 0, 0x80], [0xed, 0xa0, 0x80]].map(
      (bytes) => Uint8Array.from(bytes),
    ),
    [new Uint8Array(8).fill(255), new Uint8Array(512), new Uint8Array(65).fill(255)],
  );

type Kind = "flip" | "set" | "cut" | "end" | "insert" | "duplicate" | "move" | "token" | "value" | "word";
const KINDS: readonly Kind[] = [
  ...(["flip", "set", "cut", "end", "insert", "duplicate", "move", "token", "value", "word"] as const),
];
/** Numbers that length fields are tried with. */
const WORDS = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

export interface Mutation {
  kind: Kind;
  at: number;
  length: number;
  value: number;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom(...KINDS),
  // Heads of formats are where it hurts.
  at: fc.oneof(fc.nat(64), fc.nat(0xffff)),
  length: fc.oneof(fc.nat(8), fc.nat(200)),
  value: fc.nat(0xffff),
});
export const mutations = fc.array(mutation, { minLength: 1, maxLength: 5 });

export function mutated(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.tuple(bytes, mutations, bytes).map(([whole, list, other]) => mutate(whole, list, other));
}

/** @param other - where bytes to be put in are taken from */
export function mutate(bytes: Uint8Array, list: readonly Mutation[], other: Uint8Array = bytes): Uint8Array {
  return list.reduce<Uint8Array>((result, each) => apply(result, each, other), bytes.slice());
}

function apply(bytes: Uint8Array, { kind, at: place, length, value }: Mutation, other: Uint8Array): Uint8Array {
  const at = bytes.length === 0 ? 0 : place % bytes.length;
  const token = TOKENS[value % TOKENS.length] as Uint8Array;
  switch (kind) {
    case "flip":
      return set(bytes, at, Uint8Array.of((bytes[at] ?? 0) ^ (1 << (value & 7))));
    case "set":
      return set(bytes, at, new Uint8Array(length).fill(value));
    case "cut":
      return splice(bytes, at, length);
    case "end":
      return bytes.slice(0, at);
    case "insert":
      return splice(bytes, at, 0, new Uint8Array(length).fill(value));
    case "duplicate":
      return splice(bytes, at, 0, bytes.slice(at, at + length));
    case "move":
      return splice(bytes, at, length, other.slice(value % (other.length + 1)).slice(0, 1 + length));
    case "token":
      return splice(bytes, at, value % 2 === 0 ? 0 : length, token);
    case "value":
      return replaceValue(bytes, place, token);
    case "word":
      return set(
        bytes,
        at,
        word(WORDS[value % WORDS.length] as number, [1, 2, 4, 8][length % 4] as number, value > 999),
      );
  }
}

/** In the place of one of the strings, numbers and words of a JSON text. */
function replaceValue(bytes: Uint8Array, number: number, token: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString("latin1");
  const values = [...text.matchAll(/"(?:[^"\\]|\\.)*"|-?[0-9][0-9.e+-]*|true|false|null/g)];
  if (values.length === 0) return bytes;
  const { index, 0: value } = values[number % values.length] as RegExpExecArray;
  return splice(bytes, index, value.length, token);
}

function word(value: number, length: number, bigEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < Math.min(4, length); i++) bytes[i] = (value >>> (8 * i)) & 0xff;
  return bigEndian ? bytes.reverse() : bytes;
}

function set(bytes: Uint8Array, at: number, part: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy.set(part.subarray(0, Math.max(0, copy.length - at)), at);
  return copy;
}

export function splice(bytes: Uint8Array, at: number, cut: number, part: Uint8Array = new Uint8Array()): Uint8Array {
  return Uint8Array.from(Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at + cut)]));
}
