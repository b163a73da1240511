//! Arrays across the border: copied on the way in, because others may write to them while no lock is held.

use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::{Outcome, Refused};
use crate::path::Path;

impl From<Refused> for PyErr {
    fn from(refused: Refused) -> Self {
        PyValueError::new_err(refused.0)
    }
}

/// The elements in row-major order.
pub fn copied<T: Element>(py: Python<'_>, array: &PyBuffer<T>) -> PyResult<Vec<T>> {
    array.to_vec(py)
}

/// Pairs from an array of shape (count, 2), or a flat one.
pub fn pairs(py: Python<'_>, array: &PyBuffer<u32>) -> PyResult<Vec<[u32; 2]>> {
    let flat = copied(py, array)?;
    if flat.len() % 2 == 1 {
        return Err(PyValueError::new_err("reads are pairs of a ciphertext and a coefficient"));
    }
    Ok(flat.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect())
}

/// Words of 128 bits from pairs of u64, the low one first.
pub fn wide(py: Python<'_>, array: &PyBuffer<u64>) -> PyResult<Vec<u128>> {
    let halves = copied(py, array)?;
    if halves.len() % 2 == 1 {
        return Err(PyValueError::new_err("words of 128 bits are pairs of u64"));
    }
    Ok(halves.chunks_exact(2).map(|pair| u128::from(pair[0]) | u128::from(pair[1]) << 64).collect())
}

pub fn wide_to_bytes<'py>(py: Python<'py>, words: &[u128]) -> Bound<'py, PyBytes> {
    let bytes = unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) };
    PyBytes::new(py, bytes)
}

/// Little-endian words.
pub fn words_to_bytes<'py>(py: Python<'py>, words: &[u64]) -> Bound<'py, PyBytes> {
    let bytes = unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) };
    PyBytes::new(py, bytes)
}

pub fn halves_to_bytes<'py>(py: Python<'py>, words: &[u16]) -> Bound<'py, PyBytes> {
    let bytes = unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) };
    PyBytes::new(py, bytes)
}

/// The instruction set that was asked for, or the fastest.
pub fn chosen(path: Option<&str>) -> Outcome<Path> {
    path.map_or_else(|| Ok(Path::best()), Path::named)
}

/// A buffer that its owner cannot write, kept for as long as a key uses it.
pub struct ReadOnly<T: Element>(PyBuffer<T>);

impl<T: Element> ReadOnly<T> {
    pub fn new(buffer: PyBuffer<T>) -> PyResult<Self> {
        if !buffer.readonly() || !buffer.is_c_contiguous() {
            return Err(PyValueError::new_err("a prepared key is attached from read-only contiguous bytes"));
        }
        Ok(Self(buffer))
    }
}

impl<T: Element> AsRef<[T]> for ReadOnly<T> {
    fn as_ref(&self) -> &[T] {
        if self.0.len_bytes() == 0 {
            return &[];
        }
        // Contiguous, aligned and read-only, and the buffer keeps its owner alive.
        unsafe { std::slice::from_raw_parts(self.0.buf_ptr().cast(), self.0.item_count()) }
    }
}
