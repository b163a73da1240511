//! A thread pool that belongs to one key: its threads have the key set and nothing else runs on them.

use std::hint::black_box;
use std::time::Instant;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tfhe::{set_server_key, FheBool, Seed, ServerKey};

use crate::errors::{guarded, Failure, Outcome};

const LOOKUP_RUNS: usize = 3;

pub struct KeyPool {
    pool: ThreadPool,
}

impl KeyPool {
    pub fn new(key: ServerKey, threads: usize) -> Outcome<Self> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|index| format!("fhe-{index}"))
            .start_handler(move |_| set_server_key(key.clone()))
            .build()
            .map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(Self { pool })
    }

    pub fn run<T: Send>(&self, work: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
        guarded(|| self.pool.install(|| guarded(work)))
    }

    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Seconds of one table look-up on one thread, the least of a few: how slow this machine is.
    pub fn lookup_seconds(&self) -> Outcome<f64> {
        self.run(|| Ok((0..LOOKUP_RUNS).map(|_| timed_lookup()).fold(f64::INFINITY, f64::min)))
    }
}

/// A random bit is one bootstrap.
fn timed_lookup() -> f64 {
    let start = Instant::now();
    black_box(FheBool::generate_oblivious_pseudo_random(Seed(0)));
    start.elapsed().as_secs_f64()
}
