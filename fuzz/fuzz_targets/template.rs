//! A chat template: code from a stranger, on a conversation of two turns.

#![no_main]

use libfuzzer_sys::fuzz_target;
use s1_model::template::{ChatTemplate, Message, TemplateArgs};

fn seed() {
    let own = s1_fuzz::files("crates/model/src/template/fixtures");
    let ours = s1_fuzz::files("crates/model/src/template");
    s1_fuzz::seed("template", own.into_iter().chain(ours));
}

fuzz_target!(init: seed(), |source: &str| {
    let template = ChatTemplate::from_source(Some(source), "<s>", "</s>", |_| false);
    let _ = template.switches();
    let said = [
        Message::new("system", "Be brief."),
        Message::new("user", "How many r in raspberry?"),
        Message::new("assistant", "<think>\nr: 3\n</think>\n3"),
        Message::new("user", "Sure?"),
    ];
    match template.render(&said, true, &TemplateArgs::default()) {
        Ok(text) => assert!(text.len() <= 1 << 20),
        Err(error) => {
            let sentence = error.to_string();
            assert!(!sentence.contains("broke the template engine"), "{sentence}");
            assert!(!sentence.chars().any(char::is_control), "{sentence:?}");
        }
    }
});
