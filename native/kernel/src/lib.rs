//! The place of the SIMD bootstrap kernel: for now it only tells which vector path this machine offers.
//!
//! Only arrays and bytes will cross this border, and nothing here depends on the crate `tfhe`.

use pyo3::prelude::*;

/// The widest vector path that a kernel could take here: `avx512`, `avx2` or `scalar`.
#[pyfunction]
fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vnni") {
            return "avx512";
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    "scalar"
}

#[pymodule]
fn cipherstream_kernel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(instruction_set, module)?)
}
