//! `bench [repetitions]`: milliseconds per ciphertext on one thread: the least and the median time, and the least
//! processor time, which a busy neighbour disturbs less. Pin it from outside.
//!
//! `cargo run --release -p cipherstream-kernel --no-default-features --example bench`

use std::time::{Duration, Instant};

use cipherstream_kernel::batch::{bootstrap, keyswitch, keyswitch_bootstrap, LookUps};
use cipherstream_kernel::bootstrap_key::{BootstrapKey, STEP_WORDS};
use cipherstream_kernel::keyswitch::{KeyswitchKey, Target};
use cipherstream_kernel::parameters::{BIG_LWE, N};
use cipherstream_kernel::path::Path;
use cipherstream_kernel::re_randomising::ReRandomisingKey;

const DIMENSION: usize = 918;
const LEVELS: usize = 4;
const BATCHES: [usize; 4] = [1, 8, 16, 32];
/// A bit, and 1, 3 and 12 numbers of 64 bits.
const RE_RANDOMISED: [usize; 4] = [1, 32, 96, 384];

fn main() {
    let repetitions =
        std::env::args().nth(1).map_or(5, |count| count.parse().expect("a number of repetitions"));
    let mut random = Words(5);
    let standard = random.take(DIMENSION * STEP_WORDS);
    let bootstrap_key = BootstrapKey::prepare(&standard, DIMENSION, Path::best()).expect("a whole key");
    let standard = random.take(N * LEVELS * (DIMENSION + 1));
    let keyswitch_key =
        KeyswitchKey::prepare(&standard, LEVELS, DIMENSION + 1, Target::Lwe).expect("a whole key");
    let tables: Vec<u64> = random.take(N).iter().map(|word| word >> 32 << 32).collect();
    for path in Path::available().into_iter().filter(|path| *path != Path::Scalar) {
        for batch in BATCHES {
            let lwes = random.take(batch * BIG_LWE);
            let amounts: Vec<u16> =
                random.take(batch * (DIMENSION + 1)).iter().map(|word| (word >> 52) as u16).collect();
            let table_of = vec![0; batch];
            let reads: Vec<[u32; 2]> = (0..batch as u32).map(|ciphertext| [ciphertext, 0]).collect();
            let look_ups = LookUps { tables: &tables, table_of: &table_of, reads: &reads };
            let label = |what: &str| format!("{} {what} batch {batch}", path.name());
            measure(&label("keyswitch"), repetitions, batch, || {
                keyswitch(&lwes, &keyswitch_key, 1, path).expect("a batch");
            });
            measure(&label("bootstrap"), repetitions, batch, || {
                bootstrap(&amounts, &look_ups, &bootstrap_key, 1, path).expect("a batch");
            });
            measure(&label("keyswitch and bootstrap"), repetitions, batch, || {
                keyswitch_bootstrap(&lwes, &look_ups, &keyswitch_key, &bootstrap_key, 1, path)
                    .expect("a batch");
            });
        }
    }
    re_randomising(&mut random, repetitions);
}

fn re_randomising(random: &mut Words, repetitions: usize) {
    let key = ReRandomisingKey::attach(random.take(N * BIG_LWE)).expect("a whole key");
    for path in Path::available() {
        for batch in RE_RANDOMISED {
            let lwes = random.take(batch * BIG_LWE);
            let label = format!("{} re-randomising batch {batch}", path.name());
            measure(&label, repetitions, batch, || {
                key.switch(&lwes, 1, path).expect("a batch");
            });
        }
    }
}

/// SplitMix64.
struct Words(u64);

impl Words {
    fn take(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.word()).collect()
    }

    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d049bb133111eb);
        mixed ^ (mixed >> 31)
    }
}

fn measure(label: &str, repetitions: usize, batch: usize, mut work: impl FnMut()) {
    work();
    let (mut wall, mut processor) = (Vec::new(), Vec::new());
    for _ in 0..repetitions {
        let (started, used) = (Instant::now(), processor_time());
        work();
        processor.push((processor_time() - used).as_secs_f64() * 1e3 / batch as f64);
        wall.push(started.elapsed().as_secs_f64() * 1e3 / batch as f64);
    }
    wall.sort_by(f64::total_cmp);
    processor.sort_by(f64::total_cmp);
    let (least, median, used) = (wall[0], wall[repetitions / 2], processor[0]);
    println!("{label:40} min {least:7.3}  median {median:7.3}  processor {used:7.3} ms per ciphertext");
}

/// Time for which this thread has run.
#[cfg(target_os = "linux")]
fn processor_time() -> Duration {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }
    const CLOCK_THREAD_CPUTIME_ID: i32 = 3;
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    assert_eq!(unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.seconds as u64, time.nanoseconds as u32)
}

#[cfg(not(target_os = "linux"))]
fn processor_time() -> Duration {
    Duration::ZERO
}
