//! Prepared keys as Python objects: from arrays, to bytes, and attached to mapped bytes.

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::arrays::{chosen, copied, pairs, words_to_bytes, ReadOnly};
use crate::batch::{bootstrap, keyswitch, LookUps};
use crate::keyswitch::Target;
use crate::{bootstrap_key, keyswitch as keyswitch_object, packing};

#[pyclass(frozen, module = "cipherstream_kernel")]
pub struct BootstrapKey(pub bootstrap_key::BootstrapKey);

#[pymethods]
impl BootstrapKey {
    #[staticmethod]
    #[pyo3(signature = (standard, dimension, path = None))]
    fn prepare(
        py: Python<'_>,
        standard: PyBuffer<u64>,
        dimension: usize,
        path: Option<String>,
    ) -> PyResult<Self> {
        let (standard, path) = (copied(py, &standard)?, chosen(path.as_deref())?);
        Ok(Self(py.detach(|| bootstrap_key::BootstrapKey::prepare(&standard, dimension, path))?))
    }

    #[staticmethod]
    fn attach(prepared: PyBuffer<u8>) -> PyResult<Self> {
        Ok(Self(bootstrap_key::BootstrapKey::attach(ReadOnly::new(prepared)?)?))
    }

    #[getter]
    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.bytes())
    }

    #[pyo3(signature = (amounts, tables, table_of, reads, threads = 1, path = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    fn bootstrap<'py>(
        &self,
        py: Python<'py>,
        amounts: PyBuffer<u16>,
        tables: PyBuffer<u64>,
        table_of: PyBuffer<u32>,
        reads: PyBuffer<u32>,
        threads: usize,
        path: Option<String>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (amounts, tables) = (copied(py, &amounts)?, copied(py, &tables)?);
        let (table_of, reads) = (copied(py, &table_of)?, pairs(py, &reads)?);
        let path = chosen(path.as_deref())?;
        let look_ups = LookUps { tables: &tables, table_of: &table_of, reads: &reads };
        let outputs = py.detach(|| bootstrap(&amounts, &look_ups, &self.0, threads, path))?;
        Ok(words_to_bytes(py, &outputs))
    }
}

#[pyclass(frozen, module = "cipherstream_kernel")]
pub struct KeyswitchKey(pub keyswitch_object::KeyswitchKey);

#[pymethods]
impl KeyswitchKey {
    #[staticmethod]
    #[pyo3(signature = (standard, dimension, levels = 4))]
    fn prepare(py: Python<'_>, standard: PyBuffer<u64>, dimension: usize, levels: usize) -> PyResult<Self> {
        let standard = copied(py, &standard)?;
        let columns = dimension.saturating_add(1);
        let key =
            py.detach(|| keyswitch_object::KeyswitchKey::prepare(&standard, levels, columns, Target::Lwe))?;
        Ok(Self(key))
    }

    #[staticmethod]
    fn attach(prepared: PyBuffer<u8>) -> PyResult<Self> {
        Ok(Self(keyswitch_object::KeyswitchKey::attach(ReadOnly::new(prepared)?)?))
    }

    #[getter]
    fn dimension(&self) -> usize {
        self.0.columns() - 1
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.bytes())
    }

    #[pyo3(signature = (lwes, threads = 1, path = None))]
    fn keyswitch<'py>(
        &self,
        py: Python<'py>,
        lwes: PyBuffer<u64>,
        threads: usize,
        path: Option<String>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (lwes, path) = (copied(py, &lwes)?, chosen(path.as_deref())?);
        let small = py.detach(|| keyswitch(&lwes, &self.0, threads, path))?;
        Ok(words_to_bytes(py, &small))
    }
}

#[pyclass(frozen, module = "cipherstream_kernel")]
pub struct PackingKey(packing::PackingKey);

#[pymethods]
impl PackingKey {
    #[staticmethod]
    fn prepare(
        py: Python<'_>,
        standard: PyBuffer<u64>,
        dimension: usize,
        polynomial_size: usize,
        levels: usize,
    ) -> PyResult<Self> {
        let standard = copied(py, &standard)?;
        let prepared =
            py.detach(|| packing::PackingKey::prepare(&standard, levels, dimension, polynomial_size))?;
        Ok(Self(prepared))
    }

    #[staticmethod]
    fn attach(prepared: PyBuffer<u8>) -> PyResult<Self> {
        Ok(Self(packing::PackingKey::attach(ReadOnly::new(prepared)?)?))
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.bytes())
    }

    #[pyo3(signature = (lwes, threads = 1, path = None))]
    fn pack<'py>(
        &self,
        py: Python<'py>,
        lwes: PyBuffer<u64>,
        threads: usize,
        path: Option<String>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (lwes, path) = (copied(py, &lwes)?, chosen(path.as_deref())?);
        let glwe = py.detach(|| self.0.pack(&lwes, threads, path))?;
        Ok(words_to_bytes(py, &glwe))
    }
}
