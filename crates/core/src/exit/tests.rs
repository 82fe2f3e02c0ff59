//! Each rule on sights made up by hand: a thought that stops at another token is another result.

use super::*;

fn tried(at: usize, answer: &str, text: &str, confidence: f32, entropy: f32) -> Sight {
    Sight {
        at,
        seen: Seen::Trial(Tried {
            answer: (!answer.is_empty()).then(|| answer.into()),
            text: text.into(),
            confidence,
            entropy,
        }),
        tokens: 1,
    }
}

fn scored(margin: f32, rank: Option<usize>, confidence: f32) -> Sight {
    Sight {
        at: 0,
        seen: Seen::Scores(Scores {
            margin,
            rank,
            confidence,
        }),
        tokens: 1,
    }
}

/// After how many sights the rule says that it is over.
fn stops(rule: &str, sights: &[Sight]) -> Option<usize> {
    let exit: Exit = rule.parse().unwrap();
    (1..=sights.len()).find(|&n| exit.says(&sights[..n]))
}

fn answers(all: &[&str]) -> Vec<Sight> {
    let all = all.iter().enumerate();
    all.map(|(i, answer)| tried(i, answer, answer, 0.5, 0.0))
        .collect()
}

#[test]
fn the_same_answer_so_often_in_a_row_is_consistent() {
    let sights = answers(&["4", "4", "5", "", "5", "5", "5"]);
    assert_eq!(stops("consistency:1", &sights), Some(1));
    assert_eq!(stops("consistency:2", &sights), Some(2));
    assert_eq!(stops("consistency:3", &sights), Some(7));
    assert_eq!(stops("consistency:4", &sights), None);
    assert_eq!(stops("consistency:1", &answers(&["", ""])), None);
}

#[test]
fn deer_stops_at_an_answer_that_is_sure() {
    let sights = [
        tried(3, "", "?", 0.99, 0.0),
        tried(9, "7", "7", 0.95, 0.0),
        tried(12, "8", "8", 0.951, 0.0),
    ];
    assert_eq!(
        stops("deer", &sights),
        Some(3),
        "above 0.95, with an answer"
    );
    assert_eq!(stops("deer:0.9", &sights), Some(2));
}

#[test]
fn dynasor_does_not_trust_what_hesitates() {
    let sure = tried(64, "4", "4}", 0.0, 0.0);
    let unsure = tried(128, "4", "4? Wait, no}", 0.0, 0.0);
    let button = tried(192, "4", "4 buttons}", 0.0, 0.0);
    let sights = [sure.clone(), unsure, sure.clone(), button, sure];
    assert_eq!(stops("dynasor:64:3", &sights), Some(5));
    assert_eq!(stops("dynasor:64:2", &sights), Some(4));
}

#[test]
fn eat_waits_for_entropy_to_settle() {
    // With α = 0.5 it has forgotten where it began after 8. m and v by hand for 1, 1: m = 0.5,
    // v = 0.125; m = 0.75, v = 0.09375; and so on, halving.
    let sights: Vec<Sight> = (0..12).map(|i| tried(i, "", "", 0.0, 1.0)).collect();
    assert!(!settled(&sights[..8], 0.5, 0.001), "v is 0.00193 there");
    assert_eq!(stops("eat:0.5:0.002", &sights), Some(8));
    assert_eq!(stops("eat:0.5:0.001", &sights), Some(9));
    assert_eq!(stops("eat:0.5:100", &sights), Some(8), "not before");
}

#[test]
fn an_end_that_is_near_is_taken() {
    let sights = [
        scored(2.0, Some(30), 3.0),
        scored(0.3, Some(4), 1.0),
        scored(0.25, None, 1.0),
    ];
    assert_eq!(stops("thinkbrake", &sights), Some(3));
    assert_eq!(stops("thinkbrake:2.5", &sights), Some(1));
    assert_eq!(stops("close-rank", &sights), Some(2));
    assert_eq!(
        stops("close-rank:3", &sights),
        None,
        "what is not told is far"
    );
    // The mean of a whole window: 2, then 1.
    assert_eq!(stops("deepconf:2:2", &sights), Some(3));
    assert_eq!(stops("deepconf:2:2.1", &sights), Some(2));
    assert_eq!(stops("deepconf:4:9", &sights), None, "no whole window");
}

#[test]
fn a_rule_is_read_as_it_is_written() {
    for text in [
        "off",
        "consistency:10",
        "deer:0.95",
        "dynasor:64:3",
        "eat:0.2:0.01",
        "thinkbrake:0.25",
        "close-rank:5",
        "deepconf:2048:2",
    ] {
        let exit: Exit = text.parse().unwrap();
        assert_eq!(exit.to_string(), text);
        let name = text.split(':').next().unwrap();
        assert_eq!(name.parse(), Ok(exit), "numbers left out are the papers'");
        let json = serde_json::to_string(&exit).unwrap();
        assert_eq!(serde_json::from_str::<Exit>(&json).unwrap(), exit, "{json}");
    }
    for wrong in [
        "",
        "deer:2",
        "deer:nan",
        "deer:0.5:1",
        "dynasor:0",
        "consistency:-1",
        "eat:0",
        "off:1",
        "stop",
    ] {
        assert_eq!(wrong.parse::<Exit>(), Err(()), "{wrong}");
    }
}

#[test]
fn the_data_say_what_the_papers_say() {
    let Measure::Trial(dynasor) = Exit::Dynasor {
        every: 64,
        equal: 3,
    }
    .measure() else {
        panic!("it tries an answer");
    };
    assert!(dynasor.text.ends_with("\\[ \\boxed{"), "{dynasor:?}");
    assert_eq!(
        (dynasor.tokens, dynasor.temperature, dynasor.top_p),
        (20, 0.6, 0.95)
    );
    assert_eq!(words().nowait.len(), 17);
    assert!(is_one_of(" Wait,", &words().deer));
    assert!(!is_one_of(" waiting", &words().deer));
    assert!(!is_one_of(".", &words().deer));
    assert_eq!(trial_of("").text, "");
    assert!(trial_of("").after_end && !trial_of("So").after_end);
}
