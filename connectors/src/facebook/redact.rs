//! Keeps credentials out of texts that Facebook or a library wrote: answers do repeat tokens.

use secrecy::{ExposeSecret, SecretString};

/// Longest text of a stranger that is passed on, in characters.
const LONGEST: usize = 300;
/// A word of a secret as long as this one gives it away.
const TELLING: usize = 8;

/// `text` on one line, without any word that is a part of one of the secrets (or holds one), cut to a bounded length.
pub(super) fn clean(text: &str, secrets: &[&SecretString]) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(if gives_away(word, secrets) { "[secret]" } else { word });
    }
    match out.char_indices().nth(LONGEST) {
        Some((end, _)) => out.get(..end).unwrap_or_default().to_owned() + "...",
        None => out,
    }
}

fn gives_away(word: &str, secrets: &[&SecretString]) -> bool {
    secrets.iter().map(|secret| secret.expose_secret()).filter(|secret| !secret.is_empty()).any(|secret| {
        let pieces = word.split(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '|' | '_' | '-')));
        word.contains(secret) || pieces.into_iter().any(|piece| piece.len() >= TELLING && secret.contains(piece))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_and_shortened_secrets_are_left_out() {
        let token = SecretString::from("EAAB0123456789ZDZD");
        let clean = |text: &str| clean(text, &[&token]);
        assert_eq!(clean("Malformed access token EAAB0123456789ZDZD"), "Malformed access token [secret]");
        assert_eq!(clean("token \"EAAB012345...\" is bad"), "token [secret] is bad");
        assert_eq!(clean("?access_token=EAAB0123456789ZDZD&x=1"), "[secret]");
        assert_eq!(clean("nothing\n to  hide"), "nothing to hide");
        assert_eq!(clean(&"x ".repeat(1000)).chars().count(), LONGEST + 3);
    }
}
