//! The instruction set is chosen when the program runs; it never changes a result.

use crate::error::{Outcome, Refused};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    Avx512,
    Avx2,
    Scalar,
}

impl Path {
    const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Scalar];

    /// The fastest path of this machine.
    pub fn best() -> Self {
        Self::available()[0]
    }

    /// What this machine can run, fastest first; the last one runs everywhere.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|path| path.is_supported()).collect()
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Scalar => "scalar",
        }
    }

    /// The path of that name; refuses one that would crash here.
    pub fn named(name: &str) -> Outcome<Self> {
        let found = Self::available().into_iter().find(|path| path.name() == name);
        found.ok_or_else(|| Refused(format!("this machine has no instruction set named {name:?}")))
    }

    #[cfg(target_arch = "x86_64")]
    fn is_supported(self) -> bool {
        let fma = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        match self {
            Self::Avx512 => {
                fma && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vnni")
            }
            Self::Avx2 => fma,
            Self::Scalar => true,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_supported(self) -> bool {
        self == Self::Scalar
    }
}

/// Runs a generic body compiled for the instruction set of a path:
/// `on_path!(path, body::<_>(argument: type, ...))` where `body` takes a `Lanes` type.
macro_rules! on_path {
    ($path:expr, $body:ident::<_>($($argument:ident: $kind:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,fma,avx2")]
        unsafe fn wide($($argument: $kind),*) {
            unsafe { $body::<$crate::lanes::Avx512>($($argument),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn narrow($($argument: $kind),*) {
            unsafe { $body::<$crate::lanes::Avx2>($($argument),*) }
        }
        unsafe fn portable($($argument: $kind),*) {
            unsafe { $body::<$crate::lanes::Scalar>($($argument),*) }
        }
        match $path {
            #[cfg(target_arch = "x86_64")]
            $crate::path::Path::Avx512 => unsafe { wide($($argument),*) },
            #[cfg(target_arch = "x86_64")]
            $crate::path::Path::Avx2 => unsafe { narrow($($argument),*) },
            _ => unsafe { portable($($argument),*) },
        }
    }};
}
pub(crate) use on_path;
