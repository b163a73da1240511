//! From the activated key set to the files that workers open.

use std::path::PathBuf;

use pyo3::prelude::*;
use tfhe::safe_serialization::safe_deserialize_conformant;
use tfhe::shortint::parameters::v1_5::meta::cpu::V1_5_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128;
use tfhe::xof_key_set::CompressedXofKeySet;
use tfhe::{Config, ServerKey};

use crate::bytes::{open_key, write_key, KEY_LIMIT};
use crate::errors::{guarded, Failure, Outcome};

/// Writes `public`, `squash` and `compute` into an existing folder.
///
/// Takes gigabytes of memory: run it in a process of its own, once per machine.
#[pyfunction]
pub fn derive(py: Python<'_>, keyset: PathBuf, folder: PathBuf) -> PyResult<()> {
    Ok(py.detach(|| guarded(|| derive_into(keyset, folder)))?)
}

fn derive_into(keyset: PathBuf, folder: PathBuf) -> Outcome<()> {
    let (public, server) = expanded(keyset)?;
    write_key(&public, &folder.join("public"))?;
    write_key(&server, &folder.join("squash"))?;
    write_key(&without_squashing(server), &folder.join("compute"))
}

fn expanded(path: PathBuf) -> Outcome<(tfhe::CompactPublicKey, ServerKey)> {
    let config = Config::from(V1_5_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128);
    let refused = |error: String| Failure::KeyMaterial(format!("{}: {error}", path.display()));
    let compressed: CompressedXofKeySet =
        safe_deserialize_conformant(open_key(&path)?, KEY_LIMIT, &config).map_err(refused)?;
    let keys = compressed.decompress().map_err(|error| refused(error.to_string()))?;
    Ok(keys.into_raw_parts())
}

/// Keeps the key for random generation: without it random results differ.
fn without_squashing(server: ServerKey) -> ServerKey {
    let (key, casting, compression, decompression, _, _, re_randomization, oprf, tag) = server.into_raw_parts();
    ServerKey::from_raw_parts(key, casting, compression, decompression, None, None, re_randomization, oprf, tag)
}
