//! Whose turn it is: weighted turns among lanes, in which none starves.

/// What the lanes high, normal and low get of ten turns while all of them have something.
const WEIGHTS: [i64; 3] = [6, 3, 1];

/// Smooth weighted turns: each lane that waits gains its weight, the richest goes and pays for all.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    credit: [i64; 3],
}

impl Turns {
    /// The lane that goes next among those that have something; `None` when none has.
    pub(crate) fn next(&mut self, waiting: [bool; 3]) -> Option<usize> {
        let mut total = 0;
        let mut best: Option<(usize, i64)> = None;
        for (lane, ((credit, weight), waits)) in self.credit.iter_mut().zip(WEIGHTS).zip(waiting).enumerate() {
            if !waits {
                // who has nothing saves nothing: else a lane that was empty for long would go first for long
                *credit = 0;
                continue;
            }
            total += weight;
            *credit += weight;
            if best.is_none_or(|(_, most)| *credit > most) {
                best = Some((lane, *credit));
            }
        }
        let (lane, _) = best?;
        if let Some(credit) = self.credit.get_mut(lane) {
            *credit -= total;
        }
        Some(lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(turns: &mut Turns, waiting: [bool; 3], count: usize) -> [usize; 3] {
        let mut got = [0; 3];
        for _ in 0..count {
            got[turns.next(waiting).unwrap()] += 1;
        }
        got
    }

    #[test]
    fn gives_each_its_share() {
        let mut turns = Turns::default();
        assert_eq!(shares(&mut turns, [true; 3], 1_000), [600, 300, 100]);
        assert_eq!(shares(&mut turns, [true, false, true], 700), [600, 0, 100]);
        assert_eq!(shares(&mut turns, [false, false, true], 5), [0, 0, 5]);
        assert_eq!(turns.next([false; 3]), None);
    }

    #[test]
    fn lets_nobody_wait_longer_than_ten_turns() {
        let mut turns = Turns::default();
        shares(&mut turns, [true, true, false], 1_000);
        let mut waited = 0;
        while turns.next([true; 3]) != Some(2) {
            waited += 1;
            assert!(waited <= 10, "the low lane starves");
        }
    }
}
