//! Server side of the crate `tfhe` for Python: only bytes, integers and small classes cross the border.
//!
//! No type here can hold a client key; the wheel `cipherstream-client` is the only one that does.

mod bytes;
mod cache;
mod compute;
mod derive;
mod errors;
mod machine;
mod operations;
mod pool;
mod proof;
mod scalar;
mod squash;
mod value;

use pyo3::prelude::*;

#[pymodule]
fn cipherstream_tfhe(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("TFHE_VERSION", machine::TFHE_VERSION)?;
    module.add("FFT_PLAN", machine::FFT_PLAN)?;
    module.add_class::<compute::ComputeKey>()?;
    module.add_class::<proof::ProofKey>()?;
    module.add_class::<squash::SquashKey>()?;
    module.add_class::<squash::Squashed>()?;
    module.add_function(wrap_pyfunction!(derive::derive, module)?)?;
    module.add_function(wrap_pyfunction!(derive::derive_server_key, module)?)?;
    module.add_function(wrap_pyfunction!(derive::derive_public_key, module)?)?;
    module.add_function(wrap_pyfunction!(machine::instruction_set, module)?)?;
    module.add_function(wrap_pyfunction!(operations::opcodes, module)?)?;
    errors::register(module)
}
