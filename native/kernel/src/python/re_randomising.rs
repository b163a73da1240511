//! Re-randomisation as a Python object, whose words stay where they are.

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::arrays::{chosen, copied, words_to_bytes, ReadOnly};
use crate::re_randomising;

#[pyclass(frozen, module = "cipherstream_kernel")]
pub struct ReRandomisingKey(re_randomising::ReRandomisingKey);

#[pymethods]
impl ReRandomisingKey {
    #[staticmethod]
    fn attach(standard: PyBuffer<u64>) -> PyResult<Self> {
        Ok(Self(re_randomising::ReRandomisingKey::attach(ReadOnly::new(standard)?)?))
    }

    #[pyo3(signature = (lwes, threads = 1, path = None))]
    fn switch<'py>(
        &self,
        py: Python<'py>,
        lwes: PyBuffer<u64>,
        threads: usize,
        path: Option<String>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (lwes, path) = (copied(py, &lwes)?, chosen(path.as_deref())?);
        let switched = py.detach(|| self.0.switch(&lwes, threads, path))?;
        Ok(words_to_bytes(py, &switched))
    }
}
