//! Prepared keys as bytes: attached without a copy, and refused when anything about them is wrong.

mod common;

use cipherstream_kernel::aligned::Aligned;
use cipherstream_kernel::batch::{bootstrap, keyswitch, LookUps};
use cipherstream_kernel::bootstrap_key::{BootstrapKey, STEP_WORDS};
use cipherstream_kernel::keyswitch::{KeyswitchKey, Target};
use cipherstream_kernel::packing::PackingKey;
use cipherstream_kernel::parameters::{BIG_LWE, N};
use cipherstream_kernel::path::Path;
use common::SplitMix;

/// Bytes on a cache line, as a mapped file has them, or one off.
struct Bytes(Aligned<u8>, usize);

impl Bytes {
    fn new(bytes: &[u8], shift: usize) -> Self {
        let mut aligned = Aligned::zeroed(bytes.len() + shift);
        aligned[shift..].copy_from_slice(bytes);
        Self(aligned, shift)
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0[self.1..]
    }
}

#[test]
fn an_attached_bootstrap_key_gives_the_same_bits() {
    let mut random = SplitMix(41);
    let key = BootstrapKey::prepare(&random.words(2 * STEP_WORDS), 2, Path::best()).unwrap();
    let tables: Vec<u64> = random.words(N).iter().map(|word| word >> 32 << 32).collect();
    let look_ups = LookUps { tables: &tables, table_of: &[0], reads: &[[0, 5]] };
    let run = |key: &BootstrapKey| bootstrap(&[100, 3000, 7], &look_ups, key, 1, Path::best()).unwrap();
    for shift in [0, 1] {
        let attached = BootstrapKey::attach(Bytes::new(key.bytes(), shift)).unwrap();
        assert_eq!(attached.dimension(), 2);
        assert!(attached.bytes() == key.bytes() && run(&attached) == run(&key));
    }
}

#[test]
fn bytes_on_a_cache_line_are_not_copied() {
    let key = BootstrapKey::prepare(&SplitMix(42).words(STEP_WORDS), 1, Path::best()).unwrap();
    for (shift, same_place) in [(0, true), (64, true), (8, false)] {
        let bytes = Bytes::new(key.bytes(), shift);
        let place = bytes.as_ref().as_ptr();
        let attached = BootstrapKey::attach(bytes).unwrap();
        assert_eq!(attached.bytes().as_ptr() == place, same_place);
    }
}

#[test]
fn an_attached_keyswitch_key_gives_the_same_words() {
    let mut random = SplitMix(43);
    let key = KeyswitchKey::prepare(&random.words(N * 4 * 3), 4, 3, Target::Lwe).unwrap();
    let lwes = random.words(2 * BIG_LWE);
    let attached = KeyswitchKey::attach(Bytes::new(key.bytes(), 0)).unwrap();
    let run = |key: &KeyswitchKey| keyswitch(&lwes, key, 1, Path::best()).unwrap();
    assert_eq!(run(&attached), run(&key));
}

#[test]
fn a_packing_key_knows_its_polynomials() {
    let mut random = SplitMix(44);
    let key = PackingKey::prepare(&random.words(N * 3 * 3 * 8), 3, 2, 8).unwrap();
    let lwes = random.words(3 * BIG_LWE);
    let attached = PackingKey::attach(Bytes::new(key.bytes(), 0)).unwrap();
    assert_eq!(attached.pack(&lwes, 1, Path::best()).unwrap(), key.pack(&lwes, 1, Path::best()).unwrap());
    let keyswitch_key = KeyswitchKey::prepare(&vec![0; N * 4 * 3], 4, 3, Target::Lwe).unwrap();
    assert!(PackingKey::attach(Bytes::new(keyswitch_key.bytes(), 0)).is_err());
}

#[test]
fn damaged_bytes_are_refused() {
    let key = BootstrapKey::prepare(&vec![0; STEP_WORDS], 1, Path::best()).unwrap();
    let whole = key.bytes();
    let refused = |bytes: &[u8]| BootstrapKey::attach(Bytes::new(bytes, 0)).is_err();
    let changed = |place: usize, value: u8| [&whole[..place], &[value], &whole[place + 1..]].concat();
    assert!(refused(&[]) && refused(&whole[..63]) && refused(&whole[..64]));
    assert!(refused(&whole[..whole.len() - 1]) && refused(&[whole, &[0]].concat()));
    assert!(refused(&changed(0, b'X')), "magic");
    assert!(refused(&changed(6, 2)), "version");
    assert!(refused(&changed(8, 0)) && refused(&changed(8, 2)) && refused(&changed(15, 255)), "dimension");
    assert!(refused(&changed(17, 16)), "polynomial size");
    assert!(refused(&changed(48, 1)), "payload length");
    assert!(KeyswitchKey::attach(Bytes::new(whole, 0)).is_err(), "another kind");
}

#[test]
fn a_keyswitch_key_with_an_absurd_header_is_refused() {
    let key = KeyswitchKey::prepare(&vec![0; N * 4 * 3], 4, 3, Target::Lwe).unwrap();
    let changed = |place: usize, value: u8| {
        let bytes = [&key.bytes()[..place], &[value], &key.bytes()[place + 1..]].concat();
        KeyswitchKey::attach(Bytes::new(&bytes, 0)).is_err()
    };
    assert!(changed(8, 0) && changed(8, 200) && changed(15, 1), "columns");
    assert!(changed(16, 1), "inputs");
    assert!(changed(24, 0) && changed(24, 5), "levels");
    assert!(changed(32, 2), "polynomial size");
}

#[test]
fn a_standard_key_of_the_wrong_length_is_refused() {
    let refused = BootstrapKey::prepare(&vec![0; STEP_WORDS - 1], 1, Path::best()).err().unwrap();
    assert_eq!(refused.0, "the bootstrap key has 8191 elements, 8192 are due");
    assert!(BootstrapKey::prepare(&[], 0, Path::best()).is_err());
}

#[test]
fn paths_have_names_and_unknown_ones_are_refused() {
    for path in Path::available() {
        assert_eq!(Path::named(path.name()), Ok(path));
    }
    assert_eq!(Path::available().last(), Some(&Path::Scalar));
    assert!(Path::named("altivec").is_err());
}
