//! A session file: what is accepted is written and read back as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use s1_store::session::Document;
use serde_json::{Value, json};

/// A saved session with the beginning of its first branch alone: short ones are read often.
fn seed() {
    let saved = s1_fuzz::files("tests/fixtures/v0/data/sessions");
    let short = saved.into_iter().filter_map(|file| {
        let mut session: Value = serde_json::from_slice(&file).ok()?;
        let branches = session["tree"]["branches"].as_array_mut()?;
        branches.truncate(1);
        branches[0]["tokens"].as_array_mut()?.truncate(3);
        branches[0]["probes"] = json!([{"at": 2, "answer": "3", "text": "3", "correct": true}]);
        session["active"] = 0.into();
        Some(session.to_string().into_bytes())
    });
    s1_fuzz::seed("session", short);
}

fuzz_target!(init: seed(), |data: &[u8]| {
    let Ok(document) = Document::parse(data) else {
        return;
    };
    let again = serde_json::to_vec(&document).expect("a session can be written");
    let again = Document::parse(&again).expect("what was written can be read");
    assert!(again == document);
    assert!(document.tree.is_sound());
});
