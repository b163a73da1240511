// Compiles src/ and extracts the host contracts of the npm package into artifacts/ (what the Python package ships).
// Usage: npm ci && node build.mjs (the flags are in .npmrc)
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const root = dirname(fileURLToPath(import.meta.url));
const modules = join(root, "node_modules");
const artifacts = join(root, "artifacts");
const deployed = [
  "ConfidentialToken",
  "GatewayCiphertextCommits",
  "GatewayConfig",
  "GatewayInputVerification",
  "GatewayMultichainACL",
  "HeadEvents",
  "KMSGenerationStandIn",
];
const host = ["ACL", "FHEVMExecutor", "HCULimit", "InputVerifier", "KMSVerifier", "immutable/PauserSet"];
const hostRelease = "0.10.0";

function readSources() {
  const names = readdirSync(join(root, "src")).filter((name) => name.endsWith(".sol")).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(root, "src", name), "utf8")]));
}

function compile(sources) {
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(Object.entries(sources).map(([name, content]) => [`./${name}`, { content }])),
    settings: {
      optimizer: { enabled: true, runs: 800 },
      evmVersion: "cancun",
      metadata: { bytecodeHash: "none" },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
    },
  };
  const findImport = (path) => {
    const file = join(modules, path);
    return existsSync(file) ? { contents: readFileSync(file, "utf8") } : { error: `no such file: ${path}` };
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
  const errors = (output.errors ?? []).filter((entry) => entry.severity === "error");
  if (errors.length > 0) throw new Error(errors.map((entry) => entry.formattedMessage).join("\n"));
  return output.contracts;
}

function write(path, value) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, null, 1)}\n`);
}

// The digest covers everything that decides the bytecode: sources, this script, and the locked dependencies.
function sourceDigest(sources) {
  const digest = createHash("sha256");
  const named = { ...sources };
  for (const name of ["build.mjs", "package.json", "package-lock.json"]) {
    named[name] = readFileSync(join(root, name), "utf8");
  }
  for (const name of Object.keys(named).sort()) digest.update(`${name}\0${named[name]}\0`);
  return digest.digest("hex");
}

const sources = readSources();
const contracts = compile(sources);
for (const name of deployed) {
  const { abi, evm } = contracts[`./${name}.sol`][name];
  write(join(artifacts, `${name}.json`), { contractName: name, abi, bytecode: `0x${evm.bytecode.object}` });
}
for (const path of host) {
  const name = path.split("/").at(-1);
  const file = join(modules, "@fhevm/host-contracts/artifacts/contracts", `${path}.sol`, `${name}.json`);
  const { abi, deployedBytecode } = JSON.parse(readFileSync(file, "utf8"));
  write(join(artifacts, "host", `${name}.json`), { contractName: name, release: hostRelease, abi, deployedBytecode });
}
write(join(artifacts, "sources.json"), { sha256: sourceDigest(sources), solc: solc.version() });
