//! The nearest right spelling.

/// The longest text that is compared, in bytes.
const LONGEST: usize = 100;

/// The one of `known` that `wrong` was probably meant to be, if any is near enough.
pub fn nearest<'k>(wrong: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // No name is that long, and comparing takes time and memory in its length.
    if wrong.len() > LONGEST {
        return None;
    }
    let lower = wrong.to_lowercase();
    let score = |candidate: &str| {
        if candidate == lower || candidate.replace('_', "") == lower.replace(['-', '_'], "") {
            return 1.0;
        }
        // A word cut short (`extr`) or written on (`headers_list`) counts as near.
        let prefixed = candidate.starts_with(&lower) || lower.starts_with(candidate);
        let bonus = if prefixed && lower.len() >= 3 { 0.15 } else { 0.0 };
        strsim::normalized_damerau_levenshtein(candidate, &lower) + bonus
    };
    let scored = known.into_iter().map(|candidate| (score(candidate), candidate));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 >= 0.55).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_spellings_are_found_and_far_ones_are_not() {
        let known = ["crawl", "transform", "export", "name", "schedule", "catch_up"];
        assert_eq!(nearest("crawle", known), Some("crawl"));
        assert_eq!(nearest("Exprot", known), Some("export"));
        assert_eq!(nearest("catchup", known), Some("catch_up"));
        assert_eq!(nearest("catch-up", known), Some("catch_up"));
        assert_eq!(nearest("zebra", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("x", []), None);
    }
}
