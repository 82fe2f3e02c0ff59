use super::*;
use s1_core::forcing::Policy;
use s1_core::trace::{Alternative, Origin, Phase, Token};
use s1_core::tree::{Branch, Fork, Probe};

fn document() -> Document {
    let mut tree = Tree::new();
    let token = |i: u32| Token {
        id: i,
        text: format!(" {i} \u{1b}[0m 漢").into(),
        origin: Origin::Sampled,
        phase: Phase::Thinking,
        reason: None,
        logprob: -0.5,
        entropy: 0.25,
        p_end: 0.125,
        top: vec![Alternative {
            id: i,
            text: "x".into(),
            logprob: -0.5,
        }]
        .into(),
    };
    let main = tree.get_mut(0).unwrap();
    main.tokens = (0..6).map(token).collect();
    main.probes = vec![Probe {
        at: 4,
        answer: Some("3".into()),
        text: "3".into(),
        correct: Some(true),
        confidence: None,
        entropy: None,
    }];
    let main = tree.branches()[0].clone();
    let branch = Branch {
        name: "b1".into(),
        fork: Some(Fork { parent: 0, at: 4 }),
        tokens: main.tokens[..4].to_vec(),
        ..main.clone()
    };
    let tree = Tree::of(vec![main, branch]);
    let request = Request {
        question: "How many r?\n".into(),
        system: String::new(),
        raw: false,
        policy: Policy::default(),
        sampling: Default::default(),
        sample: 0,
        reference: Some("3".into()),
        probe_every: Some(16),
        probe_text: String::new(),
        template_args: String::new(),
    };
    let mut document = Document::new(ModelCard::default(), request, vec![1, 2], tree);
    document.active = 1;
    document.cursor = Some(3);
    document
}

fn refusal(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut value = serde_json::to_value(document()).unwrap();
    change(&mut value);
    let error = Document::parse(value.to_string().as_bytes()).unwrap_err();
    format!("{error:#}")
}

#[test]
fn a_session_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/my session.s1.json");
    document().write(&path).unwrap();
    assert_eq!(Document::read(&path).unwrap(), document_at(&path));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "a question may be private");
    }
    // Saved again over itself: no temporary file stays.
    document().write(&path).unwrap();
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    assert_eq!(list(path.parent().unwrap()).len(), 1);
}

fn document_at(path: &Path) -> Document {
    let saved_at = Document::read(path).unwrap().saved_at;
    Document {
        saved_at,
        ..document()
    }
}

#[test]
fn a_failed_save_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.s1.json");
    // A folder where the file should go: the rename fails.
    fs::create_dir_all(path.join("x")).unwrap();
    let error = document().write(&path).unwrap_err();
    assert!(
        format!("{error:#}").starts_with("cannot write"),
        "{error:#}"
    );
    assert!(path.join("x").is_dir());
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no temporary file stays"
    );
}

#[test]
fn an_impossible_token_does_not_make_the_file_unreadable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.s1.json");
    let mut document = document();
    document.tree.get_mut(0).unwrap().tokens[2].logprob = f32::NEG_INFINITY;
    document.tree.get_mut(0).unwrap().tokens[2].entropy = f32::NAN;
    document.write(&path).unwrap();
    let read = Document::read(&path).unwrap();
    assert_eq!(read.tree.get(0).unwrap().tokens[2].logprob, f32::MIN);
}

#[test]
fn every_damage_gets_one_sentence() {
    for (said, change) in [
        (
            "not a session of this program",
            (|v| v["format"] = "x".into()) as fn(&mut serde_json::Value),
        ),
        ("use a newer s1-tui", |v| v["version"] = 2.into()),
        ("no version", |v| v["version"] = 0.into()),
        ("which does not exist", |v| v["active"] = 2.into()),
        ("behind the last token", |v| v["cursor"] = 4.into()),
        ("do not form a tree", |v| {
            v["tree"]["branches"][1]["fork"]["parent"] = 1.into()
        }),
        ("do not form a tree", |v| {
            v["tree"]["branches"] = serde_json::json!([])
        }),
        ("do not form a tree", |v| {
            v["tree"]["branches"][1]["fork"]["at"] = 5.into()
        }),
        ("probe behind", |v| {
            v["tree"]["branches"][0]["probes"][0]["at"] = 7.into()
        }),
        ("damaged", |v| {
            v["tree"]["branches"][0]["tokens"][0]["logprob"] = 1e39.into()
        }),
        ("damaged", |v| {
            v["tree"]["branches"][0]["tokens"][0]["logprob"] = serde_json::Value::Null
        }),
        ("damaged", |v| v["request"]["question"] = 7.into()),
    ] {
        let sentence = refusal(change);
        assert!(sentence.contains(said), "{said}: {sentence}");
        assert!(!sentence.contains('\n'));
    }
    for bytes in [&b""[..], b"{", b"[]", b"\xff\xfe", b"null"] {
        assert!(Document::parse(bytes).is_err());
    }
    let whole = serde_json::to_vec(&document()).unwrap();
    for end in (0..whole.len()).step_by(7) {
        assert!(Document::parse(&whole[..end]).is_err());
    }
}

#[test]
fn a_folder_is_no_session() {
    let folder = tempfile::tempdir().unwrap();
    let error = Document::read(folder.path()).unwrap_err();
    assert!(format!("{error:#}").starts_with("cannot open the session"));
    assert!(list(&folder.path().join("missing")).is_empty());
}
