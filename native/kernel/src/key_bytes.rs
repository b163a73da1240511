//! A prepared key as one run of bytes that can be written to a file and mapped again.
//!
//! `[header 64 bytes][payload]`; header: magic (8 bytes), five little-endian u64 of the key's shape, the payload's
//! length in bytes, one u64 of zero. The payload starts on a cache line.

use crate::aligned::{Aligned, LINE_BYTES};
use crate::error::{require, Outcome};

#[cfg(target_endian = "big")]
compile_error!("prepared keys are little endian");

pub const HEADER_BYTES: usize = LINE_BYTES;
const MAGIC_BYTES: usize = 8;
const SHAPE_WORDS: usize = 5;

pub type Magic = [u8; MAGIC_BYTES];
pub type Shape = [u64; SHAPE_WORDS];

/// Read-only bytes that live as long as the object, a mapped file for instance.
pub trait Foreign: AsRef<[u8]> + Send + Sync {}
impl<T: AsRef<[u8]> + Send + Sync> Foreign for T {}

pub struct KeyBytes(Place);

enum Place {
    Owned(Aligned<u8>),
    Foreign(Box<dyn Foreign>),
}

impl KeyBytes {
    /// A key with a payload of zeros.
    pub fn zeroed(magic: &Magic, shape: &Shape, payload_bytes: usize) -> Self {
        let mut bytes = Aligned::zeroed(HEADER_BYTES + payload_bytes);
        bytes[..HEADER_BYTES].copy_from_slice(&header(magic, shape, payload_bytes));
        Self(Place::Owned(bytes))
    }

    /// Takes bytes as they are where they lie on a cache line, and copies them otherwise.
    pub fn attach(bytes: impl Foreign + 'static) -> Self {
        let found = bytes.as_ref();
        if found.as_ptr().align_offset(LINE_BYTES) == 0 {
            return Self(Place::Foreign(Box::new(bytes)));
        }
        let mut copy = Aligned::zeroed(found.len());
        copy.copy_from_slice(found);
        Self(Place::Owned(copy))
    }

    /// The shape, if the magic and the length are right.
    pub fn shape(&self, magic: &Magic) -> Outcome<Shape> {
        let bytes = self.bytes();
        require(bytes.len() >= HEADER_BYTES, || format!("a prepared key of {} bytes", bytes.len()))?;
        require(bytes[..MAGIC_BYTES] == *magic, || "not a prepared key of this kind and version".into())?;
        let mut words = bytes[MAGIC_BYTES..HEADER_BYTES].chunks_exact(8).map(le_word);
        let shape = std::array::from_fn(|_| words.next().unwrap_or_default());
        let payload = (bytes.len() - HEADER_BYTES) as u64;
        require(words.next() == Some(payload), || "the prepared key is cut or has a tail".into())?;
        Ok(shape)
    }

    /// Fails unless the payload has exactly this length.
    pub fn require_payload(&self, expected: usize) -> Outcome<()> {
        let found = self.payload().len();
        require(found == expected, || format!("a payload of {found} bytes, {expected} are due"))
    }

    /// Header and payload.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Place::Owned(bytes) => bytes,
            Place::Foreign(bytes) => (**bytes).as_ref(),
        }
    }

    pub fn payload(&self) -> &[u8] {
        &self.bytes()[HEADER_BYTES..]
    }

    /// The payload as numbers; all bit patterns are numbers.
    pub fn payload_f64(&self) -> &[f64] {
        let bytes = self.payload();
        debug_assert!(bytes.as_ptr().align_offset(LINE_BYTES) == 0);
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<f64>()) }
    }

    /// The payload as words.
    pub fn payload_u64(&self) -> &[u64] {
        let bytes = self.payload();
        debug_assert!(bytes.as_ptr().align_offset(LINE_BYTES) == 0);
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<u64>()) }
    }

    /// The payload of a key that is being prepared; empty for foreign bytes.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Place::Owned(bytes) => &mut bytes[HEADER_BYTES..],
            Place::Foreign(_) => &mut [],
        }
    }

    pub fn payload_f64_mut(&mut self) -> &mut [f64] {
        let bytes = self.payload_mut();
        unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len() / size_of::<f64>()) }
    }
}

/// What stands before a payload of that many bytes.
pub fn header(magic: &Magic, shape: &Shape, payload_bytes: usize) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let fields = header[MAGIC_BYTES..].chunks_exact_mut(8);
    for (word, field) in shape.iter().copied().chain([payload_bytes as u64]).zip(fields) {
        field.copy_from_slice(&word.to_le_bytes());
    }
    header[..MAGIC_BYTES].copy_from_slice(magic);
    header
}

fn le_word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}
