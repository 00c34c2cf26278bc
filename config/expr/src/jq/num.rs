//! Numbers of jq: whole ones as far as JSON's integers go, and 64-bit floats.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Number, Value as Json};

/// A number. A float that comes out of arithmetic without a fraction becomes whole, so that text says `1500`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Num {
    /// Between `i64::MIN` and `u64::MAX`.
    Int(i128),
    /// Any other.
    Float(f64),
}

const LEAST: i128 = i64::MIN as i128;
const MOST: i128 = u64::MAX as i128;
/// Up to here every whole number is a float of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Num {
    /// A whole number, or the nearest float when it is too large.
    pub(crate) fn int(value: i128) -> Self {
        if (LEAST..=MOST).contains(&value) { Num::Int(value) } else { Num::Float(value as f64) }
    }

    /// The result of arithmetic.
    fn result(value: f64) -> Self {
        if value.fract() == 0.0 && value.abs() <= EXACT { Num::Int(value as i128) } else { Num::Float(value) }
    }

    /// A number as it is written in JSON.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(whole) = text.parse::<i128>() {
            return Some(Num::int(whole));
        }
        text.parse().ok().filter(|value: &f64| value.is_finite()).map(Num::Float)
    }

    pub(crate) fn from_json(number: &Number) -> Self {
        match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), ..) => Num::Int(value.into()),
            (_, Some(value), _) => Num::Int(value.into()),
            (.., value) => Num::Float(value.unwrap_or(f64::NAN)),
        }
    }

    /// As JSON: null for what JSON has no number for.
    pub(crate) fn to_json(self) -> Json {
        let number = match self {
            Num::Int(value) => {
                i64::try_from(value).map(Number::from).or_else(|_| u64::try_from(value).map(Number::from)).ok()
            }
            Num::Float(value) => Number::from_f64(value),
        };
        number.map_or(Json::Null, Json::Number)
    }

    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Num::Int(value) => value as f64,
            Num::Float(value) => value,
        }
    }

    /// As an index: rounded down, as jq does.
    pub(crate) fn as_index(self) -> Option<i128> {
        match self {
            Num::Int(value) => Some(value),
            Num::Float(value) if value.abs() <= EXACT => Some(value.floor() as i128),
            Num::Float(_) => None,
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.cmp(&Num::Int(0)) == Ordering::Equal
    }

    pub(crate) fn abs(self) -> Self {
        match self {
            Num::Int(value) => Num::int(value.abs()),
            Num::Float(value) => Num::Float(value.abs()),
        }
    }

    pub(crate) fn add(self, other: Self) -> Self {
        self.calculate(other, i128::checked_add, |x, y| x + y)
    }

    pub(crate) fn sub(self, other: Self) -> Self {
        self.calculate(other, i128::checked_sub, |x, y| x - y)
    }

    pub(crate) fn mul(self, other: Self) -> Self {
        self.calculate(other, i128::checked_mul, |x, y| x * y)
    }

    /// The caller has seen to it that `other` is not 0.
    pub(crate) fn div(self, other: Self) -> Self {
        let exact = |x: i128, y: i128| (x.checked_rem(y) == Some(0)).then(|| x / y);
        self.calculate(other, exact, |x, y| x / y)
    }

    /// The caller has seen to it that `other` is not 0.
    pub(crate) fn rem(self, other: Self) -> Self {
        self.calculate(other, i128::checked_rem, |x, y| x % y)
    }

    pub(crate) fn neg(self) -> Self {
        Num::Int(0).sub(self)
    }

    fn calculate(self, other: Self, ints: fn(i128, i128) -> Option<i128>, floats: fn(f64, f64) -> f64) -> Self {
        let whole = match (self, other) {
            (Num::Int(x), Num::Int(y)) => ints(x, y),
            _ => None,
        };
        whole.map_or_else(|| Num::result(floats(self.as_f64(), other.as_f64())), Num::int)
    }
}

impl Ord for Num {
    /// A total order, exact between whole numbers and floats; NaN is below all others and equal to itself.
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Num::Int(x), Num::Int(y)) => x.cmp(&y),
            (Num::Float(x), Num::Float(y)) => x.partial_cmp(&y).unwrap_or_else(|| y.is_nan().cmp(&x.is_nan())),
            (Num::Int(x), Num::Float(y)) => compare(x, y),
            (Num::Float(x), Num::Int(y)) => compare(y, x).reverse(),
        }
    }
}

fn compare(whole: i128, float: f64) -> Ordering {
    if float.is_nan() {
        return Ordering::Greater;
    }
    // The cast saturates, and whole numbers are far inside its range.
    let floor = float.floor();
    whole.cmp(&(floor as i128)).then(if float > floor { Ordering::Less } else { Ordering::Equal })
}

impl PartialOrd for Num {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Num {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Num {}

impl fmt::Display for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_json())
    }
}
