import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

// corpus/<decoder>/: inputs that were, or might have been, trouble. What the name begins with, `taken` or `refused`, is what
// becomes of them. A .hex file is hex digits with white space; `#` begins a remark, `5b*2000` stands for so many of them. Any
// other file is the input as it stands.

const FOLDER = join(import.meta.dirname, "corpus");

export interface Kept {
  name: string;
  taken: boolean;
  bytes: Uint8Array;
}

export function corpus(decoder: string): Kept[] {
  const folder = join(FOLDER, decoder);
  return readdirSync(folder)
    .sort()
    .map((name) => {
      if (!/^(taken|refused)-/.test(name)) throw new Error(`${folder}/${name} is neither taken-… nor refused-…`);
      const file = readFileSync(join(folder, name));
      const bytes = name.endsWith(".hex") ? readHex(file.toString()) : Uint8Array.from(file);
      return { name, taken: name.startsWith("taken-"), bytes };
    });
}

function readHex(text: string): Uint8Array {
  const words = text
    .replaceAll(/#.*$/gm, "")
    .split(/\s+/)
    .filter((each) => each !== "");
  const parts = words.map((each) => {
    const [digits = "", count = "1"] = each.split("*");
    if (!/^([0-9a-fA-F]{2})+$/.test(digits) || !/^[0-9]+$/.test(count)) throw new Error(`not hex: ${each}`);
    return Buffer.from(digits.repeat(Number(count)), "hex");
  });
  return Uint8Array.from(Buffer.concat(parts));
}
