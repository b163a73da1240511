//! The module `cipherstream_kernel`: arrays in by the buffer protocol, bytes out, the interpreter's lock released.

mod arrays;
mod functions;
mod keys;
mod re_randomising;
mod squashing;

use pyo3::prelude::*;

#[pymodule]
fn cipherstream_kernel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<keys::BootstrapKey>()?;
    module.add_class::<keys::KeyswitchKey>()?;
    module.add_class::<keys::PackingKey>()?;
    module.add_class::<re_randomising::ReRandomisingKey>()?;
    module.add_class::<squashing::SquashingKey>()?;
    module.add_class::<squashing::WidePackingKey>()?;
    module.add_function(wrap_pyfunction!(functions::instruction_set, module)?)?;
    module.add_function(wrap_pyfunction!(functions::instruction_sets, module)?)?;
    module.add_function(wrap_pyfunction!(functions::modulus_switch, module)?)?;
    module.add_function(wrap_pyfunction!(functions::keyswitch_bootstrap, module)?)
}
