//! Checks whether a public key is a point of its curve.
//!
//! In: the bytes of a key from a keyset. Out: yes or no. No signature is ever valid under a key
//! that is not a point, so without this check, a keyset could count a signer who cannot sign.
//! Nothing here is secret, so nothing runs in constant time. Numbers have 256 bits, the lowest 64
//! bits first.

type Number = [u64; 4];

/// 2²⁵⁵ − 19, the field of edwards25519 (RFC 8032, section 5.1).
const ED25519_FIELD: Number = [
    0xffff_ffff_ffff_ffed,
    u64::MAX,
    u64::MAX,
    0x7fff_ffff_ffff_ffff,
];

/// d of edwards25519: −x² + y² = 1 + d·x²·y².
const ED25519_D: Number = [
    0x75eb_4dca_1359_78a3,
    0x0070_0a4d_4141_d8ab,
    0x8cc7_4079_7779_e898,
    0x5203_6cee_2b6f_fe73,
];

/// The field of NIST P-256 (SP 800-186, section 3.2.1.3).
const P256_FIELD: Number = [u64::MAX, 0xffff_ffff, 0, 0xffff_ffff_0000_0001];

/// b of NIST P-256: y² = x³ − 3·x + b.
const P256_B: Number = [
    0x3bce_3c3e_27d2_604b,
    0x651d_06b0_cc53_b0f6,
    0xb3eb_bd55_7698_86bc,
    0x5ac6_35d8_aa3a_93e7,
];

/// Whether these 32 bytes are the y coordinate of a point, with the sign of its x. The caller has
/// checked that the coordinate is below the prime.
pub(super) fn is_on_edwards25519(key: &[u8; 32]) -> bool {
    let mut y = number(key.iter().rev());
    y[3] &= u64::MAX >> 1;
    let field = &ED25519_FIELD;
    let square = multiply(&y, &y, field);
    let above = subtract(&square, &[1, 0, 0, 0], field);
    let below = add(&multiply(&square, &ED25519_D, field), &[1, 0, 0, 0], field);
    // x² is a quotient. A quotient is a square exactly when the product of its two numbers is a
    // square.
    has_root(&multiply(&above, &below, field), field)
}

/// Whether these coordinates are those of a point. In both coordinates, the highest byte comes
/// first.
pub(super) fn is_on_p256(x: &[u8; 32], y: &[u8; 32]) -> bool {
    let (x, y, field) = (number(x.iter()), number(y.iter()), &P256_FIELD);
    if !is_below(&x, field) || !is_below(&y, field) {
        return false;
    }
    let cube = multiply(&multiply(&x, &x, field), &x, field);
    let thrice = add(&add(&x, &x, field), &x, field);
    multiply(&y, &y, field) == add(&subtract(&cube, &thrice, field), &P256_B, field)
}

/// The number in 32 bytes, the highest byte first.
fn number<'a>(bytes: impl Iterator<Item = &'a u8>) -> Number {
    let mut number = [0; 4];
    for (at, byte) in bytes.enumerate().take(32) {
        let limb = &mut number[3 - at / 8];
        *limb = *limb << 8 | u64::from(*byte);
    }
    number
}

fn is_below(one: &Number, other: &Number) -> bool {
    one.iter().rev().lt(other.iter().rev())
}

/// The sum modulo 2²⁵⁶, and whether the real sum is larger.
fn sum(one: &Number, other: &Number) -> (Number, bool) {
    let (mut sum, mut carry) = ([0; 4], false);
    for (at, limb) in sum.iter_mut().enumerate() {
        let (first, one_carry) = one[at].overflowing_add(other[at]);
        let (second, other_carry) = first.overflowing_add(u64::from(carry));
        (*limb, carry) = (second, one_carry || other_carry);
    }
    (sum, carry)
}

/// The difference modulo 2²⁵⁶.
fn difference(one: &Number, other: &Number) -> Number {
    let (mut difference, mut borrow) = ([0; 4], false);
    for (at, limb) in difference.iter_mut().enumerate() {
        let (first, one_borrow) = one[at].overflowing_sub(other[at]);
        let (second, other_borrow) = first.overflowing_sub(u64::from(borrow));
        (*limb, borrow) = (second, one_borrow || other_borrow);
    }
    difference
}

/// The sum of two numbers of a field.
fn add(one: &Number, other: &Number, field: &Number) -> Number {
    let (sum, is_larger) = sum(one, other);
    if is_larger || !is_below(&sum, field) {
        difference(&sum, field)
    } else {
        sum
    }
}

/// The difference of two numbers of a field.
fn subtract(one: &Number, other: &Number, field: &Number) -> Number {
    let less = difference(one, other);
    if is_below(one, other) {
        sum(&less, field).0
    } else {
        less
    }
}

/// The product of two numbers of a field.
fn multiply(one: &Number, other: &Number, field: &Number) -> Number {
    let mut product = [0; 4];
    for bit in (0..256).rev() {
        product = add(&product, &product, field);
        if other[bit / 64] >> (bit % 64) & 1 == 1 {
            product = add(&product, one, field);
        }
    }
    product
}

/// Whether a number of a field is the square of a number of the same field. The order of the field
/// must be an odd prime. The function computes the Jacobi symbol by halving and subtracting.
fn has_root(number: &Number, field: &Number) -> bool {
    let (mut one, mut other, mut is_minus) = (*number, *field, false);
    while one != [0; 4] {
        while one[0] & 1 == 0 {
            one = std::array::from_fn(|at| {
                one[at] >> 1 | one.get(at + 1).map_or(0, |limb| limb << 63)
            });
            is_minus ^= matches!(other[0] & 7, 3 | 5);
        }
        if is_below(&one, &other) {
            std::mem::swap(&mut one, &mut other);
            is_minus ^= one[0] & 3 == 3 && other[0] & 3 == 3;
        }
        one = difference(&one, &other);
    }
    // Zero is a square: zero times zero.
    !is_minus
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_edwards25519_are_recognised() {
        // The y coordinates below 40 that belong to a point, computed by another program.
        let points = [
            0, 1, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 19, 21, 23, 24, 25, 26, 27, 28, 29, 30, 32,
            33, 35, 37, 39,
        ];
        for y in 0..40 {
            let mut key = [0; 32];
            key[0] = y;
            assert_eq!(is_on_edwards25519(&key), points.contains(&y), "{y}");
            key[31] = 0x80;
            assert_eq!(
                is_on_edwards25519(&key),
                points.contains(&y),
                "{y}, the other x"
            );
        }
        for (byte, is_point) in [(7, false), (9, true)] {
            assert_eq!(is_on_edwards25519(&[byte; 32]), is_point, "{byte}");
        }
    }

    #[test]
    fn points_of_p256_are_recognised() {
        // The base point in SP 800-186.
        let x = [
            0x6b17_d1f2_e12c_4247_u64,
            0xf8bc_e6e5_63a4_40f2,
            0x7703_7d81_2deb_33a0,
            0xf4a1_3945_d898_c296,
        ];
        let y = [
            0x4fe3_42e2_fe1a_7f9b_u64,
            0x8ee7_eb4a_7c0f_9e16,
            0x2bce_3357_6b31_5ece,
            0xcbb6_4068_37bf_51f5,
        ];
        let bytes = |limbs: [u64; 4]| -> [u8; 32] {
            limbs
                .map(u64::to_be_bytes)
                .as_flattened()
                .try_into()
                .unwrap()
        };
        assert!(is_on_p256(&bytes(x), &bytes(y)));
        for at in 0..32 {
            let (mut other_x, mut other_y) = (bytes(x), bytes(y));
            other_x[at] ^= 1;
            other_y[at] ^= 1;
            assert!(
                !is_on_p256(&other_x, &bytes(y)) && !is_on_p256(&bytes(x), &other_y),
                "{at}"
            );
        }
        // A coordinate has only one spelling, and an empty coordinate is not a point.
        assert!(
            !is_on_p256(&[0; 32], &[0; 32])
                && !is_on_p256(&[0xff; 32], &bytes(y))
                && !is_on_p256(&bytes(x), &[0xff; 32])
        );
    }
}
