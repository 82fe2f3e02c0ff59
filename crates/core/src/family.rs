//! Families of models: how each marks its thinking, and by what it is told. They are data: the table
//! is `assets/families.toml`, and a user's own file of the same form comes before it.
//!
//! Not here: how the texts become tokens ([`crate::delimiters`]).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::RegexBuilder;
use serde::Deserialize;

use crate::delimiters::TokenLookup;

/// The bundled table.
const BUNDLED: &str = include_str!("../../../assets/families.toml");

/// The most families that a file may have, and the longest a text in it may be.
const MAX_FAMILIES: usize = 200;
const MAX_TEXT: usize = 1000;

/// How the models of one family mark their thinking. What each field means is said in the table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    pub name: String,
    #[serde(default)]
    pub about: String,
    pub open: String,
    #[serde(default)]
    pub open_tag: String,
    pub end_tag: String,
    pub close: String,
    #[serde(default)]
    pub natural: Option<String>,
    #[serde(default)]
    pub skip: String,
    #[serde(default)]
    pub always_skip: bool,
    #[serde(default)]
    pub newline_first: bool,
    #[serde(default)]
    pub primer: bool,
    #[serde(default)]
    pub answer_mark: String,
    /// Values of the template's switches for a turn with thinking.
    #[serde(default)]
    pub on: Switches,
    /// And for one without.
    #[serde(default)]
    pub off: Switches,
    /// Alternatives by which it is told.
    #[serde(default)]
    detect: Vec<Condition>,
}

/// Values by the names that a template reads them under.
pub type Switches = BTreeMap<String, toml::Value>;

/// What must hold of a model, all of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Condition {
    name: Option<String>,
    tokens: Vec<String>,
    without: Vec<String>,
    template: Vec<String>,
    prompt: Vec<String>,
    silent: Vec<String>,
    unnamed: Option<String>,
}

/// What is known of a model before its family is.
pub struct Traits<'a> {
    pub vocabulary: &'a dyn TokenLookup,
    /// Names it goes by: its own, and its file's.
    pub names: &'a [&'a str],
    /// The source of its chat template; empty for none.
    pub template: &'a str,
    /// What the template writes before the assistant's words.
    pub prompt: &'a str,
}

/// The families that are known, in the order in which a model is compared with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Families(Vec<Family>);

/// The table of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FamilyTable {
    #[serde(default)]
    family: Vec<Family>,
}

static ALL: LazyLock<Families> = LazyLock::new(|| Families::read(BUNDLED).unwrap_or_default());

impl Families {
    /// The bundled table.
    pub fn bundled() -> &'static Families {
        &ALL
    }

    /// The families of a file.
    ///
    /// # Errors
    /// In one sentence, if the text is no such table.
    pub fn read(text: &str) -> Result<Families, String> {
        let table: FamilyTable = toml::from_str(text).map_err(|error| {
            let message = error.message().trim().to_owned();
            match error.span() {
                Some(span) => {
                    let line = text.get(..span.start).unwrap_or_default();
                    format!("line {}: {message}", line.matches('\n').count() + 1)
                }
                None => message,
            }
        })?;
        if table.family.len() > MAX_FAMILIES {
            return Err(format!("it has more than {MAX_FAMILIES} families"));
        }
        for family in &table.family {
            family.check()?;
        }
        Ok(Families(table.family))
    }

    /// These families, and after them the bundled ones.
    pub fn before_bundled(mut self) -> Families {
        self.0.extend(Families::bundled().0.iter().cloned());
        self
    }

    /// A family by its name.
    ///
    /// # Errors
    /// In one sentence, if there is none.
    pub fn get(&self, name: &str) -> Result<&Family, String> {
        let found = self.0.iter().find(|family| family.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.iter().map(|family| family.name.as_str()).collect();
            format!(
                "there is no family {name:?}; there are {}",
                names.join(", ")
            )
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Family> {
        self.0.iter()
    }

    /// The family of a model, and why it is taken for one.
    ///
    /// # Errors
    /// In one sentence, if none fits: a table without one that fits every model.
    pub fn detect(&self, model: &Traits<'_>) -> Result<(&Family, String), String> {
        self.0
            .iter()
            .find_map(|family| Some((family, family.told_by(model)?)))
            .ok_or_else(|| "no family fits this model; give one with --family".to_owned())
    }
}

impl Family {
    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 40 || !name.chars().all(plain) {
            return Err(format!(
                "the name {name:?} of a family must be letters, digits, \"-\", \"_\" and \".\""
            ));
        }
        let texts = [&self.open, &self.end_tag, &self.close, &self.skip];
        if texts.iter().any(|text| text.len() > MAX_TEXT) {
            return Err(format!(
                "a text of the family {name} is longer than {MAX_TEXT} bytes"
            ));
        }
        for (what, text) in [("end_tag", &self.end_tag), ("close", &self.close)] {
            if text.is_empty() {
                return Err(format!("the family {name} has an empty {what}"));
            }
        }
        for condition in &self.detect {
            for pattern in [&condition.name, &condition.unnamed].into_iter().flatten() {
                expression(pattern).ok_or_else(|| {
                    format!("the family {name} has no valid expression {pattern:?}")
                })?;
            }
        }
        Ok(())
    }

    /// Why a model is one of this family; `None` if it is not.
    fn told_by(&self, model: &Traits<'_>) -> Option<String> {
        self.detect
            .iter()
            .find_map(|condition| condition.holds(model))
    }
}

impl Condition {
    /// What holds, in words; `None` if something does not.
    fn holds(&self, model: &Traits<'_>) -> Option<String> {
        let has = |token: &String| model.vocabulary.token(token).is_some();
        let mut reasons = Vec::new();
        if let Some(pattern) = &self.name {
            let pattern = expression(pattern)?;
            let name = model.names.iter().find(|name| pattern.is_match(name))?;
            reasons.push(format!("its name is {name}"));
        }
        if !self.tokens.iter().all(has) || self.without.iter().any(has) {
            return None;
        }
        if !self.tokens.is_empty() {
            reasons.push(format!("its vocabulary has {}", self.tokens.join(" and ")));
        }
        if !self.template.is_empty() {
            let text = self
                .template
                .iter()
                .find(|text| model.template.contains(*text))?;
            reasons.push(format!("its template has {text}"));
        }
        if !self.prompt.is_empty() {
            let text = self
                .prompt
                .iter()
                .find(|text| model.prompt.ends_with(*text))?;
            reasons.push(format!("its template opens {}", text.trim_end()));
        }
        if self.silent.iter().any(|text| model.template.contains(text)) {
            return None;
        }
        if let Some(pattern) = &self.unnamed {
            let pattern = expression(pattern)?;
            if model.names.iter().any(|name| pattern.is_match(name)) {
                return None;
            }
        }
        if reasons.is_empty() {
            reasons.push("nothing says otherwise".to_owned());
        }
        Some(reasons.join(", "))
    }
}

/// An expression for names, case aside.
fn expression(pattern: &str) -> Option<regex::Regex> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(1 << 20)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delimiters::tests::{CHATML, PLAIN, QWEN3, Toy};

    fn told(vocabulary: &Toy, template: &str, prompt: &str, names: &[&str]) -> String {
        let model = Traits {
            vocabulary,
            names,
            template,
            prompt,
        };
        let (family, why) = Families::bundled().detect(&model).unwrap();
        assert!(!why.is_empty());
        family.name.clone()
    }

    #[test]
    fn the_bundled_table_is_read_and_ends_with_one_that_fits_all() {
        Families::read(BUNDLED).unwrap();
        let names: Vec<&str> = Families::bundled()
            .iter()
            .map(|f| f.name.as_str())
            .collect();
        for name in ["s1", "qwen3", "r1", "gpt-oss", "mistral", "generic"] {
            assert!(names.contains(&name), "{name}");
        }
        assert_eq!(told(&PLAIN, "", "", &["anything"]), "generic");
        assert!(Families::bundled().iter().all(|f| !f.about.is_empty()));
    }

    #[test]
    fn a_model_is_told_by_tokens_template_prompt_and_name() {
        const DEEPSEEK: Toy = Toy(&[("<｜Assistant｜>", 1), ("<think>", 2), ("</think>", 3)]);
        const HARMONY: Toy = Toy(&[("<|channel|>", 1), ("<|message|>", 2), ("<|start|>", 3)]);
        const THINK: Toy = Toy(&[("[THINK]", 1), ("[/THINK]", 2)]);
        for (vocabulary, template, prompt, name, family) in [
            (
                &QWEN3,
                "{% if enable_thinking %}",
                "assistant\n",
                "Qwen3 0.6B",
                "qwen3",
            ),
            (
                &QWEN3,
                "{{ messages }}",
                "assistant\n<think>\n",
                "QwQ 32B",
                "qwen3",
            ),
            (&QWEN3, "", "assistant\n", "Qwen3 8B", "qwen3"),
            (&QWEN3, "{{ messages }}", "assistant\n", "Nano", "qwen3"),
            (
                &QWEN3,
                "{{ messages }}",
                "assistant\n",
                "Qwen3-Coder-30B-A3B",
                "generic",
            ),
            // Instruct models of the same vocabulary do not think.
            (
                &QWEN3,
                "{{ '</think>' }}",
                "assistant\n",
                "Qwen3 4B Instruct",
                "generic",
            ),
            (&DEEPSEEK, "", "", "DeepSeek-R1-Distill-Qwen", "r1"),
            (&PLAIN, "{{ '<｜Assistant｜>' }}", "", "x", "r1"),
            (&HARMONY, "", "<|start|>assistant", "gpt-oss-20b", "gpt-oss"),
            (&THINK, "", "[/INST]", "Magistral", "mistral"),
            (&PLAIN, "", "[|assistant|]<thought>\n", "x", "exaone"),
            (&CHATML, "", "", "s1.1-7B", "s1"),
            (&CHATML, "", "", "simplescaling_s1-32B", "s1"),
            (&CHATML, "", "", "s1-32B-Q4_K_M", "s1"),
            (&CHATML, "", "", "rows10 s12", "generic"),
            (&CHATML, "", "", "Galaxy S1 assistant", "generic"),
            (&QWEN3, "enable_thinking", "", "Qwen3 8B s1 tuned", "qwen3"),
        ] {
            assert_eq!(
                told(vocabulary, template, prompt, &[name]),
                family,
                "{name}"
            );
        }
    }

    #[test]
    fn a_users_table_comes_first_and_its_mistakes_are_named() {
        let own = "[[family]]\nname = \"mine\"\nopen = \"<r>\"\nend_tag = \"</r>\"\nclose = \"</r>\"\ndetect = [{ tokens = [\"<|im_start|>\"] }]";
        let families = Families::read(own).unwrap().before_bundled();
        let model = Traits {
            vocabulary: &CHATML,
            names: &["s1-7B"],
            template: "",
            prompt: "",
        };
        assert_eq!(families.detect(&model).unwrap().0.name, "mine");
        assert_eq!(families.get("r1").unwrap().end_tag, "</think>");
        let unknown = families.get("other").unwrap_err();
        assert!(unknown.contains("there are mine, s1"), "{unknown}");
        for (text, part) in [
            ("[[family]]\nname = 3", "line 2"),
            (
                "[[family]]\nname = \"a b\"\nopen = \"\"\nend_tag = \"x\"\nclose = \"x\"",
                "\"a b\"",
            ),
            (
                "[[family]]\nname = \"a\"\nopen = \"\"\nend_tag = \"\"\nclose = \"x\"",
                "end_tag",
            ),
            (
                "[[family]]\nname = \"a\"\nopen = \"\"\nend_tag = \"x\"\nclose = \"x\"\ndetect = [{ name = \"(\" }]",
                "expression",
            ),
            ("colour = 1", "colour"),
        ] {
            let error = Families::read(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
