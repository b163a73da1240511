//! Errors of the client side: one class, since no service has to decide anything about it.

use std::fmt::Display;
use std::panic::{catch_unwind, AssertUnwindSafe};

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(cipherstream_client, ClientError, PyException, "Generating, encrypting or decrypting failed.");

pub type Outcome<T> = Result<T, String>;

pub fn text(error: impl Display) -> String {
    error.to_string()
}

/// Runs `work` without the interpreter lock; a panic becomes a `ClientError`.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Outcome<T> + Send) -> PyResult<T> {
    py.detach(|| catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the crate panicked".to_owned())))
        .map_err(ClientError::new_err)
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ClientError", module.py().get_type::<ClientError>())
}
