//! Finding one's way in a long thought: a search, jumps to what was forced and to probes, probes along
//! the whole of it, and a range to copy.

use super::App;
use super::live::Live;
use crate::tui::action::Action;
use crate::tui::widgets::bars::grouped;
use crate::tui::widgets::prompt_line::PromptLine;
use crate::tui::widgets::trace::view::Towards;
use s1_core::protocol::Command;
use s1_core::trace::{Origin, Token};

/// Probes along a whole thought: where an answer changes is found to a thirty-second of its length.
const PROBES: usize = 32;
/// They are no closer than this many tokens.
const LEAST_APART: usize = 4;

/// The tokens at which a text is found, whatever the case of its letters.
fn matches(tokens: &[Token], wanted: &str) -> Vec<usize> {
    let wanted = wanted.to_lowercase();
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut text = String::new();
    // Where each token begins in it.
    let mut starts = Vec::with_capacity(tokens.len());
    for token in tokens {
        starts.push(text.len());
        text.extend(token.text.chars().flat_map(char::to_lowercase));
    }
    let mut found = Vec::new();
    for (at, _) in text.match_indices(&wanted) {
        // The last that begins there or before: one without text begins where the next does.
        let token = starts.partition_point(|start| *start <= at) - 1;
        if found.last() != Some(&token) {
            found.push(token);
        }
    }
    found
}

/// Whether something begins at a token that the model did not write by itself: a Wait, an end, words
/// of the user.
fn is_mark(tokens: &[Token], at: usize) -> bool {
    let face = |token: &Token| (token.origin, token.reason);
    let token = &tokens[at];
    let begins = at == 0 || face(&tokens[at - 1]) != face(token);
    begins && (token.origin != Origin::Sampled || token.is_delimiter())
}

/// The nearest of places in a direction; `None` where there is none.
fn nearest(
    places: impl DoubleEndedIterator<Item = usize>,
    here: usize,
    way: Towards,
) -> Option<usize> {
    let mut places = places;
    match way {
        Towards::On => places.find(|at| *at > here),
        Towards::Back => places.rev().find(|at| *at < here),
    }
}

impl App {
    pub(super) fn open_search(&mut self) {
        if self.live.is_none() {
            return self.refuse("There is no thought to search yet.");
        }
        let note = "Any part of the text; n goes to the next match, N to the one before.";
        let line = PromptLine::new("Search", note, &self.search);
        self.ask_over(line, |app, text| {
            app.search = text;
            app.search_on(Towards::On);
        });
    }

    /// Goes to the next match, round the end.
    pub(super) fn search_on(&mut self, way: Towards) {
        if self.search.is_empty() {
            return self.refuse(format!("Search first, with {}.", self.key(Action::Search)));
        }
        let Some(live) = self.live.as_mut() else {
            return self.refuse("There is no thought to search yet.");
        };
        let found = matches(&live.lane().tokens, &self.search);
        let here = live.branch().view.cursor();
        let next = match (here, way) {
            (Some(here), way) => nearest(found.iter().copied(), here, way),
            (None, Towards::Back) => found.last().copied(),
            (None, Towards::On) => None,
        };
        let round = match way {
            Towards::On => found.first(),
            Towards::Back => found.last(),
        };
        let Some(to) = next.or(round.copied()) else {
            return self.refuse(format!("“{}” is not in this text.", self.search));
        };
        live.with_view(|view, tokens| view.put(tokens, Some(to)));
        let at = found.iter().position(|token| *token == to).unwrap_or(0);
        let sentence = format!("“{}”: {} of {}.", self.search, at + 1, found.len());
        self.tell(sentence);
    }

    /// Jumps to what was forced, or to a probe.
    pub(super) fn jump(&mut self, action: Action) {
        let way = match action {
            Action::MarkLeft | Action::ProbeLeft => Towards::Back,
            _ => Towards::On,
        };
        let Some(live) = self.live.as_mut() else {
            return self.refuse("There is no thought to move over yet.");
        };
        let tokens = &live.lane().tokens;
        let (here, end) = (live.branch().view.cursor(), tokens.len());
        let here = match (here, way) {
            (Some(here), _) => here,
            (None, Towards::Back) => end,
            (None, Towards::On) => return self.refuse("This is the end; the way back is open."),
        };
        let is_probe = matches!(action, Action::ProbeLeft | Action::ProbeRight);
        let to = match is_probe {
            true => nearest(
                live.lane().probes.iter().map(|p| p.at.min(end.max(1) - 1)),
                here,
                way,
            ),
            false => nearest((0..end).filter(|at| is_mark(tokens, *at)), here, way),
        };
        match to {
            Some(to) => live.with_view(|view, tokens| view.put(tokens, Some(to))),
            None => {
                let what = if is_probe {
                    "probe"
                } else {
                    "Wait, cut or words of yours"
                };
                let side = if way == Towards::Back {
                    "before"
                } else {
                    "after"
                };
                self.refuse(format!("There is no {what} {side} this place."));
            }
        }
    }

    /// Probes along the whole thought, one place after the other.
    pub(super) fn probe_all(&mut self) {
        let Some(live) = self.live.as_ref() else {
            return self.refuse("Ask a question first.");
        };
        let end = live.thought_end();
        if live.is_busy() || end == 0 {
            return self.refuse("Pause the thought first, or let it end.");
        }
        let apart = end.div_ceil(PROBES).max(LEAST_APART);
        let known = |at: usize| live.lane().probes.iter().any(|probe| probe.at == at);
        let places = (1..).map(|n| n * apart).take_while(|at| *at < end);
        let mut places: Vec<usize> = places.chain([end]).filter(|at| !known(*at)).collect();
        // The next one is the last.
        places.reverse();
        let Some(lane) = self.lane() else { return };
        if places.is_empty() {
            return self.say_flips();
        }
        self.tell(format!("Probing at {} places.", places.len()));
        self.probing = Some(places);
        self.probe_next(lane);
    }

    /// Has the next place probed; says what came of it after the last.
    pub(super) fn probe_next(&mut self, lane: usize) {
        match self.probing.as_mut().and_then(Vec::pop) {
            Some(at) => self.send(Command::Probe(lane, Some(at))),
            None => {
                self.probing = None;
                self.say_flips();
            }
        }
    }

    fn say_flips(&mut self) {
        let Some(live) = self.live.as_ref() else {
            return;
        };
        let probes = &live.lane().probes;
        let changes = probes
            .windows(2)
            .filter(|two| two[0].answer != two[1].answer);
        let places: Vec<String> = changes.map(|two| grouped(two[1].at)).collect();
        let sentence = match places.as_slice() {
            [] => format!("The answer is the same at all {} places.", probes.len()),
            [once] => format!("The answer changes once, at token {once}."),
            [.., last] => format!(
                "The answer changes {} times, last at token {last}.",
                places.len()
            ),
        };
        self.tell(sentence);
    }

    /// Marks the beginning of a range, or copies from there to the cursor.
    pub(super) fn copy_range(&mut self) {
        let Some(live) = self.live.as_mut() else {
            return self.refuse("There is nothing to copy yet.");
        };
        let Some((here, _)) = live.focus() else {
            return self.refuse("There is nothing to copy yet.");
        };
        match live.mark.take() {
            None => {
                live.mark = Some(here);
                let key = self.key(Action::CopyRange);
                self.tell(format!(
                    "From token {here}: move, and press {key} again to copy."
                ));
            }
            Some(from) => {
                let text = live.range_text(from.min(here), from.max(here));
                self.put_on_clipboard(text);
            }
        }
    }
}

impl Live {
    /// Text of a range of tokens of the branch on screen, safe for a clipboard.
    fn range_text(&self, from: usize, to: usize) -> String {
        let tokens = self.lane().tokens.get(from..=to).unwrap_or_default();
        let text: String = tokens.iter().map(|token| token.text.as_str()).collect();
        crate::tui::sanitize::clean(text.trim()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::app::testing::*;
    use s1_core::protocol::Event;
    use s1_core::trace::Phase;
    use s1_core::tree::Probe;

    #[test]
    fn a_text_is_found_across_tokens_whatever_its_case() {
        let tokens: Vec<Token> = ["So", " the", " An", "swer", " is", " the answer"]
            .map(|text| Token::new(0, text, Phase::Thinking))
            .to_vec();
        assert_eq!(matches(&tokens, "answer"), [2, 5]);
        assert_eq!(matches(&tokens, "THE"), [1, 5]);
        assert!(matches(&tokens, "").is_empty() && matches(&tokens, "x").is_empty());
    }

    /// A user would lose: a place in twenty thousand tokens that they know a word of.
    #[test]
    fn a_search_goes_from_match_to_match_and_round_the_end() {
        let mut app = ready();
        answered(&mut app);
        press(&mut app, "/ r 1 enter");
        let first = app.live.as_ref().unwrap().branch().view.cursor();
        let tokens = app.live.as_ref().unwrap().lane().tokens.to_vec();
        let all = matches(&tokens, "r1");
        assert!(all.len() > 1, "{all:?}");
        assert_eq!(first, Some(all[0]));
        press(&mut app, "n");
        assert_eq!(
            app.live.as_ref().unwrap().branch().view.cursor(),
            Some(all[1])
        );
        press(&mut app, "N N");
        assert_eq!(
            app.live.as_ref().unwrap().branch().view.cursor(),
            all.last().copied()
        );
        press(&mut app, "/ z z enter");
        let said = app.notice.as_ref().unwrap().text.clone();
        assert_eq!(said, "“zz” is not in this text.");
    }

    #[test]
    fn jumps_go_to_what_was_forced_and_to_probes() {
        let mut app = ready();
        answered(&mut app);
        press(&mut app, "home }");
        let live = app.live.as_ref().unwrap();
        let at = live.branch().view.cursor().unwrap();
        assert!(is_mark(&live.lane().tokens, at), "{at}");
        press(&mut app, "home .");
        let live = app.live.as_ref().unwrap();
        assert_eq!(live.branch().view.cursor(), Some(live.lane().probes[0].at));
        press(&mut app, "home {");
        assert!(
            app.notice
                .as_ref()
                .unwrap()
                .text
                .starts_with("There is no Wait")
        );
    }

    #[test]
    fn a_whole_thought_is_probed_in_one_key() {
        let mut app = ready();
        answered(&mut app);
        if let Some(live) = app.live.as_mut() {
            live.branch_mut().lane.probes.clear();
        }
        press(&mut app, "a");
        let lane = lane(&app);
        let end = app.live.as_ref().unwrap().thought_end();
        let (mut asked, mut last) = (0, 0);
        while let [Command::Probe(_, Some(at))] = app.drain().0[..] {
            assert!(at > last && at <= end, "in the order of the text");
            (asked, last) = (asked + 1, at);
            let probe = Probe {
                at,
                answer: Some(if at < end { "2" } else { "3" }.into()),
                text: String::new(),
                correct: None,
                confidence: None,
                entropy: None,
            };
            app.on_event(Event::Probe(lane, probe));
        }
        assert!(asked > 3 && last == end);
        let said = app.notice.as_ref().unwrap().text.clone();
        assert_eq!(said, format!("The answer changes once, at token {end}."));
    }

    #[test]
    fn a_range_is_copied_from_where_it_was_begun() {
        let mut app = ready();
        answered(&mut app);
        press(&mut app, "home c right right c");
        let (_, effects) = app.drain();
        let live = app.live.as_ref().unwrap();
        let text: String = live.lane().tokens[..3]
            .iter()
            .map(|t| t.text.as_str())
            .collect();
        let job = effects[0].as_job::<crate::tui::app::jobs::files::CopyText>();
        assert_eq!(job.unwrap().0, text.trim());
    }
}
