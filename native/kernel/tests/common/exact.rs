//! Schoolbook arithmetic modulo 2^64 and X^size + 1.

/// a times b; `b` has small or few coefficients, zeros are skipped.
pub fn multiply(a: &[u64], b: &[u64]) -> Vec<u64> {
    let size = a.len();
    let mut product = vec![0u64; size];
    for (shift, &factor) in b.iter().enumerate().filter(|(_, factor)| **factor != 0) {
        let (kept, wrapped) = a.split_at(size - shift);
        for (sum, &word) in product[shift..].iter_mut().zip(kept) {
            *sum = sum.wrapping_add(word.wrapping_mul(factor));
        }
        for (sum, &word) in product.iter_mut().zip(wrapped) {
            *sum = sum.wrapping_sub(word.wrapping_mul(factor));
        }
    }
    product
}

/// X^amount a, amount below twice the size.
pub fn rotate(a: &[u64], amount: usize) -> Vec<u64> {
    let size = a.len();
    let mut rotated = vec![0; size];
    for (j, &word) in a.iter().enumerate() {
        let to = (j + amount) % (2 * size);
        rotated[to % size] = if to >= size { word.wrapping_neg() } else { word };
    }
    rotated
}

pub fn add(a: &[u64], b: &[u64]) -> Vec<u64> {
    a.iter().zip(b).map(|(&x, &y)| x.wrapping_add(y)).collect()
}

pub fn sub(a: &[u64], b: &[u64]) -> Vec<u64> {
    a.iter().zip(b).map(|(&x, &y)| x.wrapping_sub(y)).collect()
}
