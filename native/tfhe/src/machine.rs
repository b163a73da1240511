//! What the bytes of a result depend on besides keys and operands.

use pyo3::prelude::*;

pub const TFHE_VERSION: &str = "1.6.3";
/// Without the forced plan the crate picks one by a timing measurement, and other bytes come out.
pub const FFT_PLAN: &str = "dif4";

/// The widest vector path that this processor offers to the FFT: `avx512`, `avx2` or `scalar`.
#[pyfunction]
pub fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        let wide = std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512cd")
            && std::is_x86_feature_detected!("avx512dq")
            && std::is_x86_feature_detected!("avx512vl");
        if wide {
            return "avx512";
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    "scalar"
}
