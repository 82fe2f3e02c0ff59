//! Exact choices, and the frequencies of drawn ones.

use super::*;

fn drawn(logits: &[f32], s: &Sampling, position: u64) -> u32 {
    sample(logits, logits.len(), &[], &[], s, position, 0).unwrap()
}

fn warm() -> Sampling {
    Sampling {
        temperature: 1.0,
        seed: 42,
        ..Sampling::default()
    }
}

/// How often each token comes up over many positions.
fn counts(logits: &[f32], s: &Sampling, draws: u64) -> Vec<u64> {
    let mut counts = vec![0; logits.len()];
    for position in 0..draws {
        counts[drawn(logits, s, position) as usize] += 1;
    }
    counts
}

#[test]
fn greedy_takes_the_best_and_among_equals_the_lowest_id() {
    let s = Sampling::default();
    assert_eq!(drawn(&[0.0, 3.0, 3.0, 1.0], &s, 0), 1);
    assert_eq!(
        sample(&[0.0, 3.0, 3.0, 9.0], 3, &[1], &[], &s, 0, 0).unwrap(),
        2
    );
}

#[test]
fn padding_and_banned_tokens_never_come_up() {
    let logits = [0.0, 5.0, 0.0, 50.0];
    for position in 0..500 {
        let id = sample(&logits, 3, &[1, 77], &[], &warm(), position, 0).unwrap();
        assert!(id == 0 || id == 2, "token {id}");
    }
}

#[test]
fn a_row_without_numbers_is_an_error_not_a_token() {
    for s in [Sampling::default(), warm()] {
        assert!(sample(&[f32::NAN; 4], 4, &[], &[], &s, 0, 0).is_err());
        assert!(sample(&[1.0, 2.0], 2, &[0, 1], &[], &s, 0, 0).is_err());
        assert!(sample(&[], 4, &[], &[], &s, 0, 0).is_err());
        assert_eq!(
            sample(&[f32::NAN, -5.0, f32::NEG_INFINITY], 3, &[], &[], &s, 0, 0).unwrap(),
            1
        );
        assert_eq!(
            sample(&[f32::MAX, f32::INFINITY, 0.0], 3, &[0], &[], &s, 0, 0).unwrap(),
            1
        );
    }
}

#[test]
fn a_draw_depends_on_seed_sample_and_position_only() {
    let logits = [0.0; 50];
    let trace = |seed, index| -> Vec<u32> {
        let s = Sampling { seed, ..warm() };
        (0..40)
            .map(|position| sample(&logits, 50, &[], &[], &s, position, index).unwrap())
            .collect()
    };
    assert_eq!(trace(1, 0), trace(1, 0));
    assert_ne!(trace(1, 0), trace(2, 0));
    assert_ne!(trace(1, 0), trace(1, 1));
    // The numbers themselves are a promise: a stored seed must give the same trace tomorrow.
    let promised = [uniform(0, 0, 0), uniform(42, 0, 7), uniform(42, 3, 7)];
    assert_eq!(promised, PROMISED);
    assert_ne!(uniform(1, 2, 3), uniform(2, 1, 3));
}

const PROMISED: [f64; 3] = [0.13870941014555427, 0.6424233675512125, 0.6686949404958634];

#[test]
fn frequencies_follow_the_probabilities() {
    // Chi-squared with 3 degrees of freedom: 16.27 is passed once in a thousand.
    let check = |s: &Sampling, expected: [f64; 4]| {
        let logits = [4f32.ln(), 3f32.ln(), 2f32.ln(), 1f32.ln()];
        let draws = 40_000;
        let counts = counts(&logits, s, draws);
        let chi: f64 = counts
            .iter()
            .zip(expected)
            .map(|(&count, share)| {
                (count as f64 - share * draws as f64).powi(2) / (share * draws as f64)
            })
            .sum();
        assert!(chi < 16.27, "{counts:?} for {expected:?}: {chi}");
    };
    check(&warm(), [0.4, 0.3, 0.2, 0.1]);
    let cold = Sampling {
        temperature: 0.5,
        ..warm()
    };
    check(&cold, [16.0 / 30.0, 9.0 / 30.0, 4.0 / 30.0, 1.0 / 30.0]);
    let hot = Sampling {
        temperature: 100.0,
        ..warm()
    };
    check(&hot, [0.25148, 0.25076, 0.24974, 0.24802]);
}

#[test]
fn each_filter_keeps_exactly_its_tokens() {
    let logits = [1f32.ln(), 4f32.ln(), 2f32.ln(), 3f32.ln()];
    let seen = |s: Sampling| -> Vec<usize> {
        let counts = counts(&logits, &s, 2000);
        (0..4).filter(|&id| counts[id] > 0).collect()
    };
    assert_eq!(seen(warm()), [0, 1, 2, 3]);
    assert_eq!(seen(Sampling { top_k: 2, ..warm() }), [1, 3]);
    // 0.4 + 0.3 falls short of 0.75, so the third joins; 0.4 alone is enough for 0.4.
    assert_eq!(
        seen(Sampling {
            top_p: 0.75,
            ..warm()
        }),
        [1, 2, 3]
    );
    assert_eq!(
        seen(Sampling {
            top_p: 0.39,
            ..warm()
        }),
        [1]
    );
    assert_eq!(
        seen(Sampling {
            min_p: 0.6,
            ..warm()
        }),
        [1, 3]
    );
    // Top-p counts what top-k has left over: 4/7 of two tokens.
    assert_eq!(
        seen(Sampling {
            top_k: 2,
            top_p: 0.5,
            ..warm()
        }),
        [1]
    );
    // The temperature comes first: hot enough, all pass a min-p of 0.9.
    assert_eq!(
        seen(Sampling {
            temperature: 50.0,
            min_p: 0.9,
            ..warm()
        }),
        [0, 1, 2, 3]
    );
}

#[test]
fn top_k_among_equals_keeps_the_lower_ids() {
    let s = Sampling { top_k: 3, ..warm() };
    let counts = counts(&[1.0; 10], &s, 1000);
    assert_eq!(
        (0..10).filter(|&id| counts[id] > 0).collect::<Vec<_>>(),
        [0, 1, 2]
    );
}

#[test]
fn repetition_is_punished_inside_the_window_only() {
    let s = Sampling {
        repetition_penalty: 2.0,
        repetition_window: 2,
        ..Sampling::default()
    };
    let choose = |history: &[u32]| sample(&[3.0, 2.0, -1.0], 3, &[], history, &s, 0, 0).unwrap();
    assert_eq!(choose(&[]), 0);
    assert_eq!(choose(&[0]), 1, "3 / 2 is less than 2");
    assert_eq!(choose(&[0, 0, 1, 1]), 0, "token 0 lies outside the window");
    assert_eq!(
        choose(&[99, 0]),
        1,
        "an id outside the vocabulary does no harm"
    );
    let negative = Sampling {
        repetition_penalty: 2.0,
        ..Sampling::default()
    };
    assert_eq!(
        sample(&[-1.0, -1.5], 2, &[], &[0], &negative, 0, 0).unwrap(),
        1
    );
}

#[test]
fn settings_without_meaning_are_refused_by_name() {
    assert!(Sampling::default().validate().is_ok());
    let refused = |s: Sampling| s.validate().unwrap_err().to_string();
    assert!(
        refused(Sampling {
            temperature: f32::NAN,
            ..warm()
        })
        .contains("temperature")
    );
    assert!(
        refused(Sampling {
            temperature: -1.0,
            ..warm()
        })
        .contains("temperature")
    );
    assert!(
        refused(Sampling {
            top_p: 0.0,
            ..warm()
        })
        .contains("top_p")
    );
    assert!(
        refused(Sampling {
            min_p: 1.5,
            ..warm()
        })
        .contains("min_p")
    );
    assert!(
        refused(Sampling {
            repetition_penalty: 0.0,
            ..warm()
        })
        .contains("repetition_penalty")
    );
}

#[test]
fn a_row_of_a_large_vocabulary_takes_milliseconds() {
    let noise = |i: u64| (uniform(9, 0, i) * 20.0 - 10.0) as f32;
    let logits: Vec<f32> = (0..262_144).map(noise).collect();
    let nucleus = Sampling {
        temperature: 0.7,
        top_p: 0.95,
        ..warm()
    };
    let time = |name: &str, work: &dyn Fn()| {
        let start = std::time::Instant::now();
        (0..10).for_each(|_| work());
        println!("{name}: {:?} a row", start.elapsed() / 10);
        assert!(
            start.elapsed().as_secs() < 5,
            "{name} took {:?}",
            start.elapsed()
        );
    };
    time("row", &|| {
        assert_eq!(LogitsRow::new(&logits, logits.len(), 8).top.len(), 8)
    });
    time("greedy", &|| {
        drop(drawn(&logits, &Sampling::default(), 1).to_string())
    });
    time("top-p", &|| drop(drawn(&logits, &nucleus, 1).to_string()));
}
