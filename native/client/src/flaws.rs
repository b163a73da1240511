//! Lists that honest clients never send, made to show that they are refused for the right reason.

use tfhe::integer::ciphertext::{CompactCiphertextListBuilder, IntegerProvenCompactCiphertextListConformanceParams};
use tfhe::prelude::*;
use tfhe::zk::{CompactPkeCrs, ZkComputeLoad, ZkPkeV2SupportedHashConfig};
use tfhe::{CompactPublicKey, ProvenCompactCiphertextList, Versionize};

use crate::bytes::{bits, from_bytes, to_bytes, wide};
use crate::errors::{text, Outcome};
use crate::prover::ClearValue;

const PROOF_SEED: &[u8] = b"position of the inner list";

/// Relabels the proof's hash configuration; found by trying, since the field is private to the crate.
pub fn old_hash(list: &ProvenCompactCiphertextList, public: &CompactPublicKey, crs: &CompactPkeCrs) -> Outcome<Vec<u8>> {
    let any = IntegerProvenCompactCiphertextListConformanceParams::from_crs_and_parameters(public.parameters(), crs);
    let modern = any.forbid_hash_config(ZkPkeV2SupportedHashConfig::V0_4_0);
    let newest = 2u32.to_le_bytes();
    let original = to_bytes(list)?;
    for at in (0..original.len() - newest.len()).rev() {
        if original[at..at + newest.len()] != newest {
            continue;
        }
        let mut relabelled = original.clone();
        relabelled[at] = 0;
        let Ok(candidate) = from_bytes::<ProvenCompactCiphertextList>(&relabelled) else {
            continue;
        };
        if candidate.is_conformant(&any) && !candidate.is_conformant(&modern) {
            return Ok(relabelled);
        }
    }
    Err("no hash configuration found in the list".to_owned())
}

/// One block per ciphertext. The crate's own builder cannot do it on this level, so the inner list of a packed
/// one is replaced by an unpacked one.
pub fn unpacked(
    values: &[ClearValue],
    auxiliary: &[u8],
    public: &CompactPublicKey,
    crs: &CompactPkeCrs,
) -> Outcome<Vec<u8>> {
    let (inner_key, _) = public.clone().into_raw_parts();
    let mut inner = CompactCiphertextListBuilder::new(&inner_key);
    let mut outer = ProvenCompactCiphertextList::builder(public);
    for (fhe_type, clear) in values {
        let width = bits(*fhe_type)?;
        inner.push_with_num_blocks(wide(clear), width / 2);
        outer.push_with_num_bits(wide(clear), width).map_err(text)?;
    }
    let load = ZkComputeLoad::Verify;
    let packed = outer.build_with_proof_packed_seeded(crs, auxiliary, load, PROOF_SEED).map_err(text)?;
    let same = inner.build_with_proof_packed_seeded(crs, auxiliary, load, PROOF_SEED).map_err(text)?;
    let loose = inner.build_with_proof(crs, auxiliary, load).map_err(text)?;
    replaced(&to_bytes(&packed)?, &body(&same)?, &body(&loose)?)
}

fn body<T: Versionize>(list: &T) -> Outcome<Vec<u8>> {
    bincode::serialize(&list.versionize()).map_err(text)
}

fn replaced(whole: &[u8], old: &[u8], new: &[u8]) -> Outcome<Vec<u8>> {
    let at = whole.windows(old.len()).position(|part| part == old).ok_or("inner list not found")?;
    Ok([&whole[..at], new, &whole[at + old.len()..]].concat())
}
