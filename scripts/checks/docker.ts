// What must hold of the images and of compose.yaml, told without a Docker engine.
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** The operator ends by itself within this, and with certainty. */
const SHUTDOWN_SECONDS = 8;
const complaints: string[] = [];

function must(holds: boolean, what: string): void {
  if (!holds) complaints.push(what);
}

async function read(path: string): Promise<string> {
  return await readFile(new URL(`../../${path}`, import.meta.url), "utf8");
}

/** A Dockerfile's instructions by stage, continued lines joined, comments left out. */
function stages(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of text.replaceAll(/\\\n\s*/g, " ").split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const from = /^FROM (\S+)(?: AS (\S+))?$/.exec(line);
    if (from !== null) found.set(from[2] ?? from[1] ?? "", (current = []));
    current.push(line);
  }
  return found;
}

async function checkDockerfile(): Promise<void> {
  const byName = stages(await read("Dockerfile"));
  const ignored = (await read(".dockerignore")).split("\n");
  const tracked = execFileSync("git", ["ls-files"], { cwd: ROOT, encoding: "utf8" }).split("\n");
  must(byName.size >= 3, "Dockerfile: dependencies are installed in a stage of their own");
  for (const [name, lines] of byName) {
    for (const line of lines) {
      must(!/^(ENV|ARG) .*(KEY|PASSWORD|TOKEN)/.test(line), `Dockerfile, ${name}: no secret in the image: ${line}`);
      const [, image = ""] = /^FROM (\S+)/.exec(line) ?? [];
      const isPinned = /:\d+\.\d+\.\d+-/.test(image) || byName.has(image);
      must(image === "" || isPinned, `Dockerfile, ${name}: ${image} names no version`);
      const copied = /^COPY (?!--from)(.+) \S+$/.exec(line)?.[1]?.split(" ") ?? [];
      for (const source of copied) {
        const isThere = tracked.some((file) => file === source || file.startsWith(`${source}/`));
        must(isThere, `Dockerfile, ${name}: ${source} is not in the project`);
        const top = source.split("/")[0] ?? "";
        must(ignored.includes(`!${top}`), `.dockerignore leaves out ${source}, which ${name} copies`);
      }
    }
  }
  for (const name of ["operator", "watcher", "devnet"]) {
    const lines = byName.get(name) ?? [];
    const has = (pattern: RegExp): boolean => lines.some((line) => pattern.test(line));
    must(
      name === "watcher" || has(/^(COPY --from=explorer |RUN node explorer\/build\.ts)/),
      `Dockerfile, ${name}: it has the explorer's files`,
    );
    must(has(/^USER (?!root|0)/), `Dockerfile, ${name}: it does not run as root`);
    must(has(/^HEALTHCHECK .*CMD \["node"/), `Dockerfile, ${name}: it has a health check that needs no shell`);
    must(has(/^CMD \["node"/), `Dockerfile, ${name}: signals reach node itself`);
  }
}

interface Service {
  build: { target: string };
  environment?: Record<string, string>;
  ports: string[];
  volumes?: string[];
  read_only?: boolean;
  cap_drop: string[];
  security_opt: string[];
  stop_grace_period: string;
  profiles?: string[];
}

async function checkCompose(): Promise<void> {
  const { services } = parse(await read("compose.yaml")) as { services: Record<string, Service> };
  const sources = { operator: await read("operator/settings.ts"), watcher: await read("watcher/settings.ts") };
  for (const [name, service] of Object.entries(services)) {
    const say = (holds: boolean, what: string): void => must(holds, `compose.yaml, ${name}: ${what}`);
    say(service.build.target === name, "it is built from the stage of its name");
    say(
      service.ports.every((port) => port.startsWith("127.0.0.1:")),
      "ports are open to this machine only",
    );
    say(service.cap_drop.includes("ALL"), "it has no capabilities");
    say(service.security_opt.includes("no-new-privileges:true"), "it gets no new privileges");
    say(parseInt(service.stop_grace_period, 10) > SHUTDOWN_SECONDS, `it has more than ${SHUTDOWN_SECONDS} s to end`);
    const settings = name === "watcher" ? sources.watcher : sources.operator;
    for (const variable of Object.keys(service.environment ?? {})) {
      say(settings.includes(`"${variable}"`), `${variable} is no setting of it`);
    }
    if (name === "devnet") continue;
    say(service.read_only === true, "its root is read-only");
    say(service.volumes?.some((volume) => volume.endsWith(":/data")) === true, "/data is a volume");
  }
  const { operator, watcher, devnet } = services;
  must(watcher?.profiles?.includes("watcher") === true, "compose.yaml: the watcher is a profile");
  must(
    operator?.environment?.["OPERATOR_PRIVATE_KEY"] === undefined,
    "compose.yaml, operator: its key is a secret file",
  );
  must(operator?.profiles === undefined, "compose.yaml: docker compose up starts the operator");
  must(devnet?.profiles?.includes("devnet") === true, "compose.yaml: the devnet is a profile");
}

await checkDockerfile();
await checkCompose();
for (const complaint of complaints) console.error(complaint);
process.exitCode = complaints.length === 0 ? 0 : 1;
