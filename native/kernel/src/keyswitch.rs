//! Keyswitch: from the big key to the small one, or into a GLWE ciphertext of another key.
//!
//! (a, b) -> (0, b) - sum over inputs i and levels l of digit_l(a_i) K_(i,l), where K_(i,l) encrypts s_i 2^(64 - 4 l)
//! (Chillotti, Gama, Georgieva, Izabachene, "TFHE: fast fully homomorphic encryption over the torus", 2018). Exact
//! integers: equal to TFHE-rs word for word.

use crate::aligned::Aligned;
use crate::byte_product::{ByteMatrix, GROUP, MAX_INPUTS};
use crate::digits::{decompose, Tie};
use crate::error::{require, require_length, Outcome};
use crate::key_bytes::{Foreign, KeyBytes, Magic};
use crate::parameters::{BIG_LWE, MAX_LEVELS, N};
use crate::path::Path;

const MAGIC: &Magic = b"CSKSK\0\x01\0";
/// More than any parameter set has; bounds the sizes computed from a header.
const MAX_COLUMNS: usize = 1 << 20;

/// What the outputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// LWE ciphertexts: the body is the last word.
    Lwe,
    /// GLWE ciphertexts with the plain text in the constant coefficient: the body is the last polynomial.
    Glwe { polynomial_size: usize },
}

impl Target {
    /// The word to which the body of the input is added.
    fn body(self, columns: usize) -> usize {
        match self {
            Self::Lwe => columns - 1,
            Self::Glwe { polynomial_size } => columns - polynomial_size,
        }
    }

    /// TFHE-rs rounds before it packs.
    fn tie(self) -> Tie {
        match self {
            Self::Lwe => Tie::Rounded,
            Self::Glwe { .. } => Tie::Positive,
        }
    }
}

/// The key cut into bytes, `[tile][input][line 3][byte 16][level 4]`.
pub struct KeyswitchKey {
    levels: usize,
    target: Target,
    matrix: ByteMatrix,
    bytes: KeyBytes,
}

impl KeyswitchKey {
    /// Takes TFHE-rs's `[input N][level][columns]` torus words, least significant level first.
    pub fn prepare(standard: &[u64], levels: usize, columns: usize, target: Target) -> Outcome<Self> {
        let matrix = checked_matrix(levels, columns, target)?;
        require_length("the keyswitch key", standard.len(), N * levels * columns)?;
        let polynomial_size = if let Target::Glwe { polynomial_size } = target { polynomial_size } else { 0 };
        let shape = [columns as u64, N as u64, levels as u64, polynomial_size as u64, 0];
        let mut bytes = KeyBytes::zeroed(MAGIC, &shape, matrix.bytes());
        let payload = bytes.payload_mut();
        for (row, words) in standard.chunks_exact(columns).enumerate() {
            for (column, &word) in words.iter().enumerate() {
                matrix.put(payload, row / levels, row % levels, column, word);
            }
        }
        Ok(Self { levels, target, matrix, bytes })
    }

    /// A prepared key, without a copy where the bytes lie on a cache line.
    pub fn attach(bytes: impl Foreign + 'static) -> Outcome<Self> {
        let bytes = KeyBytes::attach(bytes);
        let [columns, inputs, levels, polynomial_size, _] = bytes.shape(MAGIC)?.map(|field| field as usize);
        require(inputs == N, || format!("a keyswitch key for N = {inputs}"))?;
        let target = if polynomial_size == 0 { Target::Lwe } else { Target::Glwe { polynomial_size } };
        let matrix = checked_matrix(levels, columns, target)?;
        bytes.require_payload(matrix.bytes())?;
        Ok(Self { levels, target, matrix, bytes })
    }

    /// What `attach` takes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    /// Words of an output: n + 1, or (k + 1) times the polynomial size.
    pub fn columns(&self) -> usize {
        self.matrix.columns
    }

    pub fn target(&self) -> Target {
        self.target
    }

    /// Switches a batch of big LWE ciphertexts, `[batch][N + 1]`, to `[batch][columns]`.
    pub fn switch(&self, lwes: &[u64], outputs: &mut [u64], path: Path) -> Outcome<()> {
        let batch = lwes.len() / BIG_LWE;
        require_length("the ciphertexts", lwes.len(), batch * BIG_LWE)?;
        require_length("the keyswitched ciphertexts", outputs.len(), batch * self.columns())?;
        let body = self.target.body(self.columns());
        outputs.fill(0);
        for (lwe, output) in lwes.chunks_exact(BIG_LWE).zip(outputs.chunks_exact_mut(self.columns())) {
            output[body] = lwe[N];
        }
        let width = if batch == 1 { 1 } else { GROUP };
        let digits = self.digits(lwes, batch, width);
        self.matrix.subtract_product(self.bytes.payload(), &digits, width, outputs, path);
        Ok(())
    }

    /// `[group][input][width]`; places without a ciphertext are zero.
    fn digits(&self, lwes: &[u64], batch: usize, width: usize) -> Aligned<[i8; MAX_LEVELS]> {
        let mut digits = Aligned::zeroed(batch.div_ceil(width) * N * width);
        for (ciphertext, lwe) in lwes.chunks_exact(BIG_LWE).enumerate() {
            let (group, place) = (ciphertext / width, ciphertext % width);
            let group = &mut digits[group * N * width..][..N * width];
            for (digits, &word) in group.chunks_exact_mut(width).zip(lwe) {
                digits[place] = decompose(word, self.levels, self.target.tie());
            }
        }
        digits
    }
}

fn checked_matrix(levels: usize, columns: usize, target: Target) -> Outcome<ByteMatrix> {
    require((1..=MAX_LEVELS).contains(&levels), || format!("a keyswitch with {levels} levels"))?;
    require((1..=MAX_COLUMNS).contains(&columns), || format!("a keyswitch to {columns} words"))?;
    if let Target::Glwe { polynomial_size } = target {
        let whole = polynomial_size > 0 && columns.is_multiple_of(polynomial_size);
        require(whole, || format!("{columns} words are not polynomials of {polynomial_size}"))?;
    }
    Ok(ByteMatrix { inputs: N, columns })
}

const _: () = assert!(N <= MAX_INPUTS);
