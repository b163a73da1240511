//! The packing keyswitch against its definition: keyswitch, multiply by a power of X, add.

mod common;

use cipherstream_kernel::digits::{decompose, Tie};
use cipherstream_kernel::packing::PackingKey;
use cipherstream_kernel::parameters::{BIG_LWE, N};
use cipherstream_kernel::path::Path;
use common::client::Client;
use common::exact::{add, multiply, rotate, sub};
use common::SplitMix;

const LEVELS: usize = 3;
const SIZE: usize = 40;

#[test]
fn every_path_and_thread_count_packs_by_the_definition() {
    let (dimension, mut random) = (2, SplitMix(31));
    let standard = random.words(N * LEVELS * (dimension + 1) * SIZE);
    let key = PackingKey::prepare(&standard, LEVELS, dimension, SIZE).unwrap();
    for count in [0, 1, 5, SIZE] {
        let lwes = random.words(count * BIG_LWE);
        let expected = defined(&lwes, &standard, dimension);
        for path in Path::available() {
            for threads in [1, 2] {
                assert_eq!(key.pack(&lwes, threads, path).unwrap(), expected, "{path:?} {count} {threads}");
            }
        }
    }
}

#[test]
fn messages_become_coefficients() {
    let mut client = Client::new(1, 32);
    let glwe_key = client.random.bits(SIZE);
    let standard = noiseless_key(&mut client, &glwe_key);
    let key = PackingKey::prepare(&standard, LEVELS, 1, SIZE).unwrap();
    let messages: Vec<u64> = (0..SIZE as u64).map(|j| j % 16).collect();
    let lwes: Vec<u64> = messages.iter().flat_map(|&message| client.encrypt(message)).collect();
    let packed = key.pack(&lwes, 2, Path::best()).unwrap();
    let phase = sub(&packed[SIZE..], &multiply(&packed[..SIZE], &glwe_key));
    let decrypted: Vec<u64> = phase.iter().map(|word| word.wrapping_add(1 << 58) >> 59).collect();
    assert_eq!(decrypted, messages);
}

#[test]
fn too_many_ciphertexts_and_wrong_shapes_are_refused() {
    let key = PackingKey::prepare(&vec![0; N * LEVELS * 2 * 4], LEVELS, 1, 4).unwrap();
    let refused = key.pack(&vec![0; 5 * BIG_LWE], 1, Path::best()).unwrap_err();
    assert_eq!(refused.0, "5 ciphertexts, 4 fit into a polynomial");
    assert!(key.pack(&[0; 7], 1, Path::best()).is_err());
    assert!(PackingKey::prepare(&[], LEVELS, usize::MAX, 4).is_err());
    assert!(PackingKey::prepare(&[], LEVELS, 1, 0).is_err());
}

fn defined(lwes: &[u64], standard: &[u64], dimension: usize) -> Vec<u64> {
    let columns = (dimension + 1) * SIZE;
    let mut packed = vec![0; columns];
    for (degree, lwe) in lwes.chunks_exact(BIG_LWE).enumerate() {
        let mut glwe = vec![0u64; columns];
        glwe[dimension * SIZE] = lwe[N];
        for (input, rows) in standard.chunks_exact(LEVELS * columns).enumerate() {
            let digits = decompose(lwe[input], LEVELS, Tie::Positive);
            for (&digit, row) in digits.iter().zip(rows.chunks_exact(columns)) {
                let product: Vec<u64> = row.iter().map(|word| word.wrapping_mul(digit as u64)).collect();
                glwe = sub(&glwe, &product);
            }
        }
        let turned: Vec<u64> = glwe.chunks_exact(SIZE).flat_map(|part| rotate(part, degree)).collect();
        packed = add(&packed, &turned);
    }
    packed
}

/// Rows that encrypt s_i 2^(64 - 4 l) in the constant coefficient, least significant level first.
fn noiseless_key(client: &mut Client, glwe_key: &[u64]) -> Vec<u64> {
    let mut standard = Vec::new();
    for bit in client.big.clone() {
        for level in (1..=LEVELS).rev() {
            let mask = client.random.words(SIZE);
            let mut body = multiply(&mask, glwe_key);
            body[0] = body[0].wrapping_add(bit << (64 - 4 * level));
            standard.extend(mask);
            standard.extend(body);
        }
    }
    standard
}
