// Encrypts and proves values with the protocol's own client library:
// node prove.mjs MODULES PUBLIC_KEY CRS AUXILIARY_HEX OUT
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";

const [modules, publicKey, crsFile, auxiliary, out] = process.argv.slice(2);
const tfhe = createRequire(`${modules}/`)("node-tfhe");
const LIMIT = 1n << 30n;

const key = tfhe.TfheCompactPublicKey.safe_deserialize(readFileSync(publicKey), LIMIT);
const crs = tfhe.CompactPkeCrs.safe_deserialize(readFileSync(crsFile), LIMIT);
const builder = tfhe.CompactCiphertextList.builder(key);
builder.push_boolean(true);
builder.push_u64(4242n);
builder.push_u8(7);
const list = builder.build_with_proof_packed(crs, Buffer.from(auxiliary, "hex"), tfhe.ZkComputeLoad.Verify);
writeFileSync(out, list.safe_serialize(LIMIT));
