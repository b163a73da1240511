//! Noise squashing: the form that the key-management network decrypts.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use tfhe::prelude::*;
use tfhe::{CompressedSquashedNoiseCiphertextList, ServerKey};

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
        let ct128 = py.detach(|| self.pool.run(|| squashed(&ct64, fhe_type, compressed)))?;
        Ok(PyBytes::new(py, &ct128))
    }
}

fn squashed(ct64: &[u8], fhe_type: u8, compressed: bool) -> Outcome<Vec<u8>> {
    let failed = |error: tfhe::Error| Failure::Internal(format!("noise squashing: {error}"));
    let value = Value::decompress(ct64, fhe_type)?;
    let mut builder = CompressedSquashedNoiseCiphertextList::builder();
    with_value!(value, inner => {
        let squashed = inner.squash_noise().map_err(failed)?;
        if !compressed {
            return to_bytes(&squashed, CT128_LIMIT);
        }
        builder.push(squashed);
    });
    to_bytes(&builder.build().map_err(failed)?, CT128_LIMIT)
}
