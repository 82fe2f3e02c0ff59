//! The values that a user gives to a template's own switches: `enable_thinking=false`,
//! `reasoning_effort=high`.
//!
//! Not here: which switches a template has, and what it writes with them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Values by the names that a template reads them under. A template that does not know one ignores
/// it. As text, pairs are separated by semicolons; a value is JSON, or else text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemplateArgs(pub BTreeMap<String, Value>);

impl TemplateArgs {
    /// These values where the user gave none, and the user's.
    pub fn over(&self, defaults: &BTreeMap<String, Value>) -> TemplateArgs {
        let mut all = defaults.clone();
        all.extend(self.0.clone());
        TemplateArgs(all)
    }
}

impl FromStr for TemplateArgs {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut args = BTreeMap::new();
        for pair in text.split([';', '\n']).map(str::trim) {
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair.split_once('=').ok_or(())?;
            let name = name.trim();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty()
                || !name.chars().all(plain)
                || name.starts_with(|c: char| c.is_ascii_digit())
            {
                return Err(());
            }
            let value = value.trim();
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            args.insert(name.to_owned(), value);
        }
        Ok(TemplateArgs(args))
    }
}

impl TryFrom<String> for TemplateArgs {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let read = text.parse();
        read.map_err(|()| format!("{text:?} is not KEY=VALUE with semicolons between"))
    }
}

impl From<TemplateArgs> for String {
    fn from(args: TemplateArgs) -> String {
        args.to_string()
    }
}

impl fmt::Display for TemplateArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            match value {
                // Text that would be read as something else keeps its quotes.
                Value::String(text) if serde_json::from_str::<Value>(text).is_err() => {
                    write!(f, "{separator}{name}={text}")?;
                }
                value => write!(f, "{separator}{name}={value}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_or_text_and_read_back() {
        let args: TemplateArgs = "enable_thinking=false; effort=high; n=3; name=\"3\""
            .parse()
            .unwrap();
        assert_eq!(args.0["enable_thinking"], Value::Bool(false));
        assert_eq!(args.0["effort"], Value::from("high"));
        assert_eq!(args.0["n"], Value::from(3));
        assert_eq!(args.0["name"], Value::from("3"));
        assert_eq!(args.to_string().parse().as_ref(), Ok(&args));
        let stored = serde_json::to_value(&args).unwrap();
        assert_eq!(
            stored,
            "effort=high; enable_thinking=false; n=3; name=\"3\""
        );
        assert_eq!(
            serde_json::from_value::<TemplateArgs>(stored).unwrap(),
            args
        );
        assert!(serde_json::from_value::<TemplateArgs>("thinking".into()).is_err());
        assert_eq!("".parse(), Ok(TemplateArgs::default()));
        for wrong in ["thinking", "=1", "a b=1", "1a=2"] {
            assert_eq!(wrong.parse::<TemplateArgs>(), Err(()), "{wrong}");
        }
    }
}
