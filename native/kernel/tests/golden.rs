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

const LEVELS: usize = 4;

struct Reference {
    dimension: usize,
    key: u64,
    bootstrap: u64,
    keyswitch: u64,
    switch: u64,
}

const REFERENCES: [Reference; 2] = [
    Reference {
        dimension: 16,
        key: 0xcce3b8d6846a1839,
        bootstrap: 0x61b2d9da746893f5,
        keyswitch: 0xb9e3fc8ea6b6b868,
        switch: 0x821ddfffc5fd826f,
    },
    Reference {
        dimension: 918,
        key: 0xb2339f305bc462dd,
        bootstrap: 0x1e2cd7a9746893f5,
        keyswitch: 0x6490bd6787729cb5,
        switch: 0x75fcb31ba069264c,
    },
];

#[test]
fn every_path_prepares_the_reference_key() {
    for Reference { dimension, key, .. } in REFERENCES {
        let standard = SplitMix(2026).words(dimension * STEP_WORDS);
        for path in Path::available() {
            let prepared = BootstrapKey::prepare(&standard, dimension, path).unwrap();
            assert_eq!(fnv(payload_words(prepared.bytes())), key, "{path:?} {dimension}");
        }
    }
}

#[test]
fn every_path_bootstraps_to_the_reference_bits() {
    for Reference { dimension, bootstrap: digest, .. } in REFERENCES {
        let mut random = SplitMix(2026);
        let standard = random.words(dimension * STEP_WORDS);
        let key = BootstrapKey::prepare(&standard, dimension, Path::best()).unwrap();
        let amounts = random.words(2 * (dimension + 1));
        let amounts: Vec<u16> = amounts.iter().map(|word| (word >> 52) as u16).collect();
        let tables: Vec<u64> = random.words(2 * N).iter().map(|word| word >> 32 << 32).collect();
        let reads = [[0, 0], [0, 1000], [1, 0], [1, 1000]];
        let look_ups = LookUps { tables: &tables, table_of: &[0, 1], reads: &reads };
        for path in Path::available() {
            let outputs = bootstrap(&amounts, &look_ups, &key, 1, path).unwrap();
            assert_eq!(fnv(outputs), digest, "{path:?} {dimension}");
        }
    }
}

#[test]
fn every_path_keyswitches_to_the_reference_words() {
    for Reference { dimension, keyswitch: digest, switch, .. } in REFERENCES {
        let mut random = SplitMix(7);
        let columns = dimension + 1;
        let mut standard = random.words(N * LEVELS * columns);
        let lwes = random.words(3 * BIG_LWE);
        // the reference stores the most significant level first
        for levels in standard.chunks_exact_mut(LEVELS * columns) {
            let rows: Vec<Vec<u64>> = levels.chunks_exact(columns).rev().map(<[u64]>::to_vec).collect();
            levels.copy_from_slice(&rows.concat());
        }
        let key = KeyswitchKey::prepare(&standard, LEVELS, columns, Target::Lwe).unwrap();
        for path in Path::available() {
            let small = keyswitch(&lwes, &key, 1, path).unwrap();
            let amounts = switch_all(&small, dimension);
            assert_eq!(fnv(small), digest, "{path:?} {dimension}");
            assert_eq!(fnv(amounts.into_iter().map(u64::from)), switch, "{dimension}");
        }
    }
}

fn payload_words(bytes: &[u8]) -> Vec<u64> {
    bytes[64..].chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
}
