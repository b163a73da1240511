//! Stored ciphertexts from clear values and back, for tests and key checks.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use tfhe::integer::U256;
use tfhe::prelude::*;
use tfhe::{
    set_server_key, ClientKey, CompressedCiphertextList, CompressedCiphertextListBuilder, FheBool, FheTypes,
    FheUint128, FheUint16, FheUint160, FheUint256, FheUint32, FheUint4, FheUint64, FheUint8, ServerKey,
};

use crate::bytes::{be_bytes, flag_bytes, from_bytes, read_key, to_bytes, wide};
use crate::errors::{detached, text, Outcome};

/// Client key and compute key together: the compression keys of a ct64 are server keys.
#[pyclass(frozen)]
pub struct SampleKey {
    key: ClientKey,
    server: ServerKey,
}

#[pymethods]
impl SampleKey {
    #[staticmethod]
    fn open(py: Python<'_>, client_key: PyBackedBytes, compute: PathBuf) -> PyResult<Self> {
        detached(py, || Ok(Self { key: from_bytes(&client_key)?, server: read_key(&compute)? }))
    }

    /// The ct64 of a clear value (32 bytes big-endian).
    fn encrypt_ct64<'py>(&self, py: Python<'py>, fhe_type: u8, clear: [u8; 32]) -> PyResult<Bound<'py, PyBytes>> {
        let ct64 = detached(py, || self.encrypted(fhe_type, &clear))?;
        Ok(PyBytes::new(py, &ct64))
    }

    /// Type and clear value (32 bytes big-endian) of a ct64.
    fn decrypt_ct64<'py>(&self, py: Python<'py>, ct64: PyBackedBytes) -> PyResult<(u8, Bound<'py, PyBytes>)> {
        let (fhe_type, clear) = detached(py, || self.decrypted(&ct64))?;
        Ok((fhe_type, PyBytes::new(py, &clear)))
    }
}

macro_rules! by_type {
    ($code:expr, $typed:ident) => {
        match $code {
            1 => $typed!(FheUint4),
            2 => $typed!(FheUint8),
            3 => $typed!(FheUint16),
            4 => $typed!(FheUint32),
            5 => $typed!(FheUint64),
            6 => $typed!(FheUint128),
            7 => $typed!(FheUint160),
            8 => $typed!(FheUint256),
            other => return Err(format!("type {other} is not supported")),
        }
    };
}

impl SampleKey {
    fn encrypted(&self, fhe_type: u8, clear: &[u8; 32]) -> Outcome<Vec<u8>> {
        set_server_key(self.server.clone());
        let mut builder = CompressedCiphertextListBuilder::new();
        macro_rules! push {
            ($fhe:ident) => {
                builder.push($fhe::try_encrypt(wide(clear), &self.key).map_err(text)?)
            };
        }
        if fhe_type == 0 {
            builder.push(FheBool::encrypt(clear[31] != 0, &self.key));
        } else {
            by_type!(fhe_type, push);
        }
        to_bytes(&builder.build().map_err(text)?)
    }

    fn decrypted(&self, ct64: &[u8]) -> Outcome<(u8, [u8; 32])> {
        set_server_key(self.server.clone());
        let list: CompressedCiphertextList = from_bytes(ct64)?;
        let kind = list.get_kind_of(0).ok_or("empty list")?;
        if kind == FheTypes::Bool {
            let value: FheBool = list.get(0).map_err(text)?.ok_or("empty list")?;
            return Ok((0, flag_bytes(value.decrypt(&self.key))));
        }
        macro_rules! open {
            ($fhe:ident) => {{
                let value: $fhe = list.get(0).map_err(text)?.ok_or("empty list")?;
                let clear: U256 = value.decrypt(&self.key);
                be_bytes(clear)
            }};
        }
        let clear = by_type!(kind as u8, open);
        Ok((kind as u8, clear))
    }
}
