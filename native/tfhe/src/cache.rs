//! Decompressed ciphertexts: decompressing costs as many look-ups as an addition, and an operand is often the
//! result of the operation before. The same bytes always decompress to the same ciphertext.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::errors::Outcome;
use crate::value::Value;

pub struct Cache {
    bytes_max: usize,
    shelf: Mutex<Shelf>,
}

struct Shelf {
    /// By the stored bytes.
    values: LruCache<Vec<u8>, Arc<Value>>,
    bytes: usize,
    hits: u64,
    misses: u64,
}

impl Cache {
    /// A cache that holds values of `bytes_max` in all; none for 0.
    pub fn new(bytes_max: usize) -> Self {
        let shelf = Shelf { values: LruCache::unbounded(), bytes: 0, hits: 0, misses: 0 };
        Self { bytes_max, shelf: Mutex::new(shelf) }
    }

    /// The value of a ct64, which must be one element of exactly `fhe_type`.
    pub fn decompressed(&self, ct64: &[u8], fhe_type: u8) -> Outcome<Value> {
        if let Some(value) = self.shelf().find(ct64) {
            return value.checked(fhe_type).map(|()| (*value).clone());
        }
        // Not under the lock: two threads may do the same, with the same outcome.
        let value = Arc::new(Value::decompress(ct64, fhe_type)?);
        self.shelf().put(ct64, Arc::clone(&value), self.bytes_max);
        Ok((*value).clone())
    }

    /// How often a value was there, and how often it was not.
    pub fn counts(&self) -> (u64, u64) {
        let shelf = self.shelf();
        (shelf.hits, shelf.misses)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Every change of the shelf is whole, so a panic elsewhere leaves it usable.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn find(&mut self, ct64: &[u8]) -> Option<Arc<Value>> {
        let found = self.values.get(ct64).cloned();
        match found {
            Some(_) => self.hits += 1,
            None => self.misses += 1,
        }
        found
    }

    fn put(&mut self, ct64: &[u8], value: Arc<Value>, bytes_max: usize) {
        let bytes = value.bytes();
        if bytes > bytes_max {
            return;
        }
        self.bytes += bytes;
        if let Some(old) = self.values.put(ct64.to_vec(), value) {
            self.bytes -= old.bytes();
        }
        while self.bytes > bytes_max {
            let Some((_, dropped)) = self.values.pop_lru() else { return };
            self.bytes -= dropped.bytes();
        }
    }
}
