//! Spreading slots that many imports share.

use jobpipe_core::Millis;

/// How long after `slot` an import is launched: from 0 up to, but not including, `max` milliseconds. A hash of the
/// import's name and the slot, so that every scheduler finds the same.
#[must_use]
pub fn jitter(import: &str, slot: Millis, max: Millis) -> Millis {
    let Some(max) = u64::try_from(max).ok().filter(|max| *max > 0) else { return 0 };
    let mut hasher = blake3::Hasher::new();
    hasher.update(import.as_bytes());
    // a name has no zero byte, so that no two pairs are hashed alike
    hasher.update(&[0]);
    hasher.update(&slot.to_le_bytes());
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    Millis::try_from(u64::from_le_bytes(first) % max).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::jitter;

    #[test]
    fn it_is_the_same_for_everybody_and_spread_over_the_whole_time() {
        // fixed values: another version of jobpipe must find the same
        assert_eq!([jitter("acme", 0, 60_000), jitter("acme", 900_000, 60_000)], [45_454, 36_842]);
        assert_eq!([jitter("acme", 5, 0), jitter("acme", 5, -7), jitter("acme", 5, 1)], [0, 0, 0]);
        let tenths: Vec<usize> = (0..10_000).map(|slot| (jitter("acme", slot, 1_000) / 100) as usize).collect();
        for tenth in 0..10 {
            let share = tenths.iter().filter(|one| **one == tenth).count();
            assert!((850..1_150).contains(&share), "{share} of 10,000 in tenth {tenth}");
        }
        let same = (0..1_000).filter(|slot| jitter("acme", *slot, 60_000) == jitter("globex", *slot, 60_000)).count();
        assert!(same < 5, "{same} of 1,000 slots are spread alike for two imports");
    }
}
