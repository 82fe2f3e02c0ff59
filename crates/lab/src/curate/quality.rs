//! The quality filter: what makes an item unusable, independent of its subject.
//!
//! The rules are those that s1 names: items with API errors, and questions with formatting faults
//! (ASCII art, images that are not there, inconsistent numbering), and also missing parts and
//! duplicates. Each rule reads text only; none knows how hard or how good a question is.

use std::collections::HashMap;

use anyhow::Result;
use regex::Regex;

use super::item::PoolItem;
use super::result::{Decision, DecisionReason};
use super::text;

/// An error message is short; a long text about errors is not one.
const ERROR_LENGTH: usize = 400;
/// Lines of drawing that make a picture: one or two are rules under a heading or a sum.
const ART_LINES: usize = 3;

/// The rules, ready to be used.
#[derive(Debug)]
pub(super) struct Rules {
    error: Regex,
    image: Regex,
    number: Regex,
}

impl Rules {
    pub(super) fn new() -> Result<Rules> {
        let thing = r"(?:figures?|diagrams?|pictures?|images?|drawings?|illustrations?|photos?)";
        let image = [
            r"!\[[^\]\n]{0,200}\]\(".to_string(),
            r"<img\b".into(),
            r"\\includegraphics\b".into(),
            format!(
                r"\b(?:{thing}|graphs?|charts?)\s+(?:is |are )?(?:shown |given |pictured )?(?:above|below|(?:at|to|on) (?:the )?(?:right|left))\b"
            ),
            format!(
                r"\b(?:shown|depicted|illustrated|given|seen|pictured|drawn) (?:here )?(?:in|by|on) (?:the |this )?(?:following |accompanying |attached |adjoining )?{thing}\b"
            ),
            format!(
                r"\b(?:see|refer to|consult) (?:the |this )?(?:attached |accompanying )?{thing}\b"
            ),
            format!(r"\b(?:accompanying|attached|adjoining) {thing}\b"),
        ];
        Ok(Rules {
            error: Regex::new(
                r"(?i)^\W*(?:api[ _]?error|error(?: code)?\s*[:=]|(?:internal )?server error|rate limit|request timed out|timeout error|traceback \(most recent|http(?:/[\d.]+)? [45]\d\d|[45]\d\d (?:bad|too many|internal|service|gateway))",
            )?,
            image: Regex::new(&format!("(?i){}", image.join("|")))?,
            number: Regex::new(r"(?m)^[ \t]*(?:(\d{1,2})[.)]|\((\d{1,2})\))[ \t]+\S")?,
        })
    }

    /// The first fault of an item's texts.
    pub(super) fn fault(
        &self,
        question: &str,
        trace: &str,
        answer: &str,
    ) -> Option<DecisionReason> {
        if [question, trace, answer].iter().any(|t| self.is_error(t)) {
            Some(DecisionReason::ApiError)
        } else if is_garbled(question) || is_garbled(trace) || is_garbled(answer) {
            Some(DecisionReason::Garbled)
        } else if is_art(question) {
            Some(DecisionReason::AsciiArt)
        } else if self.needs_image(question) {
            Some(DecisionReason::ImageReference)
        } else if self.miscounts(question) {
            Some(DecisionReason::Numbering)
        } else {
            None
        }
    }

    fn is_error(&self, text: &str) -> bool {
        text.len() <= ERROR_LENGTH && self.error.is_match(text)
    }

    fn needs_image(&self, question: &str) -> bool {
        // Asymptote and TikZ draw the picture in words.
        let drawn = question.contains("[asy]") || question.contains("tikzpicture");
        !drawn && self.image.is_match(question)
    }

    /// Whether numbered parts do not count up by one from 0 or 1, in one list or several.
    fn miscounts(&self, question: &str) -> bool {
        let numbers: Vec<u32> = self
            .number
            .captures_iter(question)
            .filter_map(|c| c.get(1).or(c.get(2))?.as_str().parse().ok())
            .collect();
        let begins = |n: u32| n <= 1;
        numbers.len() > 1
            && (!begins(numbers[0])
                || numbers
                    .windows(2)
                    .any(|pair| pair[1] != pair[0] + 1 && !begins(pair[1])))
    }
}

/// Replacement and control characters: a text that was decoded wrongly.
fn is_garbled(text: &str) -> bool {
    text.chars()
        .any(|c| c == '\u{fffd}' || (c.is_control() && !matches!(c, '\n' | '\r' | '\t')))
}

/// A picture made of characters: several lines that hold little but strokes.
fn is_art(text: &str) -> bool {
    let stroke = |c: char| r"|-_/\+*=<>^~#".contains(c) || ('\u{2500}'..='\u{259f}').contains(&c);
    let drawn = |line: &&str| {
        let ink: Vec<char> = line.chars().filter(|c| !c.is_whitespace()).collect();
        let strokes = ink.iter().filter(|&&c| stroke(c)).count();
        ink.len() >= 2 && strokes * 10 >= ink.len() * 7
    };
    text.lines().filter(drawn).count() >= ART_LINES
}

/// The decision on each item, in order; `None` keeps it. Of items that ask the same, the first
/// one without a fault is kept.
pub(super) fn filter(items: &[PoolItem], open: &[bool]) -> Vec<Option<Decision>> {
    let asked = || items.iter().zip(open).filter(|(_, open)| **open);
    let traced = asked().filter(|(item, _)| item.traced).count();
    // A pool with traces is one in which most items have one.
    let has_traces = 2 * traced >= asked().count() && traced > 0;
    let mut exact: HashMap<u64, usize> = HashMap::new();
    let mut near: HashMap<u64, usize> = HashMap::new();
    items
        .iter()
        .zip(open)
        .map(|(item, &open)| {
            if !open {
                return None;
            }
            let decision = |reason| Some(Decision::new(reason, None));
            if item.question.is_empty() {
                return decision(DecisionReason::MissingQuestion);
            } else if item.reference.is_none() {
                return decision(DecisionReason::MissingAnswer);
            } else if has_traces && !item.traced {
                return decision(DecisionReason::MissingTrace);
            } else if let Some(fault) = item.fault {
                return decision(fault);
            }
            let words = text::words(&item.question);
            let normal = text::hash(words.iter().map(String::as_str));
            let same = exact
                .entry(text::hash([&*item.question]))
                .or_insert(item.line);
            // Without a word (formulas only) two questions are alike only if they are the same.
            let alike = match words.is_empty() {
                true => item.line,
                false => *near.entry(normal).or_insert(item.line),
            };
            let twin = |reason, line: usize| {
                let of = Some(format!("of line {line}"));
                Some(Decision::new(reason, of))
            };
            if *same != item.line {
                twin(DecisionReason::Duplicate, *same)
            } else if alike != item.line {
                twin(DecisionReason::NearDuplicate, alike)
            } else {
                None
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(question: &str) -> Option<DecisionReason> {
        Rules::new().unwrap().fault(question, "", "4")
    }

    #[test]
    fn faults_of_form_are_found_and_plain_questions_are_not() {
        for (question, expected) in [
            ("What is 2 + 2?", None),
            ("Find x in the graph of y = x^2.", None),
            ("How many people are in the picture he took?", None),
            ("Sum:\n  12\n+ 34\n----\n", None),
            ("| a | b |\n|---|---|\n| 1 | 2 |", None),
            ("Do both.\n1. Add.\n2. Subtract.\n", None),
            ("First:\n1. a\n2. b\nthen:\n1. c\n2. d", None),
            ("7. Find the sum.", None),
            ("It weighs\n3.5 kg and\n1.5 kg", None),
            (
                "As shown in the figure, AB = 3.",
                Some(DecisionReason::ImageReference),
            ),
            (
                "Find the area of the figure below.",
                Some(DecisionReason::ImageReference),
            ),
            (
                "![](a.png) What is x?",
                Some(DecisionReason::ImageReference),
            ),
            (
                "In the diagram below [asy] draw((0,0)); [/asy] find x.",
                None,
            ),
            (
                " /\\_/\\\n( o o )\n |---|\n/|___|\\\n=====",
                Some(DecisionReason::AsciiArt),
            ),
            ("┌──┐\n│  │\n└──┘\nwhat?", Some(DecisionReason::AsciiArt)),
            ("Do:\n1. a\n3. b", Some(DecisionReason::Numbering)),
            ("(4) a\n(5) b", Some(DecisionReason::Numbering)),
            ("What is caf\u{fffd}?", Some(DecisionReason::Garbled)),
            ("Error: 429", Some(DecisionReason::ApiError)),
            ("Error: 429 is thrown. Why?", Some(DecisionReason::ApiError)),
            ("Why is the error: 3?", None),
        ] {
            assert_eq!(fault(question), expected, "{question}");
        }
        let rules = Rules::new().unwrap();
        let trace = rules.fault("q", "Rate limit reached for requests", "4");
        assert_eq!(trace, Some(DecisionReason::ApiError));
        let long = format!("Error: {}", "the standard error of a mean ".repeat(30));
        assert_eq!(rules.fault("q", &long, "4"), None);
    }

    fn item(line: usize, question: &str) -> PoolItem {
        PoolItem {
            line,
            question: question.into(),
            reference: Some("4".into()),
            ..PoolItem::default()
        }
    }

    fn filtered(items: &[PoolItem]) -> Vec<Option<(DecisionReason, Option<String>)>> {
        filter(items, &vec![true; items.len()])
            .into_iter()
            .map(|decision| decision.map(|f| (f.reason, f.detail)))
            .collect()
    }

    #[test]
    fn duplicates_go_and_name_the_line_that_stays() {
        let mut faulty = item(1, "What is 2+2?");
        faulty.fault = Some(DecisionReason::Garbled);
        let items = [
            faulty,
            item(2, "What is 2+2?"),
            item(3, "What is 2+2?"),
            item(4, "what is 2 + 2"),
            item(5, "What is 2+3?"),
            item(6, "+?"),
            item(7, "-?"),
        ];
        let of = |line: usize| Some(format!("of line {line}"));
        assert_eq!(
            filtered(&items),
            [
                Some((DecisionReason::Garbled, None)),
                None,
                Some((DecisionReason::Duplicate, of(2))),
                Some((DecisionReason::NearDuplicate, of(2))),
                None,
                None,
                None,
            ]
        );
    }

    #[test]
    fn a_trace_is_missed_only_where_most_items_have_one() {
        let mut items = [item(1, "a"), item(2, "b"), item(3, "c"), item(4, "")];
        items[2].reference = None;
        let missing = Some((DecisionReason::MissingAnswer, None));
        let question = Some((DecisionReason::MissingQuestion, None));
        let none = [None, None, missing.clone(), question.clone()];
        assert_eq!(filtered(&items), none);
        items[0].traced = true;
        items[3].traced = true;
        let trace = Some((DecisionReason::MissingTrace, None));
        assert_eq!(filtered(&items), [None, trace, missing, question]);
    }
}
