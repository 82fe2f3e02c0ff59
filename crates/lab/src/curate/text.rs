//! A text as the words that count when two texts are compared.

/// The words of a text in lower case, without punctuation: `She's 3.5 ft!` is `she s 3 5 ft`.
pub fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// A hash that is the same on every machine (64-bit FNV-1a); parts are kept apart.
pub fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_count() {
        assert_eq!(words("She's 3.5 ft!"), ["she", "s", "3", "5", "ft"]);
        assert!(words(" …! ").is_empty());
    }

    #[test]
    fn words_that_run_together_are_other_words() {
        assert_ne!(hash(["ab", "c"]), hash(["a", "bc"]));
        assert_eq!(hash(["ab", "c"]), hash(["ab", "c"]));
    }
}
