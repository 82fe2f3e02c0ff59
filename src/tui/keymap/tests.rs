use crossterm::event::{KeyCode, KeyModifiers};

use super::*;

fn press(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

fn with(text: &str) -> Result<Keymap> {
    let mut keymap = Keymap::default();
    keymap.apply("keymap.toml", text)?;
    Ok(keymap)
}

fn error(text: &str) -> String {
    with(text).unwrap_err().to_string()
}

#[test]
fn the_embedded_keymap_reads_and_reaches_every_action() {
    let mut keymap = Keymap {
        bindings: Vec::new(),
    };
    keymap.apply("keymap.toml", DEFAULTS).unwrap();
    for action in Action::ALL {
        assert!(
            Context::ALL
                .iter()
                .any(|&c| keymap.key_for(c, *action).is_some()),
            "no key runs {}",
            action.name()
        );
    }
    for &context in Context::ALL {
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(keymap.action(context, ctrl_c), Some(Action::Quit));
    }
}

#[test]
fn the_keys_of_the_footer_are_the_ones_the_readme_promises() {
    let keymap = Keymap::default();
    for (key, action) in [
        ("w", Action::Wait),
        ("W", Action::WaitText),
        ("x", Action::Cut),
        ("X", Action::CutSentence),
        ("Space", Action::Pause),
        ("s", Action::StepToken),
        ("S", Action::StepSentence),
        ("i", Action::Inject),
        ("+", Action::BudgetUp),
        ("-", Action::BudgetDown),
        ("r", Action::Reroll),
        ("Esc", Action::Stop),
        ("←", Action::Left),
        ("Enter", Action::Alternatives),
        ("b", Action::Branch),
        ("u", Action::Rewind),
        ("p", Action::Probe),
        ("P", Action::ProbeEvery),
        ("y", Action::CopyAnswer),
        ("Y", Action::CopyTrace),
        ("Ctrl-s", Action::Save),
        ("?", Action::Help),
        (":", Action::Palette),
        ("q", Action::Quit),
    ] {
        assert_eq!(
            keymap.key_for(Context::Explore, action).as_deref(),
            Some(key)
        );
    }
    assert_eq!(
        keymap.key_for(Context::Editor, Action::Submit).as_deref(),
        Some("Enter")
    );
    assert_eq!(
        keymap.key_for(Context::List, Action::Accept).as_deref(),
        Some("Enter")
    );
}

#[test]
fn a_user_row_takes_its_key_over_and_is_shown_first() {
    let keymap = with("explore = [{ on = [\"f2\", \"x\"], run = \"wait\" }]").unwrap();
    let explore = |key| keymap.action(Context::Explore, press(key));
    assert_eq!(explore(KeyCode::F(2)), Some(Action::Wait));
    assert_eq!(
        explore(KeyCode::Char('x')),
        Some(Action::Wait),
        "x no longer cuts"
    );
    assert_eq!(
        explore(KeyCode::Char('w')),
        Some(Action::Wait),
        "other rows stay"
    );
    assert_eq!(
        keymap.keys_for(Context::Explore, Action::Wait),
        ["F2", "x", "w"]
    );
    assert_eq!(keymap.key_for(Context::Explore, Action::Cut), None);
    assert_eq!(
        keymap.key_for(Context::Editor, Action::Submit).as_deref(),
        Some("Enter")
    );
}

#[test]
fn a_screen_may_use_or_give_up_a_key_of_the_whole_program() {
    let explore = |keymap: &Keymap, c| keymap.action(Context::Explore, press(KeyCode::Char(c)));
    let keymap = Keymap::default();
    assert_eq!(explore(&keymap, '1'), Some(Action::ShowExplore));
    assert_eq!(
        keymap.action(Context::Editor, press(KeyCode::Char('1'))),
        None,
        "a digit types"
    );
    let rows = "explore = [{ on = \"m\", run = \"none\" }, { on = \"1\", run = \"wait\" }]";
    let keymap = with(rows).unwrap();
    assert_eq!(explore(&keymap, 'm'), None);
    assert_eq!(keymap.key_for(Context::Explore, Action::Models), None);
    assert_eq!(explore(&keymap, '1'), Some(Action::Wait));
    assert_eq!(keymap.keys_for(Context::Explore, Action::Wait), ["1", "w"]);
    assert_eq!(keymap.key_for(Context::Explore, Action::ShowExplore), None);
}

#[test]
fn none_takes_a_key_away() {
    let keymap = with("explore = [{ on = \"w\", run = \"none\" }]").unwrap();
    assert_eq!(
        keymap.action(Context::Explore, press(KeyCode::Char('w'))),
        None
    );
    assert_eq!(keymap.key_for(Context::Explore, Action::Wait), None);
}

#[test]
fn every_action_can_be_bound_in_every_context() {
    for context in ["explore", "editor", "list"] {
        for action in Action::ALL {
            with(&format!(
                "{context} = [{{ on = \"f9\", run = {:?} }}]",
                action.name()
            ))
            .unwrap();
        }
    }
}

#[test]
fn a_bad_row_is_one_sentence_with_file_line_and_what_to_write() {
    let typo = error("\nexplore = [\n  { on = \"w\", run = \"wiat\" },\n]");
    assert!(
        typo.starts_with(
            "keymap.toml, line 3: there is no action \"wiat\"; did you mean \"wait\"?"
        ),
        "{typo}"
    );
    let wild = error("explore = [{ on = \"w\", run = \"make coffee\" }]");
    assert!(
        wild.contains("the actions are none, edit_question, "),
        "{wild}"
    );
    let key = error("list = [{ on = \"strg-s\", run = \"save\" }]");
    assert!(
        key.starts_with("keymap.toml, line 1: unknown key \"strg-s\"; write a character"),
        "{key}"
    );
    let twice = error("list = [{ on = [\"W\", \"shift-w\"], run = \"save\" }]");
    assert!(twice.contains("\"shift-w\" is bound twice"), "{twice}");
    let kind = error("list = [{ on = 3, run = \"save\" }]");
    assert!(
        kind.contains("line 1: on must be a key or a list of keys"),
        "{kind}"
    );
    let field = error("list = [{ on = \"s\", rum = \"save\" }]");
    assert!(
        field.contains("unknown field `rum`, expected `on` or `run`"),
        "{field}"
    );
    let context = error("explorer = []");
    assert!(context.contains("unknown variant `explorer`"), "{context}");
    for sentence in [typo, wild, key, twice, kind, field, context] {
        assert!(!sentence.contains('\n'), "{sentence}");
    }
}

#[test]
fn a_keymap_that_locks_the_user_in_is_refused() {
    let locked = error("explore = [{ on = [\"q\", \"ctrl-c\"], run = \"none\" }]");
    assert!(locked.contains("leaves no key to quit"), "{locked}");
}

#[test]
fn the_users_file_is_read_from_the_config_folder() {
    let root = tempfile::tempdir().unwrap();
    let dirs = Dirs::below(root.path());
    assert_eq!(Keymap::load(&dirs).unwrap(), Keymap::default());
    std::fs::create_dir_all(&dirs.config).unwrap();
    let path = dirs.config.join("keymap.toml");
    std::fs::write(&path, "explore = [{ on = \"f5\", run = \"cut\" }]").unwrap();
    let keymap = Keymap::load(&dirs).unwrap();
    assert_eq!(
        keymap.key_for(Context::Explore, Action::Cut).as_deref(),
        Some("F5")
    );
    std::fs::write(&path, "explore = [").unwrap();
    let error = Keymap::load(&dirs).unwrap_err().to_string();
    assert!(error.contains(&path.display().to_string()), "{error}");
}
