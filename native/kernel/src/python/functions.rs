//! What needs no key of its own, and the whole path of a look-up.

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::arrays::{chosen, copied, halves_to_bytes, pairs, words_to_bytes};
use super::keys::{BootstrapKey, KeyswitchKey};
use crate::batch::{self, LookUps};
use crate::error::require;
use crate::path::Path;

/// The fastest instruction set of this machine: `avx512`, `avx2` or `scalar`.
#[pyfunction]
pub fn instruction_set() -> &'static str {
    Path::best().name()
}

/// All that this machine can run, fastest first; results do not depend on the choice.
#[pyfunction]
pub fn instruction_sets() -> Vec<&'static str> {
    Path::available().into_iter().map(Path::name).collect()
}

#[pyfunction]
pub fn modulus_switch<'py>(
    py: Python<'py>,
    small: PyBuffer<u64>,
    dimension: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let small = copied(py, &small)?;
    let whole = dimension > 0 && small.len().is_multiple_of(dimension.saturating_add(1));
    require(whole, || format!("{} words are not ciphertexts of dimension {dimension}", small.len()))?;
    Ok(halves_to_bytes(py, &batch::switch_all(&small, dimension)))
}

#[pyfunction]
#[pyo3(signature = (lwes, tables, table_of, reads, keyswitch_key, bootstrap_key, threads = 1, path = None))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments in Python")]
pub fn keyswitch_bootstrap<'py>(
    py: Python<'py>,
    lwes: PyBuffer<u64>,
    tables: PyBuffer<u64>,
    table_of: PyBuffer<u32>,
    reads: PyBuffer<u32>,
    keyswitch_key: &Bound<'py, KeyswitchKey>,
    bootstrap_key: &Bound<'py, BootstrapKey>,
    threads: usize,
    path: Option<String>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (lwes, tables) = (copied(py, &lwes)?, copied(py, &tables)?);
    let (table_of, reads) = (copied(py, &table_of)?, pairs(py, &reads)?);
    let path = chosen(path.as_deref())?;
    let (switch, rotate) = (&keyswitch_key.get().0, &bootstrap_key.get().0);
    let outputs = py.detach(|| {
        let look_ups = LookUps { tables: &tables, table_of: &table_of, reads: &reads };
        batch::keyswitch_bootstrap(&lwes, &look_ups, switch, rotate, threads, path)
    })?;
    Ok(words_to_bytes(py, &outputs))
}
