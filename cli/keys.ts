import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { Wallet, type HDNodeWallet } from "ethers";
import { UsageError } from "./errors.ts";

const PRIVATE = 0o600;

/** Makes a key, or takes one from standard input, and writes it encrypted. Never over a file that is there. */
export async function writeKeystore(path: string, password: string, privateKey: string | null): Promise<string> {
  let wallet: Wallet | HDNodeWallet;
  try {
    wallet = privateKey === null ? Wallet.createRandom() : new Wallet(privateKey);
  } catch {
    throw new UsageError("standard input is no private key: 0x and 64 hex digits");
  }
  const json = await wallet.encrypt(password);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await writeFile(path, `${json}\n`, { flag: "wx", mode: PRIVATE });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new UsageError(`${path} is there already: move it away, or name another with --keystore`);
  }
  return wallet.address;
}

/** The address a keystore is of; it stands there in the clear. */
export async function keystoreAddress(path: string): Promise<string> {
  const { address } = JSON.parse(await readKeystore(path)) as { address: string };
  return address.startsWith("0x") ? address : `0x${address}`;
}

export async function openKeystore(path: string, password: string): Promise<Wallet> {
  const json = await readKeystore(path);
  try {
    return new Wallet((await Wallet.fromEncryptedJson(json, password)).privateKey);
  } catch (error) {
    const reason = error instanceof Error && "shortMessage" in error ? String(error.shortMessage) : String(error);
    throw new UsageError(`${path} does not open with this password (${reason})`);
  }
}

async function readKeystore(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new UsageError(`no keystore ${path}: make one with plasma keys new, or name it with --keystore`);
  }
}

/** From the file, else typed at the terminal without being shown. */
export async function readPassword(file: string | null, twice: boolean): Promise<string> {
  if (file !== null) return (await readFile(file, "utf8")).replace(/\r?\n$/, "");
  if (!process.stdin.isTTY) throw new UsageError("no terminal to ask for the password at: use --password-file");
  const password = await ask("Password: ");
  if (twice && (await ask("Again: ")) !== password) throw new UsageError("the two passwords differ");
  return password;
}

/** A private key from standard input: on a command line others could read it. */
export async function readKey(): Promise<string> {
  if (process.stdin.isTTY) return (await ask("Private key: ")).trim();
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString().trim();
}

async function ask(question: string): Promise<string> {
  process.stderr.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  const answer = await new Promise<string>((resolve) => lines.question("", resolve));
  lines.close();
  process.stderr.write("\n");
  return answer;
}
