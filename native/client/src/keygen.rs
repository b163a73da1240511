//! Key sets and reference strings of the protocol's parameters, from a seed of 32 bytes.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tfhe::core_crypto::commons::math::random::{RandomGenerator, XofSeed};
use tfhe::core_crypto::prelude::{DefaultRandomGenerator, LweCiphertextCount, NormalizedHammingWeightBound};
use tfhe::shortint::parameters::v1_5::meta::cpu::V1_5_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128;
use tfhe::xof_key_set::CompressedXofKeySet;
use tfhe::zk::{CompactPkeCrs, ZkMSBZeroPaddingBitCount};
use tfhe::{ClientKey, CompactPublicKey, Config, Tag};

use crate::bytes::{to_bytes, write_key};
use crate::errors::{detached, text, Outcome};

const SECURITY_BITS: u32 = 128;
const HAMMING_WEIGHT_BOUND: f64 = 0.8;
const CRS_SEPARATOR: [u8; 8] = *b"CRS_seed";

fn config() -> Config {
    Config::from(V1_5_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128)
}

/// Writes the compressed key set to `keyset` and returns the client key.
#[pyfunction]
pub fn generate<'py>(py: Python<'py>, seed: [u8; 32], keyset: PathBuf) -> PyResult<Bound<'py, PyBytes>> {
    let client_key = detached(py, || {
        let bound = NormalizedHammingWeightBound::new(HAMMING_WEIGHT_BOUND).ok_or("bound out of range")?;
        let (client_key, keys) =
            CompressedXofKeySet::generate(config(), seed.to_vec(), SECURITY_BITS, bound, Tag::default())
                .map_err(text)?;
        write_key(&keys, &keyset)?;
        to_bytes(&client_key)
    })?;
    Ok(PyBytes::new(py, &client_key))
}

/// Writes a public key that belongs to no key set: what a list for another network was encrypted with.
#[pyfunction]
pub fn generate_stranger(py: Python<'_>, public: PathBuf) -> PyResult<()> {
    detached(py, || write_key(&CompactPublicKey::new(&ClientKey::generate(config())), &public))
}

/// A reference string for lists of up to `bits` plaintext bits.
#[pyfunction]
#[pyo3(signature = (seed, bits = 2048))]
pub fn generate_crs<'py>(py: Python<'py>, seed: [u8; 32], bits: usize) -> PyResult<Bound<'py, PyBytes>> {
    let crs = detached(py, || to_bytes(&crs(seed, bits)?))?;
    Ok(PyBytes::new(py, &crs))
}

fn crs(seed: [u8; 32], bits: usize) -> Outcome<CompactPkeCrs> {
    let parameters = config().public_key_encryption_parameters().map_err(text)?;
    let modulus = parameters.message_modulus.0 * parameters.carry_modulus.0;
    let messages = bits.div_ceil(modulus.ilog2() as usize);
    let mut generator = RandomGenerator::<DefaultRandomGenerator>::new(XofSeed::new(seed.to_vec(), CRS_SEPARATOR));
    CompactPkeCrs::new(
        parameters.encryption_lwe_dimension,
        LweCiphertextCount(messages),
        parameters.encryption_noise_distribution,
        parameters.ciphertext_modulus,
        modulus * 2, // the padding bit
        ZkMSBZeroPaddingBitCount(1),
        &mut generator,
    )
    .map_err(text)
}
