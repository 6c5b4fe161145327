import { createRequire } from "node:module";
import { setFlagsFromString } from "node:v8";
import toolbox from "@nomicfoundation/hardhat-toolbox-mocha-ethers";
import { configVariable, defineConfig } from "hardhat/config";

// Tests run threads beside this one: see ethereum/threads.ts.
setFlagsFromString("--wasm-wrapper-tiering-budget=2147483647");

// The compiler comes from npm: nothing is downloaded at build time.
const soljson = createRequire(import.meta.url).resolve("solc/soljson.js");

export default defineConfig({
  plugins: [toolbox],
  solidity: {
    version: "0.8.37",
    path: soljson,
    settings: { evmVersion: "prague", viaIR: true, optimizer: { enabled: true, runs: 200 } },
  },
  networks: {
    sepolia: {
      type: "http",
      chainType: "l1",
      chainId: 11_155_111,
      url: configVariable("SEPOLIA_RPC_URL"),
      accounts: [configVariable("SEPOLIA_PRIVATE_KEY")],
    },
    mainnet: {
      type: "http",
      chainType: "l1",
      chainId: 1,
      url: configVariable("MAINNET_RPC_URL"),
      accounts: [configVariable("MAINNET_PRIVATE_KEY")],
    },
  },
  paths: { sources: "contracts", tests: { mocha: "test", solidity: "test/contracts" } },
  test: { mocha: { timeout: 120_000 } },
  typechain: { outDir: "types/contracts" },
});
