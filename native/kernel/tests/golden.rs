//! Digests of results of the reference kernel, whose bits the GPU kernel has too: every path must meet them.
//!
//! Key, tables and ciphertexts are one stream of SplitMix64 words, so nothing has to be stored.

mod common;

use cipherstream_kernel::batch::{bootstrap, keyswitch, switch_all, LookUps};
use cipherstream_kernel::bootstrap_key::{BootstrapKey, STEP_WORDS};
use cipherstream_kernel::keyswitch::{KeyswitchKey, Target};
use cipherstream_kernel::parameters::{BIG_LWE, N};
use cipherstream_kernel::path::Path;
use common::{fnv, SplitMix};

const DIMENSION: usize = 16;
const LEVELS: usize = 4;
const KEY_DIGEST: u64 = 0xcce3b8d6846a1839;
const BOOTSTRAP_DIGEST: u64 = 0x61b2d9da746893f5;
const KEYSWITCH_DIGEST: u64 = 0xb9e3fc8ea6b6b868;
const SWITCH_DIGEST: u64 = 0x821ddfffc5fd826f;

#[test]
fn every_path_prepares_the_reference_key() {
    let standard = SplitMix(2026).words(DIMENSION * STEP_WORDS);
    for path in Path::available() {
        let key = BootstrapKey::prepare(&standard, DIMENSION, path).unwrap();
        assert_eq!(fnv(payload_words(key.bytes())), KEY_DIGEST, "{path:?}");
    }
}

#[test]
fn every_path_bootstraps_to_the_reference_bits() {
    let mut random = SplitMix(2026);
    let key = BootstrapKey::prepare(&random.words(DIMENSION * STEP_WORDS), DIMENSION, Path::best()).unwrap();
    let amounts: Vec<u16> =
        random.words(2 * (DIMENSION + 1)).iter().map(|word| (word >> 52) as u16).collect();
    let tables: Vec<u64> = random.words(2 * N).iter().map(|word| word >> 32 << 32).collect();
    let reads = [[0, 0], [0, 1000], [1, 0], [1, 1000]];
    let look_ups = LookUps { tables: &tables, table_of: &[0, 1], reads: &reads };
    for path in Path::available() {
        let outputs = bootstrap(&amounts, &look_ups, &key, 1, path).unwrap();
        assert_eq!(fnv(outputs), BOOTSTRAP_DIGEST, "{path:?}");
    }
}

#[test]
fn every_path_keyswitches_to_the_reference_words() {
    let mut random = SplitMix(7);
    let mut standard = random.words(N * LEVELS * (DIMENSION + 1));
    let lwes = random.words(3 * BIG_LWE);
    // the reference stores the most significant level first
    for levels in standard.chunks_exact_mut(LEVELS * (DIMENSION + 1)) {
        let rows: Vec<Vec<u64>> = levels.chunks_exact(DIMENSION + 1).rev().map(<[u64]>::to_vec).collect();
        levels.copy_from_slice(&rows.concat());
    }
    let key = KeyswitchKey::prepare(&standard, LEVELS, DIMENSION + 1, Target::Lwe).unwrap();
    for path in Path::available() {
        let small = keyswitch(&lwes, &key, 1, path).unwrap();
        let amounts = switch_all(&small, DIMENSION);
        assert_eq!(fnv(small), KEYSWITCH_DIGEST, "{path:?}");
        assert_eq!(fnv(amounts.into_iter().map(u64::from)), SWITCH_DIGEST);
    }
}

fn payload_words(bytes: &[u8]) -> Vec<u64> {
    bytes[64..].chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
}
