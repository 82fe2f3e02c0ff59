use super::*;

fn parsed(text: &str) -> Result<Theme> {
    parse::theme("mine", "mine.toml", text)
}

fn error(text: &str) -> String {
    parsed(text).unwrap_err().to_string()
}

#[test]
fn every_built_in_theme_reads_and_names_every_role() {
    for (name, text) in BUILTIN {
        let theme = parse::theme(name, name, text).unwrap();
        assert_eq!(theme.name, *name);
        let table: toml::Table = toml::from_str(text).unwrap();
        for role in Theme::ROLES.iter().chain(&["heat", "series"]) {
            assert!(table.contains_key(*role), "{name} leaves out {role}");
        }
    }
}

#[test]
fn the_default_theme_keeps_to_the_sixteen_colours_and_sets_no_background() {
    let mut theme = Theme::default();
    let mut styles = [theme.heat.clone(), theme.series.clone()].concat();
    for role in Theme::ROLES {
        styles.push(*theme.role_mut(role).unwrap());
    }
    for style in styles {
        assert_eq!(style.bg, None);
        assert!(
            !matches!(style.fg, Some(Color::Rgb(..) | Color::Indexed(_))),
            "{style:?} is no colour of the terminal's own"
        );
        let unreadable = [
            Color::Yellow,
            Color::Blue,
            Color::White,
            Color::Black,
            Color::DarkGray,
            Color::Gray,
        ];
        assert!(!style.fg.is_some_and(|c| unreadable.contains(&c)));
    }
}

#[test]
fn text_of_every_rgb_theme_is_readable_on_its_background() {
    let rgb = |color: Option<Color>| match color {
        Some(Color::Rgb(r, g, b)) => (r, g, b),
        other => panic!("{other:?} is no #rrggbb"),
    };
    for name in ["light", "dark", "high-contrast", "color-blind"] {
        let mut theme = Theme::builtin(name).unwrap();
        let ground = theme.text.bg;
        let heat = theme.heat.clone();
        for role in Theme::ROLES {
            let style = *theme.role_mut(role).unwrap();
            let least = match *role {
                "border" => 1.4,
                "gauge" | "spark" => 3.0,
                _ => 4.5,
            };
            let found = contrast(rgb(style.fg), rgb(style.bg.or(ground)));
            assert!(
                found >= least,
                "{name}: {role} has contrast {found:.2} < {least}"
            );
        }
        for (step, style) in heat.iter().enumerate() {
            let found = contrast(rgb(style.fg), rgb(ground));
            assert!(found >= 4.5, "{name}: heat {step} has contrast {found:.2}");
        }
        for (line, style) in theme.series.iter().enumerate() {
            let found = contrast(rgb(style.fg), rgb(ground));
            assert!(
                found >= 4.5,
                "{name}: series {line} has contrast {found:.2}"
            );
        }
    }
}

#[test]
fn monochrome_has_no_colour_and_still_tells_forced_user_and_cursor_apart() {
    let mut theme = Theme::monochrome();
    for role in Theme::ROLES {
        let style = theme.role_mut(role).unwrap();
        assert_eq!((style.fg, style.bg), (None, None), "{role}");
    }
    let told_apart = [
        theme.thinking,
        theme.answer,
        theme.forced,
        theme.user,
        theme.cursor,
    ];
    for (i, a) in told_apart.iter().enumerate() {
        assert!(told_apart[i + 1..].iter().all(|b| a != b));
    }
}

#[test]
fn no_color_wins_only_if_it_is_not_empty() {
    let fit = |value: &str| {
        let value = value.to_owned();
        let env = move |key: &str| (key == "NO_COLOR").then(|| value.clone());
        Theme::builtin("dark").unwrap().fit(env).name
    };
    assert_eq!(fit("1"), "monochrome");
    assert_eq!(fit(""), "dark");
}

#[test]
fn without_truecolor_every_colour_becomes_one_of_256() {
    let dark = Theme::builtin("dark").unwrap();
    let theme = dark.clone().fit(|_| None);
    assert!(matches!(theme.text.bg, Some(Color::Indexed(_))));
    assert!(
        theme
            .heat
            .iter()
            .all(|s| matches!(s.fg, Some(Color::Indexed(_))))
    );
    let deep = |key: &str| (key == "COLORTERM").then(|| "truecolor".to_owned());
    assert_eq!(dark.clone().fit(deep), dark);

    assert_eq!(color::nearest_of_256(0, 0, 0), 16);
    assert_eq!(color::nearest_of_256(255, 255, 255), 231);
    assert_eq!(color::nearest_of_256(255, 0, 0), 196);
    assert_eq!(color::nearest_of_256(128, 128, 128), 244);
    for value in 0..=255 {
        assert!(color::nearest_of_256(value, value, value) >= 16);
    }
}

#[test]
fn colours_are_names_hex_and_numbers() {
    let theme = parsed(
        "good = \"green\"\nbad = \"#ff0080\"\nwarn = 208\ntext = { fg = \"default\", bg = 0 }\n\
         forced = { bold = true, italic = false }",
    )
    .unwrap();
    assert_eq!(theme.good, Style::new().fg(Color::Green));
    assert_eq!(theme.bad, Style::new().fg(Color::Rgb(255, 0, 128)));
    assert_eq!(theme.warn, Style::new().fg(Color::Indexed(208)));
    assert_eq!(
        theme.text,
        Style::new().fg(Color::Reset).bg(Color::Indexed(0))
    );
    assert!(theme.forced.add_modifier.contains(Modifier::BOLD));
    assert_eq!(
        theme.key,
        Theme::default().key,
        "left out: as in the default"
    );
}

#[test]
fn a_mistake_is_one_sentence_with_file_key_and_what_is_allowed() {
    let unknown = error("forcd = \"red\"");
    assert!(unknown.starts_with("mine.toml: there is no role \"forcd\"; the roles are text, dim"));
    let colour = error("forced = { fg = \"purpel\" }");
    assert!(
        colour
            .starts_with("mine.toml: forced.fg = \"purpel\" is not a colour; write one of default"),
        "{colour}"
    );
    assert!(error("warn = 256").contains("warn = 256 is not a colour"));
    assert!(error("warn = -1").contains("is not a colour"));
    assert!(error("warn = [1]").contains("is not a colour"));
    assert!(error("warn = { blink = true }").contains("warn.blink is not part of a style"));
    assert!(error("warn = { bold = 1 }").contains("warn.bold must be true or false"));
    assert!(error("heat = []").contains("heat must be a list"));
    assert!(error("heat = \"red\"").contains("heat must be a list"));
    assert!(error("warn = {").starts_with("mine.toml, line 1: "));
}

#[test]
fn a_user_theme_is_found_listed_and_wins_over_a_built_in_one() {
    let root = tempfile::tempdir().unwrap();
    let dirs = Dirs::below(root.path());
    assert_eq!(
        Theme::load("dark", &dirs).unwrap(),
        Theme::builtin("dark").unwrap()
    );

    std::fs::create_dir_all(dirs.themes()).unwrap();
    std::fs::write(dirs.themes().join("mine.toml"), "good = 2").unwrap();
    std::fs::write(dirs.themes().join("dark.toml"), "good = 3").unwrap();
    assert_eq!(
        Theme::load("mine", &dirs).unwrap().good,
        Style::new().fg(Color::Indexed(2))
    );
    assert_eq!(
        Theme::load("dark", &dirs).unwrap().good,
        Style::new().fg(Color::Indexed(3))
    );
    assert_eq!(Theme::names(&dirs).last().unwrap(), "mine");
    assert_eq!(Theme::names(&dirs).len(), BUILTIN.len() + 1);

    let missing = Theme::load("nope", &dirs).unwrap_err().to_string();
    assert!(missing.contains("there is no theme \"nope\"; choose one of default, light"));
    assert!(Theme::load("../mine", &dirs).is_err(), "a name is no path");
}

#[test]
fn heat_runs_from_cold_to_hot_and_survives_what_is_no_number() {
    let theme = Theme::default();
    assert_eq!(theme.heat_at(0.0), theme.heat[0]);
    assert_eq!(theme.heat_at(1.0), *theme.heat.last().unwrap());
    assert_eq!(theme.heat_at(9.0), *theme.heat.last().unwrap());
    assert_eq!(theme.heat_at(f32::NAN), theme.heat[0]);
    let empty = Theme {
        heat: vec![],
        ..theme
    };
    assert_eq!(empty.heat_at(0.5), Style::new());
}

/// Contrast ratio of two sRGB colours, 1 (none) to 21 (black on white), as WCAG 2 defines it. Text
/// is readable from 4.5 on.
fn contrast(a: (u8, u8, u8), b: (u8, u8, u8)) -> f64 {
    let luminance = |(r, g, b): (u8, u8, u8)| {
        let linear = |value: u8| {
            let v = f64::from(value) / 255.0;
            if v <= 0.04045 {
                v / 12.92
            } else {
                ((v + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}
