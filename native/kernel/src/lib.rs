//! The bootstrap of TFHE for batches: keyswitch, mean-centred modulus switch, blind rotation, extraction of one or
//! several functions, the packing keyswitch, and the keyswitch of re-randomisation.
//!
//! The instruction set is chosen at run time and never changes a result: integers are exact, and for binary64 the
//! graph of operations is fixed (`fourier`). Only arrays and bytes cross the border to Python, and nothing here
//! depends on the crate `tfhe`.

pub mod accumulator;
pub mod aligned;
pub mod batch;
pub mod blind_rotation;
pub mod bootstrap_key;
mod byte_product;
pub mod digits;
pub mod error;
pub mod fourier;
pub mod key_bytes;
pub mod keyswitch;
mod lanes;
pub mod modulus_switch;
pub mod packing;
pub mod parameters;
pub mod path;
#[cfg(feature = "python")]
mod python;
pub mod re_randomising;
pub mod squash;
pub mod tile_product;
