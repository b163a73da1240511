//! From activated keys to the files that workers open.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use tfhe::prelude::ParameterSetConformant;
use tfhe::safe_serialization::safe_deserialize_conformant;
use tfhe::shortint::parameters::v1_5::meta::cpu::V1_5_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128;
use tfhe::xof_key_set::CompressedXofKeySet;
use tfhe::{CompactPublicKey, CompressedServerKey, Config, ServerKey};

use crate::bytes::{open_key, read_key, write_key, KEY_LIMIT};
use crate::errors::{guarded, Failure, Outcome};

/// Parts of a server key that it may lack.
type Parts = Vec<&'static str>;
type ServerKeyParameters = <CompressedServerKey as ParameterSetConformant>::ParameterSet;

/// Writes `public`, `squash` and `compute` of a `CompressedXofKeySet` into an existing folder.
///
/// Takes gigabytes of memory: run it in a process of its own, once per machine.
#[pyfunction]
pub fn derive(py: Python<'_>, keyset: PathBuf, folder: PathBuf) -> PyResult<()> {
    Ok(py.detach(|| guarded(|| derive_into(&keyset, &folder)))?)
}

/// Writes `compute` of a `CompressedServerKey` into an existing folder, and `squash` if it can squash.
///
/// Returns which parts it lacks. It never has a public key: that one is an object of its own.
#[pyfunction]
pub fn derive_server_key(py: Python<'_>, server_key: PathBuf, folder: PathBuf) -> PyResult<Parts> {
    Ok(py.detach(|| guarded(|| derive_server_key_into(&server_key, &folder)))?)
}

/// Writes a `CompactPublicKey` of the protocol's parameters as `public` into an existing folder.
#[pyfunction]
pub fn derive_public_key(py: Python<'_>, public_key: PathBuf, folder: PathBuf) -> PyResult<()> {
    Ok(py.detach(|| guarded(|| derive_public_key_into(&public_key, &folder)))?)
}

fn derive_into(keyset: &Path, folder: &Path) -> Outcome<()> {
    let compressed: CompressedXofKeySet =
        safe_deserialize_conformant(open_key(keyset)?, KEY_LIMIT, &config()).map_err(|error| refused(keyset, error))?;
    let keys = compressed.decompress().map_err(|error| refused(keyset, error.to_string()))?;
    let (public, server) = keys.into_raw_parts();
    write_key(&public, &folder.join("public"))?;
    write_key(&server, &folder.join("squash"))?;
    write_key(&without_squashing(server), &folder.join("compute"))
}

fn derive_server_key_into(path: &Path, folder: &Path) -> Outcome<Parts> {
    let compressed: CompressedServerKey = read_key(path)?;
    let lacks = lacking(&compressed);
    if !compressed.is_conformant(&parameters_without(&lacks)) {
        return Err(refused(path, "not of the protocol's parameters".to_owned()));
    }
    let server = compressed.decompress();
    drop(compressed);
    if !lacks.contains(&SQUASHING) {
        write_key(&server, &folder.join("squash"))?;
    }
    write_key(&without_squashing(server), &folder.join("compute"))?;
    Ok(lacks)
}

fn derive_public_key_into(path: &Path, folder: &Path) -> Outcome<()> {
    let parameters =
        config().public_key_encryption_parameters().map_err(|error| Failure::Internal(error.to_string()))?;
    let public: CompactPublicKey =
        safe_deserialize_conformant(open_key(path)?, KEY_LIMIT, &parameters).map_err(|error| refused(path, error))?;
    write_key(&public, &folder.join("public"))
}

const CASTING: &str = "casting";
const COMPRESSION: &str = "compression";
const SQUASHING: &str = "squashing";
const RE_RANDOMISATION: &str = "re-randomisation";
const RANDOM: &str = "random";

/// A pair of which one key is missing is missing: neither serves alone.
fn lacking(key: &CompressedServerKey) -> Parts {
    let parts = [
        (CASTING, key.has_cpk_key_switching_key_material()),
        (COMPRESSION, key.has_compression_key() && key.has_decompression_key()),
        (SQUASHING, key.has_noise_squashing_key() && key.has_noise_squashing_compression_key()),
        (RE_RANDOMISATION, key.has_re_randomization_key()),
        (RANDOM, key.has_oprf_key()),
    ];
    parts.into_iter().filter(|(_, is_there)| !is_there).map(|(part, _)| part).collect()
}

/// The protocol's parameters, but for what the key lacks: what is there has to conform.
fn parameters_without(lacks: &Parts) -> ServerKeyParameters {
    let mut parameters = ServerKeyParameters::from(config());
    for part in lacks {
        match *part {
            CASTING => parameters.cpk_param = None,
            COMPRESSION => parameters.compression_param = None,
            SQUASHING => {
                parameters.noise_squashing_param = None;
                parameters.noise_squashing_compression_param = None;
            }
            RE_RANDOMISATION => parameters.cpk_re_randomization_params = None,
            _ => parameters.dedicated_oprf_key = false,
        }
    }
    parameters
}

fn config() -> Config {
    Config::from(V1_5_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128)
}

fn refused(path: &Path, reason: String) -> Failure {
    Failure::KeyMaterial(format!("{}: {reason}", path.display()))
}

/// Keeps the key for random generation: without it random results differ.
fn without_squashing(server: ServerKey) -> ServerKey {
    let (key, casting, compression, decompression, _, _, re_randomization, oprf, tag) = server.into_raw_parts();
    ServerKey::from_raw_parts(key, casting, compression, decompression, None, None, re_randomization, oprf, tag)
}
