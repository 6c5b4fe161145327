import { expect } from "chai";
import {
  type Artifact,
  DeploymentError,
  checkBalance,
  isCodeOf,
  readDeploymentParameters,
} from "../../scripts/deployment.ts";

const DEPLOYER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
const mainnet = (env: Record<string, string>): unknown =>
  readDeploymentParameters(env, { chainId: 1n, deployer: DEPLOYER });

describe("a deployment's parameters", () => {
  it("are stricter on mainnet: no shorter period than seven days, no bond below the dearest challenge", () => {
    const defaults = readDeploymentParameters({}, { chainId: 1n, deployer: DEPLOYER });
    expect(defaults.operator).to.equal(DEPLOYER);
    const short = String(7 * 86_400 - 1);
    expect(() => mainnet({ EXIT_PERIOD_SECONDS: short })).to.throw(DeploymentError, "EXIT_PERIOD_SECONDS");
    const sepolia = { chainId: 11_155_111n, deployer: DEPLOYER };
    const parameters = readDeploymentParameters({ EXIT_PERIOD_SECONDS: short }, sepolia);
    expect(parameters.exitPeriodSeconds).to.equal(7 * 86_400 - 1);
    const names = {
      standardExit: "STANDARD_EXIT_BOND_WEI",
      inFlightExit: "IN_FLIGHT_EXIT_BOND_WEI",
      piggyback: "PIGGYBACK_BOND_WEI",
      challenge: "CHALLENGE_BOND_WEI",
    } as const;
    for (const [bond, name] of Object.entries(names)) {
      const wei = defaults.bonds[bond as keyof typeof names] - 1n;
      expect(() => mainnet({ [name]: String(wei) })).to.throw(DeploymentError, name);
      const { bonds } = readDeploymentParameters({ [name]: String(wei) }, sepolia);
      expect(bonds).to.deep.equal({ ...defaults.bonds, [bond]: wei });
    }
  });

  it("leave the bounty in the bonds it is taken from", () => {
    for (const name of ["STANDARD_EXIT_BOND_WEI", "PIGGYBACK_BOND_WEI"]) {
      const read = (): unknown =>
        readDeploymentParameters({ [name]: "9", BOUNTY_WEI: "10" }, { chainId: 11_155_111n, deployer: DEPLOYER });
      expect(read).to.throw(DeploymentError, name);
    }
  });

  it("refuse a wrong checksum and take an address in one case", () => {
    expect(() => mainnet({ OPERATOR_ADDRESS: DEPLOYER.replace("f39F", "F39f") })).to.throw(DeploymentError, "OPERATOR");
    expect(mainnet({ OPERATOR_ADDRESS: DEPLOYER.toLowerCase() })).to.include({ operator: DEPLOYER });
  });
});

describe("a deployment's checks", () => {
  it("compare code but for the immutables", () => {
    const artifact: Artifact = {
      abi: [],
      bytecode: "0x",
      deployedBytecode: "0x6001000060",
      immutableReferences: { "7": [{ start: 2, length: 2 }] },
    };
    expect(isCodeOf(artifact, "0x6001BEEF60")).to.equal(true);
    expect(isCodeOf(artifact, "0x6002beef60")).to.equal(false);
    expect(isCodeOf(artifact, "0x6001beef6000")).to.equal(false);
    expect(isCodeOf(artifact, "0x")).to.equal(false);
  });

  it("let an account pay exactly what the deployment may cost", () => {
    expect(() => checkBalance(DEPLOYER, 5n, 5n)).not.to.throw();
    expect(() => checkBalance(DEPLOYER, 4n, 5n)).to.throw(DeploymentError, /at least 0\.000000000000000001 more/);
  });
});
