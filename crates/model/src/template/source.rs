//! The source of a template, before the engine reads it.

use regex::Regex;
use std::sync::LazyLock;

/// Tags around what the assistant says. Training masks the rest by them; what is rendered is the same
/// without.
static GENERATION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}").ok());

/// The source without the tags that the engine does not know: a block that is always taken stands in
/// their place, since they also trim white space.
pub(super) fn plain(source: &str) -> String {
    let Some(tags) = GENERATION.as_ref() else {
        return source.to_owned();
    };
    let block = |tag: &regex::Captures<'_>| {
        let word = if tag.get(2).is_some() {
            "endif"
        } else {
            "if true"
        };
        format!("{{%{} {word} {}%}}", &tag[1], &tag[3])
    };
    tags.replace_all(source, block).into_owned()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn generation_tags_become_blocks_that_trim_as_they_do() {
        assert_eq!(
            plain("{%- generation -%}a{% endgeneration %}{{ generation }}"),
            "{%- if true -%}a{% endif %}{{ generation }}"
        );
    }
}
