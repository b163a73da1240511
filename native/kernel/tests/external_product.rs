//! One step of a blind rotation against exact integers, and the trigonometry that it rests on.

mod common;

use cipherstream_kernel::accumulator::{continue_negacyclic, ACCUMULATOR_WORDS, POLYNOMIAL_WORDS};
use cipherstream_kernel::aligned::Aligned;
use cipherstream_kernel::blind_rotation::{blind_rotate, Scratch};
use cipherstream_kernel::bootstrap_key::{BootstrapKey, STEP_WORDS};
use cipherstream_kernel::fourier::cos_sin;
use cipherstream_kernel::parameters::N;
use cipherstream_kernel::path::Path;
use common::exact::{add, multiply, rotate};
use common::SplitMix;

/// Largest error of a step, in units of 2^-32 of the torus. Rounding a key word to 53 bits is off by up to 2^9 torus
/// units; 4096 such errors times digits of 2^22 make a deviation of about 2^5 units, and the transforms add as much.
const LARGEST_ERROR: i64 = 1 << 9;
const MEAN_SQUARE_ERROR: f64 = 80.0 * 80.0;

#[test]
fn twiddles_are_the_nearest_numbers() {
    for k in -5000..5000 {
        let angle = std::f64::consts::TAU * (k as f64) / 4096.0;
        let (cos, sin) = cos_sin(k);
        assert!((cos - angle.cos()).abs() < 2e-15 && (sin - angle.sin()).abs() < 2e-15, "{k}");
        assert_eq!(cos_sin(k + 4096), (cos, sin));
        assert_eq!(cos_sin(-k), (cos, if sin == 0.0 { sin } else { -sin }), "{k}");
    }
    assert_eq!(cos_sin(512).0, std::f64::consts::FRAC_1_SQRT_2);
    assert_eq!(cos_sin(1024), (0.0, 1.0));
}

#[test]
fn one_step_is_the_exact_product_up_to_rounding() {
    let mut random = SplitMix(11);
    let ggsw = random.words(STEP_WORDS);
    let key = BootstrapKey::prepare(&ggsw, 1, Path::best()).unwrap();
    for amount in [1u16, 7, 2047, 2048, 2049, 4095] {
        let before: Vec<Vec<i32>> =
            (0..2).map(|_| random.words(N).iter().map(|&word| word as i32).collect()).collect();
        let expected = exact_step(&before, &ggsw, usize::from(amount));
        for path in Path::available() {
            let after = step(&key, &before, amount, path);
            assert_close(&after, &expected);
        }
    }
}

#[test]
fn an_amount_of_zero_changes_nothing() {
    let mut random = SplitMix(12);
    let key = BootstrapKey::prepare(&random.words(STEP_WORDS), 1, Path::best()).unwrap();
    let before: Vec<Vec<i32>> =
        (0..2).map(|_| random.words(N).iter().map(|&word| word as i32).collect()).collect();
    assert_eq!(step(&key, &before, 0, Path::best()), before);
}

#[test]
fn amounts_outside_of_the_ring_are_refused() {
    let key = BootstrapKey::prepare(&vec![0; STEP_WORDS], 1, Path::best()).unwrap();
    let mut accumulator = Aligned::zeroed(ACCUMULATOR_WORDS);
    let refused = blind_rotate(&key, &mut accumulator, &[4096, 0], &mut Scratch::default(), Path::best());
    assert!(refused.unwrap_err().0.contains("4096"));
}

fn step(key: &BootstrapKey, before: &[Vec<i32>], amount: u16, path: Path) -> Vec<Vec<i32>> {
    let mut accumulator = Aligned::zeroed(ACCUMULATOR_WORDS);
    for (polynomial, words) in accumulator.chunks_exact_mut(POLYNOMIAL_WORDS).zip(before) {
        polynomial[..N].copy_from_slice(words);
        continue_negacyclic(polynomial);
    }
    blind_rotate(key, &mut accumulator, &[amount, 0], &mut Scratch::default(), path).unwrap();
    accumulator.chunks_exact(POLYNOMIAL_WORDS).map(|polynomial| polynomial[..N].to_vec()).collect()
}

/// Torus words of accumulator + digits x key; the key as `[row][column][N]`.
fn exact_step(before: &[Vec<i32>], ggsw: &[u64], amount: usize) -> Vec<Vec<u64>> {
    let key: Vec<&[u64]> = ggsw.chunks_exact(N).collect();
    let digits: Vec<Vec<u64>> = before.iter().map(|polynomial| exact_digits(polynomial, amount)).collect();
    let column = |c: usize| {
        let own: Vec<u64> = before[c].iter().map(|&word| u64::from(word as u32) << 32).collect();
        let product = add(&multiply(key[c], &digits[0]), &multiply(key[2 + c], &digits[1]));
        add(&own, &product)
    };
    vec![column(0), column(1)]
}

/// Digits of X^amount p - p as torus integers: ties go up at even coefficients, down at odd ones.
fn exact_digits(polynomial: &[i32], amount: usize) -> Vec<u64> {
    let words: Vec<u64> = polynomial.iter().map(|&word| word as u64).collect();
    let rotated = rotate(&words, amount);
    let digit = |j: usize| {
        let difference = (rotated[j] as i32).wrapping_sub(polynomial[j]);
        i64::from(difference.wrapping_add(256 - (j % 2) as i32) >> 9) as u64
    };
    (0..N).map(digit).collect()
}

fn assert_close(after: &[Vec<i32>], expected: &[Vec<u64>]) {
    let error = |(&word, &exact): (&i32, &u64)| (((word as u64) << 32).wrapping_sub(exact) as i64) >> 32;
    let pairs = after.iter().zip(expected).flat_map(|(words, exact)| words.iter().zip(exact));
    let errors: Vec<i64> = pairs.map(error).collect();
    let largest = errors.iter().map(|error| error.abs()).max().unwrap();
    let square = errors.iter().map(|&error| (error * error) as f64).sum::<f64>() / errors.len() as f64;
    assert!(largest <= LARGEST_ERROR && square < MEAN_SQUARE_ERROR, "{largest}, {}", square.sqrt());
}
