//! Decrypting squashed ciphertexts: needs the client key and nothing else.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use tfhe::integer::U256;
use tfhe::prelude::*;
use tfhe::{CompressedSquashedNoiseCiphertextList, SquashedNoiseFheBool, SquashedNoiseFheUint};

use crate::bytes::{be_bytes, flag_bytes, from_bytes};
use crate::errors::{detached, text, Outcome};

/// The secret of a single-party key set. Has no attribute and no `repr` that shows it.
#[pyclass(frozen)]
pub struct ClientKey {
    key: tfhe::ClientKey,
}

#[pymethods]
impl ClientKey {
    #[new]
    fn new(py: Python<'_>, client_key: PyBackedBytes) -> PyResult<Self> {
        Ok(Self { key: detached(py, || from_bytes(&client_key))? })
    }

    /// The clear value, 32 bytes big-endian, of a one-element squashed list or of a bare squashed element.
    #[pyo3(signature = (ct128, fhe_type, compressed = true))]
    fn decrypt_ct128<'py>(
        &self,
        py: Python<'py>,
        ct128: PyBackedBytes,
        fhe_type: u8,
        compressed: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let clear = detached(py, || if compressed { self.listed(&ct128, fhe_type) } else { self.bare(&ct128, fhe_type) })?;
        Ok(PyBytes::new(py, &clear))
    }
}

impl ClientKey {
    fn listed(&self, ct128: &[u8], fhe_type: u8) -> Outcome<[u8; 32]> {
        let list: CompressedSquashedNoiseCiphertextList = from_bytes(ct128)?;
        if list.len() != 1 {
            return Err(format!("a ct128 has one element, this one has {}", list.len()));
        }
        if fhe_type == 0 {
            return Ok(self.flag(&list.get(0).map_err(text)?.ok_or("empty list")?));
        }
        Ok(self.number(&list.get(0).map_err(text)?.ok_or("empty list")?))
    }

    fn bare(&self, ct128: &[u8], fhe_type: u8) -> Outcome<[u8; 32]> {
        if fhe_type == 0 {
            return Ok(self.flag(&from_bytes(ct128)?));
        }
        Ok(self.number(&from_bytes(ct128)?))
    }

    fn flag(&self, value: &SquashedNoiseFheBool) -> [u8; 32] {
        flag_bytes(value.decrypt(&self.key))
    }

    fn number(&self, value: &SquashedNoiseFheUint) -> [u8; 32] {
        let clear: U256 = value.decrypt(&self.key);
        be_bytes(clear)
    }
}
