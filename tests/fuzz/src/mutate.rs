//! Changes of an input: seeded, so that each can be made again from its number.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The longest input that is made, in bytes: what a format does with more is the business of its own bounds' tests.
const LONGEST: usize = 256 << 10;

/// Bytes that mean something somewhere.
const STRANGE: &[&[u8]] = &[
    b"\0",
    b"\t",
    b"\r\n",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xc3",
    b"\xf4\x90\x80\x80",
    b"\x1b[2J",
    "\u{202e}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{85}".as_bytes(),
    "é".as_bytes(),
    "😀".as_bytes(),
    b"\\u0000",
    b"\\ud800",
    b"%00",
    b"%2e%2e",
    b"&#0;",
    b"&#x110000;",
];
const HUGE: &[&str] = &[
    "0",
    "-1",
    "1e400",
    "-1e400",
    "1e-400",
    "18446744073709551616",
    "-9223372036854775809",
    "4294967296",
    "2147483648",
    "0.1",
    "00",
    "999999999999999999999999999999999999",
    "1e18",
    "nan",
    "infinite",
    "1_000_000_000_000",
];

/// One format's inputs.
pub struct Mutator<'c> {
    pub corpus: &'c [Vec<u8>],
    /// Words and signs of its grammar.
    pub tokens: &'c [&'c str],
    /// What opens and closes.
    pub nests: &'c [(&'c str, &'c str)],
}

impl Mutator<'_> {
    /// Input `number` of a seed.
    pub fn make(&self, seed: u64, number: u64) -> Vec<u8> {
        let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
        let mut input = self.pick(&mut rng).to_vec();
        // Mostly one change: what is changed in many places fails at the first.
        let changes = if rng.random() { 1 } else { rng.random_range(2..=6) };
        for _ in 0..changes {
            self.change(&mut input, &mut rng);
            input.truncate(LONGEST);
        }
        input
    }

    fn pick(&self, rng: &mut StdRng) -> &[u8] {
        self.corpus.get(rng.random_range(0..self.corpus.len().max(1))).map_or(&[], Vec::as_slice)
    }

    fn change(&self, input: &mut Vec<u8>, rng: &mut StdRng) {
        let (start, end) = span(input, rng);
        match rng.random_range(0..10) {
            0 => flip(input, rng),
            1 => drop(input.drain(start..end)),
            2 => {
                let part = repeated(input.get(start..end).unwrap_or_default(), repeats(rng));
                insert(input, end, &part);
            }
            3 => {
                let other = self.pick(rng);
                let (from, to) = span(other, rng);
                let part = other.get(from..to).unwrap_or_default().to_vec();
                input.splice(start..end, part);
            }
            4 | 5 => insert(input, start, one(self.tokens, rng).as_bytes()),
            6 => insert(input, start, one(STRANGE, rng)),
            7 => self.enlarge(input, rng),
            8 => {
                let (open, close) = self.nests.get(rng.random_range(0..self.nests.len().max(1))).unwrap_or(&("", ""));
                let times = repeats(rng) * 16;
                insert(input, end, close.repeat(if rng.random() { times } else { 0 }).as_bytes());
                insert(input, start, open.repeat(times).as_bytes());
            }
            _ => {
                // The two halves of a span change places.
                let half = (end - start) / 2;
                if let Some(part) = input.get_mut(start..end) {
                    part.rotate_left(half);
                }
            }
        }
    }

    /// Puts another number in the place of one.
    fn enlarge(&self, input: &mut Vec<u8>, rng: &mut StdRng) {
        let numbers: Vec<usize> = (0..input.len())
            .filter(|at| input.get(*at).is_some_and(u8::is_ascii_digit))
            .filter(|at| {
                at.checked_sub(1).and_then(|before| input.get(before)).is_none_or(|byte| !byte.is_ascii_digit())
            })
            .collect();
        let Some(&start) = numbers.get(rng.random_range(0..numbers.len().max(1))) else { return };
        let digits = input.iter().skip(start).take_while(|byte| byte.is_ascii_digit()).count();
        let huge = one(HUGE, rng).as_bytes().to_vec();
        input.splice(start..start + digits, huge);
    }
}

fn one<T: Copy + Default>(of: &[T], rng: &mut StdRng) -> T {
    of.get(rng.random_range(0..of.len().max(1))).copied().unwrap_or_default()
}

/// Mostly few, now and then very many.
fn repeats(rng: &mut StdRng) -> usize {
    if rng.random_range(0..8) == 0 { rng.random_range(1..=2_000) } else { rng.random_range(1..=8) }
}

fn span(input: &[u8], rng: &mut StdRng) -> (usize, usize) {
    let start = rng.random_range(0..=input.len());
    let most = if rng.random_range(0..4) == 0 { input.len() - start } else { (input.len() - start).min(24) };
    (start, start + rng.random_range(0..=most))
}

fn flip(input: &mut [u8], rng: &mut StdRng) {
    let at = rng.random_range(0..input.len().max(1));
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << rng.random_range(0..8);
    }
}

/// As often as it takes to be as long as an input can be: the memory of a format is measured, not that of this program.
fn repeated(part: &[u8], times: usize) -> Vec<u8> {
    part.repeat(times.min(LONGEST / part.len().max(1) + 1))
}

fn insert(input: &mut Vec<u8>, at: usize, part: &[u8]) {
    let part = part.get(..part.len().min(LONGEST)).unwrap_or_default();
    input.splice(at..at, part.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_is_no_longer_than_an_input_needs() {
        assert_eq!(repeated(b"ab", 3), b"ababab");
        let long = repeated(&[b'x'; LONGEST / 2 + 1], 2_000);
        assert!(long.len() >= LONGEST && long.len() <= 2 * LONGEST, "{}", long.len());
        assert_eq!(repeated(b"", 2_000), b"");
    }

    #[test]
    fn the_same_number_makes_the_same_input_and_another_another() {
        let corpus = [b"name: acme\nn: 12\n".to_vec(), b"a: [1, 2]\n".to_vec()];
        let mutator = Mutator { corpus: &corpus, tokens: &["&a", "*a"], nests: &[("[", "]")] };
        let made: Vec<Vec<u8>> = (0..500).map(|number| mutator.make(7, number)).collect();
        assert_eq!(made, (0..500).map(|number| mutator.make(7, number)).collect::<Vec<_>>());
        let different: std::collections::BTreeSet<&Vec<u8>> = made.iter().collect();
        assert!(different.len() > 350, "{} of 500", different.len());
        assert!(made.iter().all(|input| input.len() <= LONGEST));
        assert!(made.iter().any(|input| input.len() > 10_000), "some are long");
        assert!(made.iter().any(|input| std::str::from_utf8(input).is_err()), "some are no text");
    }
}
