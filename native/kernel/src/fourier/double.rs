//! Sine and cosine from exact IEEE operations only, hence the same bits everywhere; a platform's `sin` is not.
//!
//! Numbers are unevaluated sums high + low of two binary64, 106 bits (Dekker 1971, Knuth TAOCP 4.2.2).

#[derive(Clone, Copy)]
struct Double(f64, f64);

const ONE: Double = Double(1.0, 0.0);
const ZERO: Double = Double(0.0, 0.0);
const PI: Double = Double(std::f64::consts::PI, 1.224_646_799_147_353_2e-16);
/// A full turn in the units of `cos_sin`.
const TURN: i64 = 4096;
/// (pi/4)^n / n! is below 2^-110 from here on.
const TERMS: u32 = 30;

fn two_sum(a: f64, b: f64) -> Double {
    let sum = a + b;
    let part = sum - a;
    Double(sum, (a - (sum - part)) + (b - part))
}

fn two_product(a: f64, b: f64) -> Double {
    let product = a * b;
    Double(product, a.mul_add(b, -product))
}

impl Double {
    fn add(self, other: Self) -> Self {
        let Double(sum, error) = two_sum(self.0, other.0);
        two_sum(sum, error + self.1 + other.1)
    }

    fn mul(self, other: Self) -> Self {
        let Double(product, error) = two_product(self.0, other.0);
        two_sum(product, error + self.0 * other.1 + self.1 * other.0)
    }

    fn divide(self, by: f64) -> Self {
        let quotient = self.0 / by;
        let Double(product, error) = two_product(quotient, by);
        two_sum(quotient, ((self.0 - product) - error + self.1) / by)
    }

    fn negate(self) -> Self {
        Double(-self.0, -self.1)
    }
}

/// (cos, sin) of 2 pi k / 4096, each the nearest binary64.
pub fn cos_sin(k: i64) -> (f64, f64) {
    let k = k.rem_euclid(TURN);
    if k >= TURN / 2 {
        let (cos, sin) = cos_sin(k - TURN / 2);
        return (-cos, -sin);
    }
    if k >= TURN / 4 {
        let (cos, sin) = cos_sin(k - TURN / 4);
        return (-sin, cos);
    }
    if k > TURN / 8 {
        let (cos, sin) = cos_sin(TURN / 4 - k);
        return (sin, cos);
    }
    taylor(PI.mul(Double(k as f64 / 2048.0, 0.0)))
}

/// Taylor series for an angle up to pi/4: even powers to the cosine, odd powers to the sine.
fn taylor(angle: Double) -> (f64, f64) {
    let (mut cos, mut sin, mut term) = (ONE, ZERO, ONE);
    for n in 1..TERMS {
        term = term.mul(angle).divide(f64::from(n));
        let signed = if n / 2 % 2 == 0 { term } else { term.negate() };
        if n % 2 == 0 {
            cos = cos.add(signed);
        } else {
            sin = sin.add(signed);
        }
    }
    (cos.0, sin.0)
}
