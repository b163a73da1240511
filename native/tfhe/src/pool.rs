//! A thread pool that belongs to one key: its threads have the key set and nothing else runs on them.

use rayon::{ThreadPool, ThreadPoolBuilder};
use tfhe::{set_server_key, ServerKey};

use crate::errors::{guarded, Failure, Outcome};

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
}
