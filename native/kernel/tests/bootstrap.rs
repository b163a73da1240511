//! Whole look-ups with the real parameters: decrypted values, noise, and equal bits whatever the path, the threads,
//! the batch and the place in it.

mod common;

use std::sync::OnceLock;

use cipherstream_kernel::batch::{keyswitch_bootstrap, LookUps};
use cipherstream_kernel::bootstrap_key::BootstrapKey;
use cipherstream_kernel::keyswitch::{KeyswitchKey, Target};
use cipherstream_kernel::parameters::BIG_LWE;
use cipherstream_kernel::path::Path;
use common::client::{phase, table, Client, MESSAGE_SHIFT};

const DIMENSION: usize = 918;
const BATCH: usize = 16;
/// Twelve standard deviations of 2^49.2.
const LARGEST_NOISE: i64 = 7 << 50;

struct Fixture {
    client: Client,
    keyswitch_key: KeyswitchKey,
    bootstrap_key: BootstrapKey,
    /// `[message 16][N + 1]`
    lwes: Vec<u64>,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let mut client = Client::new(DIMENSION, 1);
        let bootstrap_key = BootstrapKey::prepare(&client.bootstrap_key(), DIMENSION, Path::best()).unwrap();
        let keyswitch_key =
            KeyswitchKey::prepare(&client.keyswitch_key(), 4, DIMENSION + 1, Target::Lwe).unwrap();
        let lwes = (0..BATCH as u64).flat_map(|message| client.encrypt(message)).collect();
        Fixture { client, keyswitch_key, bootstrap_key, lwes }
    })
}

impl Fixture {
    fn run(&self, lwes: &[u64], look_ups: &LookUps<'_>, threads: usize, path: Path) -> Vec<u64> {
        keyswitch_bootstrap(lwes, look_ups, &self.keyswitch_key, &self.bootstrap_key, threads, path).unwrap()
    }
}

fn square(message: u64) -> u64 {
    message * message % 16
}

fn successor(message: u64) -> u64 {
    (message + 1) % 16
}

fn reads(batch: usize, position: u32) -> Vec<[u32; 2]> {
    (0..batch as u32).map(|ciphertext| [ciphertext, position]).collect()
}

#[test]
fn each_ciphertext_gets_its_table() {
    let fixture = fixture();
    let tables = [table(square), table(successor)].concat();
    let table_of: Vec<u32> = (0..BATCH as u32).map(|ciphertext| ciphertext % 2).collect();
    let look_ups = LookUps { tables: &tables, table_of: &table_of, reads: &reads(BATCH, 0) };
    let outputs = fixture.run(&fixture.lwes, &look_ups, 2, Path::best());
    for (message, lwe) in (0..).zip(outputs.chunks_exact(BIG_LWE)) {
        let expected = if message % 2 == 0 { square(message) } else { successor(message) };
        assert_eq!(fixture.client.decrypt(lwe), expected, "{message}");
        let error = phase(&fixture.client.big, lwe).wrapping_sub(expected << MESSAGE_SHIFT) as i64;
        assert!(error.abs() < LARGEST_NOISE, "{message}: {error}");
    }
}

/// Two functions of 0..8 side by side: one bootstrap reads both.
#[test]
fn one_bootstrap_answers_several_functions() {
    let fixture = fixture();
    let tables = table(|place| if place < 8 { square(place) } else { successor(place - 8) });
    let both: Vec<[u32; 2]> = (0..8).flat_map(|ciphertext| [[ciphertext, 0], [ciphertext, 1024]]).collect();
    let look_ups = LookUps { tables: &tables, table_of: &[0; 8], reads: &both };
    let outputs = fixture.run(&fixture.lwes[..8 * BIG_LWE], &look_ups, 1, Path::best());
    let decrypted: Vec<u64> = outputs.chunks_exact(BIG_LWE).map(|lwe| fixture.client.decrypt(lwe)).collect();
    let expected: Vec<u64> = (0..8).flat_map(|message| [square(message), successor(message)]).collect();
    assert_eq!(decrypted, expected);
}

#[test]
fn bits_do_not_depend_on_path_threads_batch_or_place() {
    let fixture = fixture();
    let tables = table(square);
    let look_ups = LookUps { tables: &tables, table_of: &[0; BATCH], reads: &reads(BATCH, 0) };
    let expected = fixture.run(&fixture.lwes, &look_ups, 1, Path::best());
    assert_eq!(fixture.run(&fixture.lwes, &look_ups, 3, Path::best()), expected);
    let two = LookUps { tables: &tables, table_of: &[0; 2], reads: &reads(2, 0) };
    let lwes = &fixture.lwes[5 * BIG_LWE..7 * BIG_LWE];
    for path in Path::available() {
        let outputs = fixture.run(lwes, &two, 1, path);
        assert!(outputs == expected[5 * BIG_LWE..7 * BIG_LWE], "{path:?}");
    }
    let one = LookUps { tables: &tables, table_of: &[0], reads: &[[0, 0]] };
    let outputs = fixture.run(&fixture.lwes[6 * BIG_LWE..7 * BIG_LWE], &one, 1, Path::best());
    assert!(outputs == expected[6 * BIG_LWE..7 * BIG_LWE]);
}

#[test]
fn look_ups_of_a_wrong_shape_are_refused() {
    let fixture = fixture();
    let tables = table(square);
    let refusal = |look_ups: LookUps<'_>| {
        let lwes = &fixture.lwes[..2 * BIG_LWE];
        let (switch, rotate) = (&fixture.keyswitch_key, &fixture.bootstrap_key);
        keyswitch_bootstrap(lwes, &look_ups, switch, rotate, 1, Path::best()).unwrap_err().0
    };
    let good = reads(2, 0);
    let table_of: &[u32] = &[0, 0];
    assert!(refusal(LookUps { tables: &tables[1..], table_of, reads: &good }).contains("tables"));
    assert!(refusal(LookUps { tables: &tables, table_of: &[0], reads: &good }).contains("choice"));
    assert!(refusal(LookUps { tables: &tables, table_of: &[0, 1], reads: &good }).contains("no such table"));
    assert!(refusal(LookUps { tables: &tables, table_of, reads: &[[2, 0]] }).contains("outside"));
    assert!(refusal(LookUps { tables: &tables, table_of, reads: &[[0, 2048]] }).contains("outside"));
    assert!(refusal(LookUps { tables: &tables, table_of, reads: &[[1, 0], [0, 0]] }).contains("order"));
    let fine: Vec<u64> = tables.iter().map(|word| word + 1).collect();
    assert!(refusal(LookUps { tables: &fine, table_of, reads: &good }).contains("too fine"));
}
