//! Key sets and reference strings of the protocol's parameters, from a seed of 32 bytes.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tfhe::core_crypto::commons::generators::DeterministicSeeder;
use tfhe::core_crypto::commons::math::random::{RandomGenerator, XofSeed};
use tfhe::core_crypto::prelude::{DefaultRandomGenerator, LweCiphertextCount, NormalizedHammingWeightBound};
use tfhe::shortint::engine::ShortintEngine;
use tfhe::shortint::parameters::v1_5::meta::cpu::V1_5_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128;
use tfhe::xof_key_set::CompressedXofKeySet;
use tfhe::zk::{CompactPkeCrs, ZkMSBZeroPaddingBitCount};
use tfhe::{ClientKey, CompactPublicKey, CompressedServerKey, Config, Seed, Tag};

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

/// Writes a compressed server key and its public key, each a file of its own, and returns the client key.
///
/// Without `squashing` the server key has none of the parts that squash noise, which are most of its size.
#[pyfunction]
#[pyo3(signature = (seed, server_key, public_key, squashing = true))]
pub fn generate_server_key<'py>(
    py: Python<'py>,
    seed: [u8; 32],
    server_key: PathBuf,
    public_key: PathBuf,
    squashing: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let client_key = detached(py, || {
        let (secret, rest) = halves(seed);
        let client_key = ClientKey::generate_with_seed(config(), secret);
        with_seeded_engine(rest, || {
            let keys = if squashing { client_key.clone() } else { without_squashing(client_key.clone()) };
            write_key(&CompressedServerKey::new(&keys), &server_key)?;
            write_key(&CompactPublicKey::new(&client_key), &public_key)
        })?;
        to_bytes(&client_key)
    })?;
    Ok(PyBytes::new(py, &client_key))
}

/// The client key's own seed, and the one of all that is drawn for the keys made with it.
fn halves(seed: [u8; 32]) -> (Seed, Seed) {
    let number = |at: usize| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&seed[at..at + 16]);
        Seed(u128::from_le_bytes(bytes))
    };
    (number(0), number(16))
}

/// Runs `work` while this thread draws from a seed, so that the same seed makes the same keys.
fn with_seeded_engine<T>(seed: Seed, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let mut seeder = DeterministicSeeder::<DefaultRandomGenerator>::new(seed);
    let seeded = ShortintEngine::new_from_seeder(&mut seeder);
    let before = ShortintEngine::with_thread_local_mut(|engine| std::mem::replace(engine, seeded));
    let outcome = work();
    ShortintEngine::with_thread_local_mut(|engine| *engine = before);
    outcome
}

fn without_squashing(key: ClientKey) -> ClientKey {
    let (key, public, compression, _, _, re_randomization, oprf, tag) = key.into_raw_parts();
    ClientKey::from_raw_parts(key, public, compression, None, None, re_randomization, oprf, tag)
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
