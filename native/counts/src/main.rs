//! How many bootstraps the crate takes for each operation, counted by the crate itself.
//!
//! `cipherstream-counts encrypted|trivial THREADS BITS CLEAR [OPERATION...]` prints a line for each operation and
//! kind of operand: name, bits, kind, bootstraps, with tabs between them. On trivial ciphertexts, which hide
//! nothing, the crate does a bootstrap's work in the clear and counts it all the same: seconds in place of minutes. The crate chooses its carry algorithm by the number of
//! threads that it may use, so a count belongs to one. Names are those of the table of operations; each body is
//! what `native/tfhe/src/operations.rs` applies.

use std::collections::HashSet;
use std::hint::black_box;

use tfhe::prelude::*;
use tfhe::shortint::parameters::v1_5::V1_5_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128;
use tfhe::{
    generate_keys, get_pbs_count, reset_pbs_count, set_server_key, ClientKey, ConfigBuilder, FheBool, FheUint,
    FheUint128, FheUint64, FheUint8, Seed,
};

/// Values of a sum, and of the set that is searched.
const LIST_LENGTH: usize = 10;

struct Report {
    bits: u32,
    is_trivial: bool,
    /// Operations to count; all, if empty.
    wanted: HashSet<String>,
}

impl Report {
    fn row<T>(&self, name: &str, operands: &str, compute: impl FnOnce() -> T) {
        if !self.wanted.is_empty() && !self.wanted.contains(name) {
            return;
        }
        reset_pbs_count();
        black_box(compute());
        println!("{name}\t{}\t{operands}\t{}", self.bits, get_pbs_count());
    }
}

/// Two encrypted operands, then an encrypted and a clear one.
macro_rules! binary {
    ($report:ident, $x:ident, $y:ident, $clear:ident; $($name:literal |$left:ident, $right:ident| $body:expr;)*) => {
        $(
            {
                let ($left, $right) = ($x, $y);
                $report.row($name, "encrypted", || $body);
            }
            {
                let ($left, $right) = ($x, $clear);
                $report.row($name, "clear", || $body);
            }
        )*
    };
}

macro_rules! operations {
    ($function:ident, $encrypted:ty, $word:ty) => {
        fn $function(report: &Report, key: &ClientKey, clear: u64) {
            let clear = clear as $word;
            let divisor = clear >> 1 | 1;
            // The largest number: of a trivial one the crate knows each digit, and goes by the largest it may be.
            let number = |_| match report.is_trivial {
                true => <$encrypted>::encrypt_trivial(<$word>::MAX),
                false => <$encrypted>::encrypt(<$word>::MAX, key),
            };
            let numbers: Vec<$encrypted> = (0..=LIST_LENGTH).map(number).collect();
            let (x, y) = (&numbers[0], &numbers[1]);
            let flag = if report.is_trivial { FheBool::encrypt_trivial(true) } else { FheBool::encrypt(true, key) };
            binary! { report, x, y, clear;
                "Add" |left, right| left + right;
                "Sub" |left, right| left - right;
                "Mul" |left, right| left * right;
                "BitAnd" |left, right| left & right;
                "BitOr" |left, right| left | right;
                "BitXor" |left, right| left ^ right;
                "Shl" |left, right| left << right;
                "Shr" |left, right| left >> right;
                "Rotl" |left, right| left.rotate_left(right);
                "Rotr" |left, right| left.rotate_right(right);
                "Eq" |left, right| left.eq(right);
                "Ne" |left, right| left.ne(right);
                "Ge" |left, right| left.ge(right);
                "Gt" |left, right| left.gt(right);
                "Le" |left, right| left.le(right);
                "Lt" |left, right| left.lt(right);
                "Min" |left, right| left.min(right);
                "Max" |left, right| left.max(right);
            }
            report.row("Div", "clear", || x / clear);
            report.row("Rem", "clear", || x % clear);
            report.row("Neg", "encrypted", || -x);
            report.row("Not", "encrypted", || !x);
            report.row("Cast", "encrypted", || -> FheUint128 { x.clone().cast_into() });
            report.row("TrivialEncrypt", "clear", || <$encrypted>::encrypt_trivial(clear));
            report.row("IfThenElse", "encrypted", || flag.select(x, y));
            let bits = u64::from(report.bits);
            let drawn = |bits| -> $encrypted { FheUint::generate_oblivious_pseudo_random_bounded(Seed(1), bits) };
            report.row("Rand", "clear", || drawn(bits));
            report.row("RandBounded", "clear", || drawn(bits - 1));
            report.row("Sum", "encrypted", || numbers[..LIST_LENGTH].iter().sum::<$encrypted>());
            report.row("IsIn", "encrypted", || FheUint::contains(&numbers[1..], x));
            report.row("MulDiv", "encrypted", || x.fused_mul_scalar_div(y, divisor));
            report.row("MulDiv", "clear", || x.fused_scalar_mul_scalar_div(clear, divisor));
        }
    };
}

operations! { count_8, FheUint8, u8 }
operations! { count_64, FheUint64, u64 }

/// The token of the examples: what moves is chosen first; and the whitepaper's, which computes and then chooses.
fn count_transfers(report: &Report, key: &ClientKey) {
    let [balance, receiver, amount] = [u64::MAX; 3].map(|number| match report.is_trivial {
        true => FheUint64::encrypt_trivial(number),
        false => FheUint64::encrypt(number, key),
    });
    report.row("transfer", "encrypted", || {
        let nothing = FheUint64::encrypt_trivial(0u64);
        let moved = amount.le(&balance).select(&amount, &nothing);
        (&balance - &moved, &receiver + &moved)
    });
    report.row("transfer (whitepaper)", "encrypted", || {
        let enough = balance.ge(&amount);
        let (received, kept) = (&receiver + &amount, &balance - &amount);
        (enough.select(&kept, &balance), enough.select(&received, &receiver))
    });
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, threads, bits, clear, wanted @ ..] = &arguments[..] else {
        panic!("encrypted|trivial THREADS BITS CLEAR [OPERATION...]");
    };
    let clear: u64 = clear.parse().expect("the clear operand is a number");
    let wanted = wanted.iter().cloned().collect();
    let report = Report { bits: bits.parse().expect("bits"), is_trivial: kind == "trivial", wanted };
    let parameters = V1_5_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128;
    let (client, server) = generate_keys(ConfigBuilder::with_custom_parameters(parameters).build());
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.parse().expect("threads"))
        .start_handler(move |_| set_server_key(server.clone()))
        .build()
        .expect("a pool of threads");
    pool.install(|| match report.bits {
        8 => count_8(&report, &client, clear),
        64 => {
            count_64(&report, &client, clear);
            count_transfers(&report, &client);
        }
        other => panic!("numbers of {other} bits are not counted"),
    });
}
