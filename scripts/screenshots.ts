// `npm run screenshots [-- <folder>]`: every page of the explorer, light, dark and as on a phone, with a market on it, into a folder
// (./screenshots unless another is named); those that README.md shows into docs/images/.
import { mkdir, rm, stat } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { eventually } from "../test/helpers/operatorProcess.ts";
import { ExplorerStage } from "../test/helpers/explorerStage.ts";
import { pagesOf } from "../test/helpers/explorerPages.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const IMAGES = join(ROOT, "docs/images");
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 375, height: 812 };
const LOOKS = {
  light: { colorScheme: "light", viewport: WIDE },
  dark: { colorScheme: "dark", viewport: WIDE },
  phone: { colorScheme: "light", viewport: PHONE, deviceScaleFactor: 2 },
  "phone-dark": { colorScheme: "dark", viewport: PHONE, deviceScaleFactor: 2 },
} as const;
const WAIT_MS = 30_000;
/** Pictures of README.md are no larger. */
const IMAGE_BYTES_MAX = 250_000;

interface Picture {
  name: string;
  path: string;
  ready: string;
  /** What is done on the page before. */
  act?: (page: Page) => Promise<void>;
}

function picturesOf(stage: ExplorerStage): Picture[] {
  const known = pagesOf(stage);
  const payment = known.find(({ name }) => name === "payment")!;
  const account = known.find(({ name }) => name === "account")!;
  const show = (list: string): Picture => ({
    ...account,
    name: `account-${list}`,
    path: `${account.path}?show=${list}`,
  });
  const verify = async (page: Page, node = stage.market.node.url): Promise<void> => {
    await page.getByRole("button", { name: /^Verify/ }).click();
    const form = page.locator("form.source");
    await form.locator('[name="rpcUrl"]').fill(node);
    await form.locator('[name="sure"]').check();
    await form.getByRole("button", { name: "Compare" }).click();
    await page.locator('[data-verdict="final"], [data-verdict="landed"], [data-verdict="failed"]').waitFor();
  };
  const tampered = async (page: Page): Promise<void> => {
    await page.route(`**/v1/transactions/*`, async (route) => {
      const body = await (await route.fetch()).json();
      body.outputs[0].amount = "1";
      await route.fulfill({ json: body });
    });
    await page.reload();
    await verify(page);
  };
  return [
    ...known,
    show("outputs"),
    show("exits"),
    { ...payment, name: "payment-verified", act: verify },
    { ...payment, name: "payment-tampered", act: tampered },
    { ...payment, name: "swap", path: `/payments/${stage.payment("swap").hash}` },
    { name: "no-such-payment", path: `/payments/0x${"12".repeat(32)}`, ready: "[role=alert]" },
  ];
}

async function draw(stage: ExplorerStage, folder: string, only: RegExp): Promise<void> {
  for (const [look, options] of Object.entries(LOOKS)) {
    for (const { name, path, ready, act } of picturesOf(stage)) {
      if (!only.test(`${name}-${look}`)) continue;
      const { page, close } = await stage.page(options);
      await page.goto(path);
      await page.locator(ready).first().waitFor();
      await eventually("nothing is loading", WAIT_MS, async () => (await page.locator(".loading").count()) === 0);
      await act?.(page);
      await page.screenshot({ path: join(folder, `${name}-${look}.png`), fullPage: true });
      await close(/./);
    }
    console.log(`${look} is done`);
  }
}

/** The pictures of README.md: what stands at the top of a page, not all of it. */
async function drawImages(stage: ExplorerStage): Promise<void> {
  await mkdir(IMAGES, { recursive: true });
  const images: [name: string, picture: string, look: keyof typeof LOOKS, clip?: string][] = [
    ["explorer-home", "home", "light"],
    ["explorer-home-dark", "home", "dark"],
    ["explorer-verification", "payment-verified", "light", ".verification"],
    ["explorer-phone", "payments", "phone"],
  ];
  for (const [image, picture, look, part] of images) {
    const { path, ready, act } = picturesOf(stage).find(({ name }) => name === picture)!;
    const { page, close } = await stage.page(LOOKS[look]);
    await page.goto(path);
    await page.locator(ready).first().waitFor();
    await act?.(page);
    const file = join(IMAGES, `${image}.png`);
    if (part === undefined) await page.screenshot({ path: file });
    else await page.locator(part).screenshot({ path: file });
    await close(/./);
    const { size } = await stat(file);
    if (size > IMAGE_BYTES_MAX)
      throw new Error(`${relative(ROOT, file)} has ${size} bytes, more than ${IMAGE_BYTES_MAX}`);
  }
}

/** What a first visit loads, until payments are on the screen. */
async function measureFirstLoad(stage: ExplorerStage): Promise<void> {
  const { page, context, close } = await stage.page(LOOKS.light);
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  let bytes = 0;
  session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  const started = performance.now();
  await page.goto("/");
  await page.locator("tbody tr").first().waitFor();
  const milliseconds = performance.now() - started;
  await page.locator("canvas").nth(1).waitFor();
  console.log(
    `first load: ${(bytes / 1000).toFixed(1)} kB with charts and answers, payments seen after ${milliseconds.toFixed(0)} ms`,
  );
  await close();
}

const argument = process.argv[2];
const folder = resolve(argument ?? join(ROOT, "screenshots"));
const only = new RegExp(process.argv[3] ?? "");
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const stage = await ExplorerStage.open();
try {
  await stage.playMarket();
  await measureFirstLoad(stage);
  await draw(stage, folder, only);
  if (process.argv[3] === undefined) await drawImages(stage);
  console.log(`the pictures are in ${folder}`);
} finally {
  await stage.close();
}
