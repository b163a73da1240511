//! Client side of the crate `tfhe` for Python: the only place where a client key exists.
//!
//! No service of the coprocessor may import this module; an import test enforces it.

mod bytes;
mod errors;
mod flaws;
mod keygen;
mod open;
mod prover;
mod sample;

use pyo3::prelude::*;

#[pymodule]
fn cipherstream_client(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<open::ClientKey>()?;
    module.add_class::<prover::Prover>()?;
    module.add_class::<sample::SampleKey>()?;
    module.add_function(wrap_pyfunction!(keygen::generate, module)?)?;
    module.add_function(wrap_pyfunction!(keygen::generate_crs, module)?)?;
    module.add_function(wrap_pyfunction!(keygen::generate_server_key, module)?)?;
    module.add_function(wrap_pyfunction!(keygen::generate_stranger, module)?)?;
    errors::register(module)
}
