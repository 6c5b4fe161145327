import { HDNodeWallet, Mnemonic } from "ethers";

/** Hardhat's own; its keys are public. */
export const DEVNET_MNEMONIC = "test test test test test test test test test test test junk";
export const DEVNET_HOST = "127.0.0.1";
/** The node's last account: out of the way of whoever plays with the first ones. */
export const DEVNET_CHALLENGER = 19;
/** The account that is the service node of the devnet's marketplace. */
export const DEVNET_SERVICE_NODE = 18;

/** What `npm start` writes down for the demo and for whoever wants to try something. */
export interface Devnet {
  rpcUrl: string;
  chainId: number;
  rootChain: string;
  testToken: string;
  /** Block of the contract's deployment. */
  fromBlock: number;
  deployer: string;
  operator: string;
  operatorUrl: string;
  adminToken: string;
}

/** Account `index` of the node. */
export function devnetAccount(index: number): HDNodeWallet {
  return HDNodeWallet.fromMnemonic(Mnemonic.fromPhrase(DEVNET_MNEMONIC), `m/44'/60'/0'/0/${index}`);
}
