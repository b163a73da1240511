//! Noise squashing as Python objects. Words of 128 bits cross the border as pairs of u64, the low one first.

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::arrays::{chosen, copied, wide, wide_to_bytes, words_to_bytes, ReadOnly};
use super::keys::KeyswitchKey;
use crate::squash::{key, packing, squash};

#[pyclass(frozen, module = "cipherstream_kernel")]
pub struct SquashingKey(key::SquashingKey);

#[pymethods]
impl SquashingKey {
    #[staticmethod]
    fn header(py: Python<'_>, dimension: usize) -> PyResult<Bound<'_, PyBytes>> {
        Ok(PyBytes::new(py, &key::key_header(dimension)?))
    }

    #[staticmethod]
    #[pyo3(signature = (standard, path = None))]
    fn transform(py: Python<'_>, standard: PyBuffer<u64>, path: Option<String>) -> PyResult<Bound<'_, PyBytes>> {
        let (standard, path) = (wide(py, &standard)?, chosen(path.as_deref())?);
        let steps = py.detach(|| key::transform_steps(&standard, path))?;
        let bytes = unsafe { std::slice::from_raw_parts(steps.as_ptr().cast(), size_of_val(&*steps)) };
        Ok(PyBytes::new(py, bytes))
    }

    #[staticmethod]
    fn attach(prepared: PyBuffer<u8>) -> PyResult<Self> {
        Ok(Self(key::SquashingKey::attach(ReadOnly::new(prepared)?)?))
    }

    #[getter]
    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    #[pyo3(signature = (lwes, keyswitch_key, threads = 1, path = None))]
    fn squash<'py>(
        &self,
        py: Python<'py>,
        lwes: PyBuffer<u64>,
        keyswitch_key: &Bound<'py, KeyswitchKey>,
        threads: usize,
        path: Option<String>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (lwes, path) = (copied(py, &lwes)?, chosen(path.as_deref())?);
        let switch = &keyswitch_key.get().0;
        let outputs = py.detach(|| squash(&lwes, switch, &self.0, threads, path))?;
        Ok(wide_to_bytes(py, &outputs))
    }
}

#[pyclass(frozen, module = "cipherstream_kernel")]
pub struct WidePackingKey(packing::WidePackingKey);

#[pymethods]
impl WidePackingKey {
    #[staticmethod]
    fn header(py: Python<'_>, dimension: usize, polynomial_size: usize) -> PyResult<Bound<'_, PyBytes>> {
        Ok(PyBytes::new(py, &packing::packing_header(dimension, polynomial_size)?))
    }

    #[staticmethod]
    fn transform(
        py: Python<'_>,
        standard: PyBuffer<u64>,
        dimension: usize,
        polynomial_size: usize,
    ) -> PyResult<Bound<'_, PyBytes>> {
        let standard = wide(py, &standard)?;
        let words = py.detach(|| packing::transform_chunk(&standard, dimension, polynomial_size))?;
        Ok(words_to_bytes(py, &words))
    }

    #[staticmethod]
    fn attach(prepared: PyBuffer<u8>) -> PyResult<Self> {
        Ok(Self(packing::WidePackingKey::attach(ReadOnly::new(prepared)?)?))
    }

    #[pyo3(signature = (lwes, threads = 1, path = None))]
    fn pack<'py>(
        &self,
        py: Python<'py>,
        lwes: PyBuffer<u64>,
        threads: usize,
        path: Option<String>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (lwes, path) = (wide(py, &lwes)?, chosen(path.as_deref())?);
        let packed = py.detach(|| self.0.pack(&lwes, threads, path))?;
        Ok(wide_to_bytes(py, &packed))
    }
}
