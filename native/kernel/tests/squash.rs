//! Noise squashing: a step against exact integers, values and noise of whole squashings, and equal bits whatever the
//! path, the threads, the batch and the place in it.

mod common;

use cipherstream_kernel::aligned::Aligned;
use cipherstream_kernel::keyswitch::{KeyswitchKey, Target};
use cipherstream_kernel::parameters::{BIG_LWE, N};
use cipherstream_kernel::path::Path;
use cipherstream_kernel::squash::key::{key_header, transform_steps, SquashingKey, STEP_WORDS};
use cipherstream_kernel::squash::{blind_rotate, squash, Accumulators, Scratch, COLUMNS, LEVELS, SQUASHED_LWE};
use common::client::Client;
use common::wide::{add, multiply, WideClient, NOISE};
use common::{fnv, halves, SplitMix};

/// Of one step: the rounded products of the wide limb err by 2^50.4, the largest of some thousand by 2^52.5.
const STEP_ERROR_LOG2: f64 = 50.6;
const LARGEST_STEP_ERROR_LOG2: f64 = 53.5;
const UNIT_LOG2: u32 = 123;

#[test]
fn one_step_is_the_exact_product_up_to_bits_far_below_the_noise() {
    let mut random = SplitMix(51);
    let ggsw = random.wide_words(STEP_WORDS);
    let key = SquashingKey::prepare(&ggsw, 1, Path::best()).unwrap();
    let before = accumulators(&mut random, 1);
    for amount in [1u16, 1234, 2048, 4095] {
        let expected = exact_step(&words(&before, 0), &ggsw, usize::from(amount));
        let mut results = Path::available().into_iter().map(|path| {
            let mut after = copy(&before);
            blind_rotate(&key, &mut after, &[amount, 0], &mut Scratch::new(1), path).unwrap();
            words(&after, 0)
        });
        let after = results.next().unwrap();
        assert_close(&after, &expected);
        assert!(results.all(|other| other == after), "{amount}");
    }
}

#[test]
fn bits_do_not_depend_on_path_batch_or_place() {
    let (dimension, batch) = (3, 19);
    let mut random = SplitMix(52);
    let standard = random.wide_words(dimension * STEP_WORDS);
    let key = SquashingKey::prepare(&standard, dimension, Path::best()).unwrap();
    let before = accumulators(&mut random, batch);
    let mut amounts: Vec<u16> = (0..batch * (dimension + 1)).map(|_| (random.word() >> 52) as u16).collect();
    amounts[5 * (dimension + 1) + 1] = 0;
    let turned = |range: std::ops::Range<usize>, path: Path| {
        let mut some = Accumulators::new(range.len());
        for (place, ciphertext) in range.clone().enumerate() {
            for column in 0..COLUMNS {
                some.set_polynomial(place, column, (0..N).map(|j| before.word(ciphertext, column, j)));
            }
        }
        let amounts = &amounts[range.start * (dimension + 1)..range.end * (dimension + 1)];
        blind_rotate(&key, &mut some, amounts, &mut Scratch::new(range.len()), path).unwrap();
        (0..range.len()).flat_map(|place| words(&some, place).concat()).collect::<Vec<u128>>()
    };
    let all = turned(0..batch, Path::best());
    for range in [0..1, 4..7, 3..18] {
        let expected = &all[range.start * COLUMNS * N..range.end * COLUMNS * N];
        assert!(turned(range.clone(), Path::best()) == expected, "{range:?}");
    }
    for path in Path::available() {
        assert!(turned(4..7, path) == all[4 * COLUMNS * N..7 * COLUMNS * N], "{path:?}");
    }
    assert_eq!(fnv(halves(&all)), 0x4bc0754b4cc669da);
}

#[test]
fn values_survive_and_the_noise_is_that_of_the_formula() {
    let dimension = 6;
    let mut client = Client::new(dimension, 53);
    let mut wide = WideClient::new(54);
    let key = SquashingKey::prepare(&wide.squashing_key(&client.small), dimension, Path::best()).unwrap();
    let switch = KeyswitchKey::prepare(&client.keyswitch_key(), 4, dimension + 1, Target::Lwe).unwrap();
    let lwes: Vec<u64> = (0..16).flat_map(|message| client.encrypt(message)).collect();
    let squashed = squash(&lwes, &switch, &key, 1, Path::best()).unwrap();
    let sigma = noise_variance(dimension, client.small.iter().sum::<u64>() as f64).sqrt();
    let mut square = 0.0;
    for (message, lwe) in (0u128..).zip(squashed.chunks_exact(SQUASHED_LWE)) {
        let error = wide.phase(lwe).wrapping_sub(message << UNIT_LOG2) as i128 as f64;
        assert!(error.abs() < 7.0 * sigma, "{message}: {}", error.abs().log2());
        square += error * error / 16.0;
    }
    assert!((0.3..2.5).contains(&(square / sigma / sigma)), "{}", square / sigma / sigma);
    assert!(squash(&lwes, &switch, &key, 3, Path::best()).unwrap() == squashed);
    let two = squash(&lwes[5 * BIG_LWE..7 * BIG_LWE], &switch, &key, 1, Path::best()).unwrap();
    assert!(two == squashed[5 * SQUASHED_LWE..7 * SQUASHED_LWE]);
    assert!(squash(&[], &switch, &key, 2, Path::best()).unwrap().is_empty());
    assert!(squash(&lwes[1..], &switch, &key, 1, Path::best()).is_err());
}

#[test]
fn a_key_is_written_in_pieces_and_attached() {
    let standard = SplitMix(55).wide_words(2 * STEP_WORDS);
    let key = SquashingKey::prepare(&standard, 2, Path::best()).unwrap();
    let mut pieces = key_header(2).unwrap().to_vec();
    for step in standard.chunks_exact(STEP_WORDS) {
        for path in Path::available() {
            let transformed = transform_steps(step, path).unwrap();
            assert!(transformed[..] == transform_steps(step, Path::best()).unwrap()[..], "{path:?}");
        }
        let transformed = transform_steps(step, Path::best()).unwrap();
        pieces.extend(transformed.iter().flat_map(|number| number.to_le_bytes()));
    }
    assert!(pieces == key.bytes());
    let attach = |bytes: &[u8]| {
        let mut aligned = Aligned::zeroed(bytes.len());
        aligned.copy_from_slice(bytes);
        SquashingKey::attach(Bytes(aligned))
    };
    assert_eq!(attach(&pieces).unwrap().dimension(), 2);
    let changed = |place: usize| {
        let mut bytes = pieces.clone();
        bytes[place] ^= 1;
        attach(&bytes).is_err()
    };
    assert!([0, 6, 8, 16, 24, 32, 40, 48].into_iter().all(changed));
    assert!(attach(&pieces[..pieces.len() - 1]).is_err() && attach(&pieces[..40]).is_err());
    assert!(key_header(0).is_err() && transform_steps(&standard[1..], Path::best()).is_err());
    assert!(SquashingKey::prepare(&standard, 1, Path::best()).is_err());
}

struct Bytes(Aligned<u8>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn accumulators(random: &mut SplitMix, count: usize) -> Accumulators {
    let mut accumulators = Accumulators::new(count);
    for ciphertext in 0..count {
        for column in 0..COLUMNS {
            accumulators.set_polynomial(ciphertext, column, random.wide_words(N).into_iter());
        }
    }
    accumulators
}

fn copy(from: &Accumulators) -> Accumulators {
    let mut copy = Accumulators::new(from.count());
    for ciphertext in 0..from.count() {
        for (column, words) in words(from, ciphertext).into_iter().enumerate() {
            copy.set_polynomial(ciphertext, column, words.into_iter());
        }
    }
    copy
}

fn words(of: &Accumulators, ciphertext: usize) -> Vec<Vec<u128>> {
    (0..COLUMNS).map(|column| (0..N).map(|j| of.word(ciphertext, column, j)).collect()).collect()
}

/// accumulator + digits x key, the key in TFHE-rs's order.
fn exact_step(before: &[Vec<u128>], ggsw: &[u128], amount: usize) -> Vec<Vec<u128>> {
    let key: Vec<&[u128]> = ggsw.chunks_exact(N).collect();
    let mut after = before.to_vec();
    for (row, polynomial) in before.iter().enumerate() {
        for (level, digits) in exact_digits(polynomial, amount).iter().enumerate() {
            for (column, sum) in after.iter_mut().enumerate() {
                add(sum, &multiply(digits, key[(level * COLUMNS + row) * COLUMNS + column]));
            }
        }
    }
    after
}

/// Digits of X^amount p - p, least significant first; ties go up at even coefficients, down at odd ones.
fn exact_digits(polynomial: &[u128], amount: usize) -> [Vec<u128>; LEVELS] {
    let mut digits = [vec![0; N], vec![0; N], vec![0; N]];
    for j in 0..N {
        let source = (j + 2 * N - amount) % (2 * N);
        let rotated = polynomial[source % N];
        let rotated = if source >= N { rotated.wrapping_neg() } else { rotated };
        let half = (1u128 << 55) - ((j as u128 % 2) << 44);
        let mut rest = rotated.wrapping_sub(polynomial[j]).wrapping_add(half) >> 56;
        for digits in &mut digits {
            let digit = ((rest & 0xff_ffff) as i128 ^ 0x80_0000) - 0x80_0000;
            digits[j] = digit as u128;
            rest = rest.wrapping_sub(digit as u128) >> 24;
        }
    }
    digits
}

fn assert_close(after: &[Vec<u128>], expected: &[Vec<u128>]) {
    let pairs = after.iter().flatten().zip(expected.iter().flatten());
    let errors: Vec<f64> = pairs.map(|(&word, &exact)| word.wrapping_sub(exact) as i128 as f64).collect();
    let square = errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64;
    let largest = errors.iter().fold(0f64, |most, error| most.max(error.abs()));
    let (deviation, largest) = (square.log2() / 2.0, largest.log2());
    assert!(deviation < STEP_ERROR_LOG2 && largest < LARGEST_STEP_ERROR_LOG2, "{deviation} {largest}");
}

/// n 9 N (B^2/12) Var(TUniform), and the rounding of the decomposition for each key bit that is one.
fn noise_variance(dimension: usize, ones: f64) -> f64 {
    let terms = (dimension * LEVELS * COLUMNS * N) as f64;
    let fresh = (2f64.powi(2 * NOISE as i32 + 1) + 1.0) / 6.0;
    terms * 2f64.powi(48) / 12.0 * fresh + ones * 2f64.powi(112) / 12.0 * (1.0 + N as f64)
}
