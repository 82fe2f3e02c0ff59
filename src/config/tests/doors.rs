//! What one door accepts every door accepts: a walk over the tables.

use super::*;
use crate::cli;
use crate::config::settings::{COMPUTING, EXPLORER};
use crate::tui::app::params;
use clap::error::ErrorKind;
use s1_core::forcing::POLICY;
use s1_core::param::{ABOVE_ZERO, Access, Has, Param, Setting};
use s1_core::protocol::REQUEST;
use s1_core::sampling::SAMPLING;
use s1_core::training::TRAIN;
use s1_engine::{MODEL, SERVER};
use s1_lab::sweep::SWEEP;

/// The outermost values that a parameter accepts, and what is just beyond them.
fn edges<T: Default>(param: &'static Param<T>) -> (Vec<String>, Vec<String>) {
    let zero_is_off = param.info.none == Some("off");
    match &param.access {
        Access::Int(least, most, _) => {
            let below = match *least {
                0 => "-1".to_owned(),
                1 if zero_is_off => "-1".to_owned(),
                least => (least - 1).to_string(),
            };
            let above = (u128::from(*most) + 1).to_string();
            (
                vec![least.to_string(), most.to_string()],
                vec![below, above],
            )
        }
        Access::Float(least, most, _) => {
            let below = match *least {
                ABOVE_ZERO if zero_is_off => "-0.1".to_owned(),
                ABOVE_ZERO => "0".to_owned(),
                least => (least - 0.001).to_string(),
            };
            let above = (most * 1.001).to_string();
            (
                vec![format!("{least:e}"), format!("{most:e}")],
                vec![below, above],
            )
        }
        Access::Switch(_) => (vec!["true".into(), "false".into()], vec!["maybe".into()]),
        Access::Choice(words, _) => {
            let words = words.iter().map(|(word, _)| (*word).to_owned());
            (words.collect(), vec!["?!".into()])
        }
        Access::Notation(..) => {
            let setting: &dyn Setting<T> = param;
            (vec![setting.default_text()], vec!["?!".into()])
        }
        _ => (Vec::new(), Vec::new()),
    }
}

/// What a flag says to a value that it refuses.
fn flag(command: &[&str], name: &str, text: &str) -> Result<(), String> {
    let flag = format!("--{name}={text}");
    let words = command.iter().copied().chain([flag.as_str()]);
    match cli::command().try_get_matches_from(words) {
        Err(error) if error.kind() == ErrorKind::ValueValidation => Err(error.to_string()),
        // What else the command needs is not asked here.
        _ => Ok(()),
    }
}

fn form<C: Default>(setting: &dyn Setting<C>, text: &str) -> Result<(), String> {
    params::set(setting, &mut C::default(), text)
}

fn file(section: Option<&str>, key: &str, text: &str) -> Result<(), String> {
    let section = section.map_or(String::new(), |section| format!("[{section}]\n"));
    let read = parsed(&format!("{section}{key} = {text:?}"));
    read.map(|_| ()).map_err(|e| e.to_string())
}

fn variable(name: &str, text: &str) -> Result<(), String> {
    let env = |asked: &str| (asked == name).then(|| text.to_owned());
    let read = Config::load(&Dirs::below(Path::new("/nowhere")), None, env);
    read.map(|_| ()).map_err(|e| e.to_string())
}

/// Asks all doors of a parameter about a value.
type Doors<'a> = &'a dyn Fn(&str) -> Vec<Result<(), String>>;

fn ask<T: Default>(param: &'static Param<T>, doors: Doors) {
    let key = param.info.key;
    let setting: &dyn Setting<T> = param;
    let (accepted, refused) = edges(param);
    for text in &accepted {
        let mut whole = T::default();
        setting.set(&mut whole, text).unwrap();
        let written = setting.text(&whole);
        setting.set(&mut whole, &written).unwrap();
        assert_eq!(setting.text(&whole), written, "{key} reads what it wrote");
        for answer in doors(text) {
            assert_eq!(answer, Ok(()), "{key} {text}");
        }
    }
    for text in &refused {
        let sentence = format!("must be {}, but is {text:?}", setting.allowed());
        for answer in doors(text) {
            let said = answer.expect_err(&format!("{key} {text}"));
            assert!(said.contains(&sentence), "{said}\n{sentence}");
        }
    }
}

fn of_the_program<T: Default>(section: Option<&'static str>, table: &'static [Param<T>])
where
    Config: Has<T>,
{
    for param in table {
        let info = &param.info;
        let doors = |text: &str| {
            let mut answers = vec![form::<Config>(param, text), file(section, info.key, text)];
            answers.push(variable(&info.variable(), text));
            answers.push(flag(&["s1-tui"], info.flags[0], text));
            answers
        };
        ask(param, &doors);
    }
}

fn of_a_command<T: Default>(command: &str, table: &'static [Param<T>]) {
    for param in table {
        let flags = param.info.flags;
        let doors = |text: &str| {
            let given = flags
                .first()
                .map(|name| flag(&["s1-tui", command], name, text));
            given.into_iter().chain([form::<T>(param, text)]).collect()
        };
        ask(param, &doors);
    }
}

/// A user would lose: a value that loads from the file and cannot be typed again on screen.
#[test]
fn what_one_door_accepts_every_door_accepts() {
    of_the_program(None, MODEL);
    of_the_program(None, SERVER);
    of_the_program(None, COMPUTING);
    of_the_program(None, REQUEST);
    of_the_program(None, EXPLORER);
    of_the_program(Some("thinking"), POLICY);
    of_the_program(Some("sampling"), SAMPLING);
    of_a_command("sweep", SWEEP);
    of_a_command("train", TRAIN);
}

/// What is no number, or none that anybody means.
const NASTY: [&str; 18] = [
    "nan",
    "NaN",
    "-nan",
    "inf",
    "-inf",
    "infinity",
    "1e308",
    "-1e308",
    "1e400",
    "-1",
    "18446744073709551616",
    "-9223372036854775809",
    "",
    " ",
    "0x10",
    "1_000",
    "1;5",
    "\u{ff11}",
];

/// A user would lose: a night, to a typing mistake that was taken for a number.
#[test]
fn every_number_of_every_command_refuses_what_is_none() {
    let root = cli::command();
    let commands = root.get_subcommands().map(|c| c.get_name().to_owned());
    let mut walked = 0;
    for command in std::iter::once(None).chain(commands.map(Some)) {
        let words: Vec<&str> = std::iter::once("s1-tui")
            .chain(command.as_deref())
            .collect();
        let found = match &command {
            None => &root,
            Some(name) => root.find_subcommand(name).unwrap(),
        };
        let flags = found
            .get_arguments()
            .filter(|arg| arg.get_action().takes_values());
        for name in flags.filter_map(|arg| arg.get_long()) {
            let takes = |text: &str| flag(&words, name, text).is_ok();
            if takes("?!") || !(takes("1") || takes("8") || takes("0.5")) {
                continue;
            }
            walked += 1;
            for text in NASTY {
                assert!(!takes(text), "{words:?} --{name}={text:?}");
            }
            // Seeds are any number of 64 bits.
            let most = takes("18446744073709551615");
            assert_eq!(most, name == "seed", "{words:?} --{name}");
        }
    }
    assert!(walked > 60, "{walked} flags are numbers");
}
