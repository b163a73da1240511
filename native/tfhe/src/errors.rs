//! One Python exception per decision of the caller.

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(cipherstream_tfhe, FheError, PyException, "Base of everything that the binding raises.");
create_exception!(cipherstream_tfhe, OperationRefused, FheError, "The operation or one of its operands can never be computed.");
create_exception!(cipherstream_tfhe, InvalidProof, FheError, "The input list is to be rejected.");
create_exception!(cipherstream_tfhe, KeyMaterialInvalid, FheError, "A key file cannot be read or has other parameters.");
create_exception!(cipherstream_tfhe, NativeFailure, FheError, "The crate failed in a way that says nothing about the input.");
create_exception!(cipherstream_tfhe, NativePanic, NativeFailure, "The crate panicked; the process goes on.");

#[derive(Debug)]
pub enum Failure {
    Refused(String),
    InvalidProof(String),
    KeyMaterial(String),
    Internal(String),
    Panic(String),
}

pub type Outcome<T> = Result<T, Failure>;

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> PyErr {
        match failure {
            Failure::Refused(text) => OperationRefused::new_err(text),
            Failure::InvalidProof(text) => InvalidProof::new_err(text),
            Failure::KeyMaterial(text) => KeyMaterialInvalid::new_err(text),
            Failure::Internal(text) => NativeFailure::new_err(text),
            Failure::Panic(text) => NativePanic::new_err(text),
        }
    }
}

/// Turns a panic of `work` into `Failure::Panic`, so that one bad item never ends the process.
pub fn guarded<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(Failure::Panic(message(&*payload))))
}

fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "panic without a message".to_owned())
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("FheError", py.get_type::<FheError>())?;
    module.add("OperationRefused", py.get_type::<OperationRefused>())?;
    module.add("InvalidProof", py.get_type::<InvalidProof>())?;
    module.add("KeyMaterialInvalid", py.get_type::<KeyMaterialInvalid>())?;
    module.add("NativeFailure", py.get_type::<NativeFailure>())?;
    module.add("NativePanic", py.get_type::<NativePanic>())
}
