//! Noise squashing: the form that the key-management network decrypts.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use tfhe::prelude::*;
use tfhe::{CompressedSquashedNoiseCiphertextList, CompressedSquashedNoiseCiphertextListBuilder, ServerKey};

use crate::bytes::{read_key, to_bytes, CT128_LIMIT};
use crate::errors::{guarded, Failure, Outcome};
use crate::pool::KeyPool;
use crate::value::{with_value, Value};

/// The full server key with the noise-squashing keys.
#[pyclass(frozen)]
pub struct SquashKey {
    pool: KeyPool,
}

#[pymethods]
impl SquashKey {
    #[staticmethod]
    #[pyo3(signature = (squash, threads = 1))]
    fn open(py: Python<'_>, squash: PathBuf, threads: usize) -> PyResult<Self> {
        let key = py.detach(|| {
            guarded(|| {
                let server: ServerKey = read_key(&squash)?;
                if !server.supports_noise_squashing() || !server.supports_noise_squashing_compression() {
                    return Err(Failure::KeyMaterial("the key has no noise-squashing part".to_owned()));
                }
                Ok(Self { pool: KeyPool::new(server, threads)? })
            })
        })?;
        Ok(key)
    }

    #[getter]
    fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Seconds of one table look-up now; see `KeyPool::lookup_seconds`.
    fn lookup_seconds(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(py.detach(|| self.pool.lookup_seconds())?)
    }

    /// The ct128 of a ct64, without re-randomisation: a compressed list of one element, or the bare element.
    #[pyo3(signature = (ct64, fhe_type, compressed = true))]
    fn squash<'py>(
        &self,
        py: Python<'py>,
        ct64: PyBackedBytes,
        fhe_type: u8,
        compressed: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let ct128 = py.detach(|| {
            self.pool.run(|| {
                if compressed {
                    squashed(&ct64, fhe_type)?.compressed()
                } else {
                    bare(&ct64, fhe_type)
                }
            })
        })?;
        Ok(PyBytes::new(py, &ct128))
    }

    /// What `squash` makes of a ct64 before it is compressed. With `compress` it is for measurements, which take
    /// the time of each alone.
    fn squash_alone(&self, py: Python<'_>, ct64: PyBackedBytes, fhe_type: u8) -> PyResult<Squashed> {
        Ok(py.detach(|| self.pool.run(|| squashed(&ct64, fhe_type)))?)
    }

    /// The compressed list that `squash` makes.
    fn compress<'py>(&self, py: Python<'py>, squashed: &Squashed) -> PyResult<Bound<'py, PyBytes>> {
        let ct128 = py.detach(|| self.pool.run(|| squashed.compressed()))?;
        Ok(PyBytes::new(py, &ct128))
    }
}

/// A list of one element that is not compressed yet.
#[pyclass(frozen)]
pub struct Squashed {
    list: CompressedSquashedNoiseCiphertextListBuilder,
}

impl Squashed {
    fn compressed(&self) -> Outcome<Vec<u8>> {
        to_bytes(&self.list.build().map_err(failed)?, CT128_LIMIT)
    }
}

fn squashed(ct64: &[u8], fhe_type: u8) -> Outcome<Squashed> {
    let mut list = CompressedSquashedNoiseCiphertextList::builder();
    with_value!(Value::decompress(ct64, fhe_type)?, inner => {
        list.push(inner.squash_noise().map_err(failed)?);
    });
    Ok(Squashed { list })
}

fn bare(ct64: &[u8], fhe_type: u8) -> Outcome<Vec<u8>> {
    with_value!(Value::decompress(ct64, fhe_type)?, inner => {
        to_bytes(&inner.squash_noise().map_err(failed)?, CT128_LIMIT)
    })
}

fn failed(error: tfhe::Error) -> Failure {
    Failure::Internal(format!("noise squashing: {error}"))
}
