use super::*;
use s1_core::exit::Exit;
use s1_core::forcing::{CutAt, Ending, OnLoop, Priming};
use s1_core::training::Quantization;
use s1_engine::ServerOptions;
use s1_model::cache::CacheType;
use s1_model::device::DeviceChoice;

mod doors;

const COMMENTED: &str = include_str!("../../assets/config.toml");

fn parsed(text: &str) -> Result<Config> {
    let mut config = Config::default();
    config.apply_file("config.toml", text)?;
    Ok(config)
}

fn error(text: &str) -> String {
    let error = parsed(text).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

fn no_env(_: &str) -> Option<String> {
    None
}

/// The commented file with every `# key = value` line in force.
fn uncommented() -> String {
    let line = |line: &'static str| match line.strip_prefix("# ") {
        Some(rest)
            if rest
                .split_once(" = ")
                .is_some_and(|(key, _)| !key.contains(' ')) =>
        {
            rest
        }
        _ => line,
    };
    COMMENTED.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_commented_file_lists_every_setting_with_its_default() {
    assert_eq!(parsed(COMMENTED).unwrap(), Config::default());
    let text = uncommented();
    assert_eq!(parsed(&text).unwrap(), Config::default());
    let table: toml::Table = toml::from_str(&text).unwrap();
    for (section, setting) in settings::all() {
        let key = setting.info().key;
        let found = match section {
            Some(section) => table[section].get(key),
            None => table.get(key),
        };
        assert!(found.is_some(), "{key} is not in assets/config.toml");
    }
}

#[test]
fn every_key_reaches_its_place() {
    let config = parsed(
        r#"
        model = "m.gguf"
        model_folders = ["/a", "/b c"]
        context = 4_096
        device = "cuda:1"
        quantize = "q8_0"
        cache_type = "q8_0"
        lookup = false
        server_model = "m"
        api_key_env = "KEY"
        tokenizer = "t.json"
        concurrency = 16
        serve = "vllm"
        threads = 2
        family = "r1"
        template_args = "enable_thinking=false"
        strict = true
        pre = "qwen2"
        think_open = "<t>\n"
        think_end = "</t>"
        think_close = "</t>\n"
        system = "Be brief."
        theme = "light"
        mouse = false
        pace = 40
        probe_every = 32
        probe_text = "Answer:"
        what_if = 8
        price_per_hour = 2.5
        python = "uv"
        [thinking]
        think = false
        max_thinking = 256
        waits = 2
        wait_text = "Hmm"
        min_thinking = 5
        cut_at = "sentence:24"
ending = "message"
ending_text = "Now."
ending_before = 7
mask_close = true
        final_answer = "on"
        answer_max = 64
        on_loop = "answer"
        exit = "deer:0.9"
        exit_text = "So:"
        nowait = true
        [sampling]
        temperature = 0.5
        top_k = 20
        top_p = 0.9
        min_p = 0.05
        repetition_penalty = 1.1
        repetition_window = 128
        seed = 18446744073709551615
        "#,
    )
    .unwrap();
    assert_eq!(
        config,
        Config {
            load: LoadOptions {
                path: "m.gguf".into(),
                context: Some(4096),
                device: DeviceChoice::Cuda(1),
                family: Some("r1".into()),
                think_open: Some("<t>\n".into()),
                think_end: Some("</t>".into()),
                think_close: Some("</t>\n".into()),
                template_args: "enable_thinking=false".parse().unwrap(),
                pre: Some("qwen2".into()),
                strict: true,
                adapter: None,
                quantize: Some(Quantization::Q8_0),
                cache_type: Some(CacheType::Q8_0),
                lookup: false,
                server: ServerOptions {
                    model: Some("m".into()),
                    key_variable: Some("KEY".into()),
                    tokenizer: Some("t.json".into()),
                    concurrency: Some(16),
                    serve: Some("vllm".into()),
                },
            },
            model_folders: vec!["/a".into(), "/b c".into()],
            threads: Some(2),
            theme: Some("light".into()),
            mouse: false,
            what_if: 8,
            pace: Some(40),
            price_per_hour: 2.5,
            python: Some("uv".into()),
            request: Request {
                system: "Be brief.".into(),
                probe_every: Some(32),
                probe_text: "Answer:".into(),
                template_args: String::new(),
                policy: Policy {
                    think: false,
                    max_thinking: Some(256),
                    waits: 2,
                    wait_text: "Hmm".into(),
                    min_thinking: 5,
                    cut_at: CutAt::Sentence { window: 24 },
                    ending: Ending::Message,
                    ending_text: "Now.".into(),
                    ending_before: 7,
                    mask_close: true,
                    final_answer: Priming::On,
                    answer_max: 64,
                    on_loop: OnLoop::Answer,
                    exit: Exit::Deer { above: 0.9 },
                    exit_text: "So:".into(),
                    nowait: true,
                },
                sampling: Sampling {
                    temperature: 0.5,
                    top_k: 20,
                    top_p: 0.9,
                    min_p: 0.05,
                    repetition_penalty: 1.1,
                    repetition_window: 128,
                    seed: u64::MAX,
                },
                ..Request::default()
            },
        }
    );
}

#[test]
fn the_environment_wins_over_the_file() {
    let root = tempfile::tempdir().unwrap();
    let dirs = Dirs::below(root.path());
    assert_eq!(
        Config::load(&dirs, None, no_env).unwrap(),
        Config::default(),
        "no file: defaults"
    );

    std::fs::create_dir_all(&dirs.config).unwrap();
    let file = "theme = \"dark\"\nthreads = 4\n[thinking]\nwaits = 1";
    std::fs::write(dirs.config.join("config.toml"), file).unwrap();
    let env = |name: &str| match name {
        "S1_TUI_THEME" => Some("light".to_owned()),
        "S1_TUI_WAITS" => Some("3".to_owned()),
        "S1_TUI_THREADS" => Some(String::new()),
        _ => None,
    };
    let mut config = Config::load(&dirs, None, env).unwrap();
    assert_eq!(
        (config.theme.as_deref(), config.request.policy.waits),
        (Some("light"), 3)
    );
    assert_eq!(config.threads, Some(4), "an empty variable is none");
    assert_eq!(
        config.request.policy.answer_max, 512,
        "what nobody sets keeps its default"
    );

    set(settings::find("threads").unwrap(), &mut config, "auto").unwrap();
    assert_eq!(
        config.threads, None,
        "auto takes a lower layer's value back"
    );

    let named = root.path().join("other.toml");
    let missing = Config::load(&dirs, Some(&named), no_env)
        .unwrap_err()
        .to_string();
    assert!(
        missing.starts_with("there is no settings file "),
        "{missing}"
    );
    std::fs::write(&named, "theme = \"high-contrast\"").unwrap();
    let config = Config::load(&dirs, Some(&named), no_env).unwrap();
    assert_eq!(
        (config.theme.as_deref(), config.threads),
        (Some("high-contrast"), None)
    );
}

#[test]
fn paths_know_the_home_folder_and_lists_of_folders() {
    let home = etcetera::home_dir().unwrap();
    let config = parsed("model = \"~/m.gguf\"\nmodel_folders = [\"~/a\", \"b\"]").unwrap();
    assert_eq!(config.model(), Some(home.join("m.gguf").as_path()));
    assert_eq!(config.model_folders, [home.join("a"), "b".into()]);
    let joined = std::env::join_paths(["/a", "/b"])
        .unwrap()
        .into_string()
        .unwrap();
    let env = move |name: &str| (name == "S1_TUI_MODEL_FOLDERS").then(|| joined.clone());
    let dirs = Dirs::below(Path::new("/nowhere"));
    let folders = Config::load(&dirs, None, env).unwrap().model_folders;
    assert_eq!(folders, [PathBuf::from("/a"), "/b".into()]);
}

#[test]
fn a_mistake_is_one_sentence_with_place_key_and_what_is_allowed() {
    assert_eq!(
        error("\nthreads = 0"),
        "config.toml, line 2: threads must be a whole number from 1 to 1024, or \"auto\", but is \"0\""
    );
    assert_eq!(
        error("[thinking]\n\nwaits = -1"),
        "config.toml, line 3: thinking.waits must be a whole number from 0 to 1000, but is \"-1\""
    );
    let unknown = error("colour = \"red\"");
    assert!(
        unknown
            .starts_with("config.toml, line 1: there is no setting colour; the settings are model"),
        "{unknown}"
    );
    assert!(error("waits = 2").contains("there is no setting waits; write waits below [thinking]"));
    let unknown = error("[sampling]\ntemp = 1");
    assert!(
        unknown.contains("no setting sampling.temp; those of [sampling] are temperature, top_k")
    );
    assert!(error("thinking = 1").contains("there is no setting thinking"));
    assert!(error("[theme]\nname = 1").contains("theme must be the name of a theme"));
    assert!(error("theme = [\"a\"]").contains("theme must be the name of a theme"));
    assert!(error("model_folders = [1]").contains("model_folders must be a list of folders"));
    assert!(error("[sampling]\ntop_p = 0").contains("sampling.top_p must be a number above 0"));
    assert!(error("[sampling]\ntemperature = nan").contains("must be a number from 0 (greedy)"));
    assert!(error("mouse = \"yes\"").contains("mouse must be true or false, but is \"yes\""));
    assert!(error("theme = ").starts_with("config.toml, line 1: "));

    let env = |name: &str| (name == "S1_TUI_CUT_AT").then(|| "word".to_owned());
    let dirs = Dirs::below(Path::new("/nowhere"));
    let variable = Config::load(&dirs, None, env).unwrap_err().to_string();
    assert_eq!(
        variable,
        "S1_TUI_CUT_AT must be \"token\", \"sentence:N\", \"next-sentence:N\", \"ramp:P\" or \
         \"rank:K:N\" (numbers may be left out), but is \"word\""
    );
}

#[test]
fn no_two_settings_share_a_variable() {
    let mut names: Vec<String> = settings::all().map(|(_, s)| s.info().variable()).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}
