import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { EthereumError } from "@plasma-billing/ethereum/errors.ts";
import { EthereumRpc } from "@plasma-billing/ethereum/rpc.ts";
import { httpTransport } from "@plasma-billing/ethereum/transport.ts";
import { freePort } from "../helpers/operatorProcess.ts";

type Answer = (request: {
  id: number;
  method: string;
  params: unknown[];
}) => { status?: number; body: string } | "reset";

describe("Ethereum over JSON-RPC", () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    }
  });

  /** A node that answers as it is told, and what it was asked. */
  const node = async (answer: Answer): Promise<{ url: string; asked: string[] }> => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const parsed = JSON.parse(body);
        asked.push(parsed.method);
        const given = answer(parsed);
        if (given === "reset") response.socket?.destroy();
        else response.writeHead(given.status ?? 200).end(given.body);
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    servers.push(server);
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
  };
  const result =
    (value: unknown): Answer =>
    ({ id }) => ({ body: JSON.stringify({ jsonrpc: "2.0", id, result: value }) });
  const failure = async (promise: Promise<unknown>): Promise<EthereumError> => {
    const error = await promise.then(
      () => null,
      (caught: unknown) => caught,
    );
    expect(error).to.be.instanceOf(EthereumError);
    return error as EthereumError;
  };

  it("what is no answer is no answer: of two nodes the other one's counts, of one it is an error", async () => {
    const bad: Answer[] = [
      () => "reset",
      () => ({ status: 500, body: "oops" }),
      () => ({ status: 503, body: "<html>busy</html>" }),
      () => ({ body: "<html>hello</html>" }),
      () => ({ body: "" }),
      () => ({ body: "{}" }),
      () => ({ body: "null" }),
      ({ id }) => ({ body: JSON.stringify({ jsonrpc: "2.0", id: id + 1, result: "0x1" }) }),
    ];
    for (const answer of bad) {
      const [broken, good] = [await node(answer), await node(result("0x2a"))];
      const error = await failure(httpTransport(broken.url, "eth_chainId", []));
      expect(error.code, answer.toString()).to.be.oneOf(["UNREACHABLE", "BAD_ANSWER"]);
      const rpc = new EthereumRpc([broken.url, good.url]);
      expect(await rpc.code("0x00", "0x00"), answer.toString()).to.equal("0x2a");
      expect(await rpc.code("0x00", "0x00")).to.equal("0x2a");
      // Who gave none is not asked again before it has recovered.
      expect(broken.asked).to.have.length(2);
    }
    const away = `http://127.0.0.1:${await freePort()}`;
    expect(await new EthereumRpc([away, (await node(result("0x01"))).url]).code("0x00", "0x00")).to.equal("0x01");
  });

  it("a refusal keeps the node's code and words", async () => {
    const refusing = await node(({ id }) => ({
      body: JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32000, message: "header not found" } }),
    }));
    const error = await failure(new EthereumRpc([refusing.url]).code("0x00", "0x00"));
    expect(error.code).to.equal("RPC_ERROR");
    expect(error.context["code"]).to.equal(-32000);
    expect(error.retryable).to.equal(true);
    expect(error.message).to.match(/^127\.0\.0\.1:\d+ refuses eth_getCode: header not found$/);
  });

  it("when nobody answers says who was asked for what", async () => {
    const error = await failure(new EthereumRpc([`http://127.0.0.1:${await freePort()}`]).code("0x00", "0x00"));
    expect(error.code).to.equal("UNREACHABLE");
    expect(error.message).to.match(/^127\.0\.0\.1:\d+ does not answer eth_getCode: /);
  });

  it("nonsense in an answer is no value", async () => {
    for (const value of ["42", "0xzz", 42, null, {}, `0x${"1".repeat(65)}`]) {
      const rpc = new EthereumRpc([(await node(result(value))).url]);
      expect((await failure(rpc.balance("0x00", "0x00"))).code).to.equal("BAD_ANSWER");
    }
    for (const value of [{}, [{}], [{ topics: "0x" }], "0x"]) {
      const rpc = new EthereumRpc([(await node(result(value))).url]);
      expect((await failure(rpc.logs("0x00", { from: 1, to: 2 }))).code).to.equal("BAD_ANSWER");
    }
    expect(await new EthereumRpc([(await node(result(null))).url]).block("latest")).to.equal(null);
  });

  it("a node that suggests no tip does not keep transactions from being mined", async () => {
    const tipOf = async (...tips: bigint[]): Promise<bigint> => {
      const nodes = await Promise.all(tips.map(async (tip) => await node(result(`0x${tip.toString(16)}`))));
      return await new EthereumRpc(nodes.map(({ url }) => url)).tip();
    };
    expect(await tipOf(0n, 2_000_000_000n)).to.equal(10_000_000n);
    expect(await tipOf(1_500_000_000n, 2_000_000_000n)).to.equal(1_500_000_000n);
  });

  it("a transaction goes to every node, and counts as sent when one took it", async () => {
    const refuse: Answer = ({ id }) => ({
      body: JSON.stringify({ jsonrpc: "2.0", id, error: { code: 1, message: "no" } }),
    });
    const [deaf, refusing, good] = [await node(() => "reset"), await node(refuse), await node(result("0x12"))];
    const told = await new EthereumRpc([deaf.url, refusing.url, good.url]).sendRawTransaction("0x02");
    expect([told.taken, told.refusals.length]).to.deep.equal([1, 2]);
    for (const { asked } of [deaf, refusing, good]) expect(asked).to.deep.equal(["eth_sendRawTransaction"]);
    const nobody = await new EthereumRpc([deaf.url, refusing.url]).sendRawTransaction("0x02");
    expect(nobody.taken).to.equal(0);
    expect(nobody.refusals.map(({ reason }) => reason).join()).to.contain("refuses eth_sendRawTransaction: no");
  });

  it("tells the chain of each node that answers", async () => {
    const [one, two] = [await node(result("0x1")), await node(result("0x2"))];
    const ids = await new EthereumRpc([one.url, two.url, `http://127.0.0.1:${await freePort()}`]).chainIds();
    expect([...ids.values()]).to.deep.equal([1n, 2n]);
  });
});
