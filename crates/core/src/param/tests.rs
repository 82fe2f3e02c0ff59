use super::*;

#[derive(Clone, Debug, Default, PartialEq)]
struct Thing {
    count: usize,
    every: Option<usize>,
    rate: f32,
    share: Option<f64>,
    on: bool,
    word: String,
    text: String,
    end: Option<String>,
    file: Option<PathBuf>,
    folders: Vec<PathBuf>,
    pair: (usize, usize),
}

const WORDS: &[Word] = &[
    ("", "Nothing."),
    ("left", "To the left."),
    ("right", "To the right."),
];

const TABLE: &[Param<Thing>] = &[
    param!(Thing.count, Int, 0, 9)
        .named("Count", "")
        .help("How many."),
    param!(Thing.every, Int, 1, 100)
        .named("Every", "")
        .help("How often.")
        .none("off")
        .unit("tokens"),
    param!(Thing.rate, Float, 0.0, 100.0)
        .named("Rate", "")
        .help("How fast.")
        .meaning("0", "greedy"),
    param!(Thing.share, Float, ABOVE_ZERO, 1.0)
        .named("Share", "")
        .help("How much.")
        .meaning("1", "off")
        .none("auto"),
    param!(Thing.on, Switch).named("On", "").help("Whether."),
    param!(
        "word",
        Access::Choice(
            WORDS,
            Lens {
                get: |t: &Thing| t.word.clone(),
                set: |t, v| t.word = v,
            },
        )
    )
    .named("Word", "")
    .help("Which."),
    param!(Thing.text, AnyText).named("Text", "").help("What."),
    param!(Thing.end, Text)
        .named("End", "")
        .help("Where.")
        .none("auto"),
    param!(Thing.file, Path)
        .named("File", "")
        .help("From where.")
        .none("auto"),
    param!(Thing.folders, Paths)
        .named("Folders", "")
        .help("From where."),
    param!(
        "pair",
        Access::Notation(
            |t: &Thing| format!("{}+{}", t.pair.0, t.pair.1),
            |t, text| {
                let (a, b) = text.split_once('+')?;
                t.pair = (a.parse().ok()?, b.parse().ok()?);
                Some(())
            },
        )
    )
    .named("Pair", "")
    .help("Two of them.")
    .allowed("two numbers as a+b"),
];

fn find(key: &str) -> &'static dyn Setting<Thing> {
    let found = settings(TABLE).find(|s: &&dyn Setting<Thing>| s.info().key == key);
    found.unwrap()
}

#[test]
fn a_value_reads_as_it_was_written() {
    let thing = Thing {
        count: 3,
        every: Some(5),
        rate: 0.1,
        share: Some(1e-5),
        on: true,
        word: "left".into(),
        text: " a b ".into(),
        end: Some("</t>\n".into()),
        file: Some("a b.gguf".into()),
        folders: vec!["/a".into(), "/b c".into()],
        pair: (1, 2),
    };
    for whole in [Thing::default(), thing.clone()] {
        let mut copy = thing.clone();
        for setting in settings(TABLE) {
            setting.set(&mut copy, &setting.text(&whole)).unwrap();
        }
        assert_eq!(copy, whole);
    }
    assert_eq!(find("rate").text(&thing), "0.1");
    assert_eq!(find("share").text(&thing), "1e-5");
    assert_eq!(find("every").default_text(), "off");
}

#[test]
fn what_is_not_allowed_changes_nothing_and_says_what_is() {
    for (key, text, sentence) in [
        (
            "count",
            "10",
            "must be a whole number from 0 to 9, but is \"10\"",
        ),
        (
            "count",
            "-1",
            "must be a whole number from 0 to 9, but is \"-1\"",
        ),
        (
            "count",
            "off",
            "must be a whole number from 0 to 9, but is \"off\"",
        ),
        (
            "every",
            "x",
            "must be a number of tokens from 1 to 100, or \"off\", but is \"x\"",
        ),
        (
            "rate",
            "abc",
            "must be a number from 0 (greedy) to 100, but is \"abc\"",
        ),
        (
            "rate",
            "NaN",
            "must be a number from 0 (greedy) to 100, but is \"NaN\"",
        ),
        (
            "rate",
            "100.1",
            "must be a number from 0 (greedy) to 100, but is \"100.1\"",
        ),
        (
            "share",
            "0",
            "must be a number above 0 and at most 1 (off), or \"auto\", but is \"0\"",
        ),
        ("on", "yes", "must be true or false, but is \"yes\""),
        (
            "word",
            "up",
            "must be \"\", \"left\" or \"right\", but is \"up\"",
        ),
        (
            "end",
            "",
            "must be text that is not empty, or \"auto\", but is \"\"",
        ),
        ("file", " ", "must be a path, or \"auto\", but is \" \""),
        ("pair", "1", "must be two numbers as a+b, but is \"1\""),
    ] {
        let mut thing = Thing::default();
        let error = find(key).set(&mut thing, text).unwrap_err();
        assert_eq!(error.to_string(), sentence, "{key}");
        assert_eq!(thing, Thing::default());
        assert!(find(key).check(text).is_err());
    }
}

#[test]
fn a_word_stands_for_no_value_and_0_is_off_where_it_is_nothing_else() {
    let mut thing = Thing::default();
    for text in ["off", "0"] {
        thing.every = Some(7);
        find("every").set(&mut thing, text).unwrap();
        assert_eq!(thing.every, None);
    }
    thing.end = Some("x".into());
    find("end").set(&mut thing, "auto").unwrap();
    assert_eq!(thing.end, None);
}

#[test]
fn a_table_validates_a_value_made_elsewhere() {
    let mut thing = Thing {
        rate: f32::NAN,
        ..Thing::default()
    };
    let error = validate(TABLE, &thing).unwrap_err().to_string();
    assert_eq!(
        error,
        "rate must be a number from 0 (greedy) to 100, but is \"NaN\""
    );
    thing.rate = 1.0;
    assert!(validate(TABLE, &thing).is_ok());
}

#[test]
fn hints_name_what_a_special_value_means() {
    assert_eq!(find("rate").info().hint(), "How fast; 0 is greedy.");
    assert_eq!(find("every").info().hint(), "How often.");
    assert_eq!(find("every").info().variable(), "S1_TUI_EVERY");
}
