// A real browser, and its pages with an ear for everything that goes wrong in them.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const CACHE = fileURLToPath(new URL("../../node_modules/.cache/", import.meta.url));
const UNPACK = `const { default: chromium } = await import("@sparticuz/chromium"); await chromium.executablePath();`;
/** Scripts of pages are text: the project's types know no browser. */
const TELL_VIOLATIONS = `document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
  console.error("policy: " + violatedDirective + " " + blockedURI));`;
/** Things are seen within this on two busy cores, or not at all. */
const PATIENCE_MS = 20_000;

/** What a page said that a page without faults does not say. */
export interface Watched {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors on the console, of the policy and of scripts, as they come. */
  readonly complaints: string[];
  /** Closes it, and fails if there were complaints that do not match `expected`. */
  close(expected?: RegExp): Promise<void>;
}

/** Chromium: the one of `CHROMIUM_PATH`, or npm's. */
export async function launchBrowser(): Promise<Browser> {
  const given = process.env["CHROMIUM_PATH"];
  const folder = given === undefined || given === "" ? await unpackChromium() : null;
  return await chromium.launch({
    executablePath: folder === null ? given! : join(folder, "chromium"),
    // Root has no sandbox; and no machine's graphics or fonts make one picture another.
    args: ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"],
    env: { ...process.env, ...(folder === null ? {} : { FONTCONFIG_FILE: join(folder, "fonts.conf") }) },
  });
}

/** npm's Chromium is packed. Unpacked beside and then named, so that nothing half done is ever found. */
async function unpackChromium(): Promise<string> {
  const { resolve } = createRequire(import.meta.url);
  const manifest = join(dirname(resolve("@sparticuz/chromium")), "..", "package.json");
  const { version } = createRequire(import.meta.url)(manifest) as { version: string };
  const folder = join(CACHE, `chromium-${version}`);
  if (existsSync(folder)) return folder;
  await mkdir(CACHE, { recursive: true });
  const unpacking = await mkdtemp(join(CACHE, "unpacking-"));
  // It unpacks into the folder of temporary files.
  await promisify(execFile)(process.execPath, ["--input-type=module", "-e", UNPACK], {
    cwd: dirname(fileURLToPath(import.meta.url)),
    env: { ...process.env, TMPDIR: unpacking },
  });
  await writeFile(
    join(unpacking, "fonts.conf"),
    `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>` +
      `<include ignore_missing="yes">/etc/fonts/fonts.conf</include><dir>${join(folder, "fonts")}</dir></fontconfig>`,
  );
  // Somebody else may have been faster.
  await rename(unpacking, folder).catch(async (error: unknown) => {
    await rm(unpacking, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  });
  return folder;
}

/** A page of its own, in a profile of its own. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({
    reducedMotion: "reduce",
    locale: "en-GB",
    timezoneId: "Europe/Zurich",
    ...options,
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()))
      complaints.push(`${message.text()} at ${message.location().url}`);
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.addInitScript(TELL_VIOLATIONS);
  return {
    page,
    context,
    complaints,
    close: async (expected) => {
      await context.close();
      const unexpected = complaints.filter((text) => expected?.test(text) !== true);
      expect(unexpected, "what the browser complained about").to.deep.equal([]);
    },
  };
}
