// A chain of one's own: Hardhat's node in this process, with the contract and a token to play with.
import { once } from "node:events";
import { createServer } from "node:net";
import { network, tasks } from "hardhat";
import { ContractFactory, JsonRpcProvider, NonceManager } from "ethers";
import { DEVNET_HOST, type Devnet, devnetAccount } from "./devnetInfo.ts";
import { constructorArguments, readArtifact, readDeploymentParameters } from "./deployment.ts";

/** Whether nobody listens there. */
export async function isPortFree(port: number, host: string): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** Where a server that listens on all addresses is reached from here. */
export function reachable(host: string): string {
  return host === "0.0.0.0" ? DEVNET_HOST : host;
}

/** Compiles where that is needed, and starts the node. */
export async function startNode(port: number, host = DEVNET_HOST): Promise<{ url: string; stop(): Promise<void> }> {
  await tasks.getTask("build").run({ quiet: true });
  const server = await network.createServer("node", host, port);
  await server.listen();
  return { url: `http://${reachable(host)}:${port}`, stop: () => server.close() };
}

/** Deploys with account 0; account 1 is the operator. */
export async function deployDevnet(
  rpcUrl: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Pick<Devnet, "chainId" | "rootChain" | "testToken" | "fromBlock" | "deployer" | "operator">> {
  const provider = new JsonRpcProvider(rpcUrl, undefined, { pollingInterval: 50, cacheTimeout: -1 });
  try {
    const { chainId } = await provider.getNetwork();
    const deployer = new NonceManager(devnetAccount(0).connect(provider));
    const operator = devnetAccount(1).address;
    const parameters = readDeploymentParameters(
      { ...env, OPERATOR_ADDRESS: operator },
      { chainId, deployer: operator },
    );
    const deploy = async (name: string, args: unknown[]): Promise<{ address: string; block: number }> => {
      const { abi, bytecode } = await readArtifact(name);
      const contract = await new ContractFactory(abi, bytecode, deployer).deploy(...args);
      const receipt = await contract.deploymentTransaction()?.wait();
      if (!receipt) throw new Error(`${name} was not deployed`);
      return { address: await contract.getAddress(), block: receipt.blockNumber };
    };
    const rootChain = await deploy("RootChain.sol/RootChain", constructorArguments(parameters));
    const testToken = await deploy("mocks/TestToken.sol/TestToken", []);
    return {
      chainId: Number(chainId),
      rootChain: rootChain.address,
      testToken: testToken.address,
      fromBlock: rootChain.block,
      deployer: await deployer.getAddress(),
      operator,
    };
  } finally {
    provider.destroy();
  }
}
