//! Prompt lookup: a text that repeats itself is computed several tokens at a time.
//!
//! Where the last few tokens stand earlier in the text, what followed them there is computed along
//! with the last token, as a draft. Nothing is decided by it: a draft's logits are kept until its
//! place comes, and used if the token drawn there is the draft's (as in
//! <https://github.com/apoorvumang/prompt-lookup-decoding>, but drawn from the very logits that would
//! have been computed). So a trace is the same with it and without, token by token and score by
//! score, however tokens are drawn.
//!
//! Not here: the forward pass ([`super::worker`]).

use std::collections::VecDeque;
use std::time::Duration;

use s1_model::logits::PositionLogits;

/// Tokens that have to stand earlier for what followed to be a draft.
const GRAM: usize = 3;
/// Kinds of drafts, by the tokens that stand earlier: from how many on, and how many a draft has.
/// With the last token that makes four and eight rows, which the kernels multiply at once.
const KINDS: [(usize, usize); 3] = [(GRAM, 3), (6, 3), (12, 7)];
/// Tokens without a draft of a kind that costs more than it brings.
const REST: usize = 64;
/// What the latest measurement counts in an average.
const LATEST: f32 = 0.25;

/// One sequence's drafts.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    /// Where the first row belongs: the number of tokens in prompt and trace with its token.
    place: usize,
    /// Tokens of the draft and the logits after each.
    rows: VecDeque<(u32, PositionLogits)>,
    /// The kind of the draft, and its tokens that were taken.
    kind: usize,
    hits: usize,
    tracks: [Track; KINDS.len()],
    /// Seconds of a forward pass without a draft.
    plain: Option<f32>,
    /// Tokens of all drafts, and those of them that were taken.
    pub drafted: usize,
    pub taken: usize,
}

/// What one kind of drafts has brought and cost lately.
#[derive(Debug, Default)]
struct Track {
    hits: Option<f32>,
    /// Seconds of a forward pass with one.
    seconds: Option<f32>,
    /// The number of tokens from which on there are drafts again.
    rest_until: usize,
}

fn add(average: &mut Option<f32>, latest: f32) {
    let before = average.unwrap_or(latest);
    *average = Some(before + LATEST * (latest - before));
}

impl Lookup {
    /// A draft of what follows `ids`, empty where nothing is worth computing.
    pub fn draft(&mut self, ids: &[u32], room: usize) -> Vec<u32> {
        let Some((kind, next)) = repetition(ids) else {
            return Vec::new();
        };
        self.kind = kind;
        if ids.len() < self.tracks[kind].rest_until {
            return Vec::new();
        }
        let end = ids.len().min(next + KINDS[kind].1.min(room));
        ids[next..end].to_vec()
    }

    /// Keeps the logits after the tokens of a draft, the first of which belongs at `place`.
    pub fn keep(
        &mut self,
        place: usize,
        draft: &[u32],
        rows: impl IntoIterator<Item = PositionLogits>,
    ) {
        self.drop_rows();
        self.place = place;
        self.rows = draft.iter().copied().zip(rows).collect();
        self.drafted += self.rows.len();
    }

    /// Learns what the forward pass took that computed the last token alone, or with a draft.
    pub fn learn(&mut self, with_draft: bool, took: Duration) {
        let average = match with_draft {
            true => &mut self.tracks[self.kind].seconds,
            false => &mut self.plain,
        };
        add(average, took.as_secs_f32());
    }

    /// The logits after `token`, if it was the draft's at this place.
    pub fn take(&mut self, place: usize, token: u32) -> Option<PositionLogits> {
        let drafted = self.rows.front().is_some_and(|(id, _)| *id == token);
        if !drafted || self.place != place {
            self.drop_rows();
            return None;
        }
        let (_, row) = self.rows.pop_front()?;
        self.place += 1;
        self.hits += 1;
        self.taken += 1;
        if self.rows.is_empty() {
            self.end();
        }
        Some(row)
    }

    /// Gives up what is left of a draft.
    pub fn drop_rows(&mut self) {
        if !self.rows.is_empty() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.rows.clear();
        let track = &mut self.tracks[self.kind];
        add(&mut track.hits, std::mem::take(&mut self.hits) as f32);
        // A draft is worth its pass if that gives tokens faster than passes without one.
        if let (Some(plain), Some(seconds), Some(hits)) = (self.plain, track.seconds, track.hits)
            && (1.0 + hits) * plain < seconds
        {
            // Later parts of the text get a chance of their own.
            *track = Track {
                rest_until: self.place + REST,
                ..Track::default()
            };
        }
    }
}

/// The kind of the last place before where the end of `ids` stands, and what follows it there.
fn repetition(ids: &[u32]) -> Option<(usize, usize)> {
    let tail = ids.last_chunk::<GRAM>()?;
    let before = &ids[..ids.len() - 1];
    let next = before.windows(GRAM).rposition(|gram| gram == tail)? + GRAM;
    let pairs = ids[..next].iter().rev().zip(ids.iter().rev());
    let alike = pairs.take_while(|(a, b)| a == b).count();
    let kind = KINDS.iter().rposition(|&(from, _)| alike >= from)?;
    Some((kind, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(ids: &[u32], room: usize) -> Vec<u32> {
        Lookup::default().draft(ids, room)
    }

    #[test]
    fn what_followed_last_time_is_the_draft() {
        assert!(draft(&[1, 2, 3], 9).is_empty());
        assert_eq!(draft(&[1, 2, 3, 4, 5, 6, 7, 1, 2, 3], 9), [4, 5, 6]);
        // The latest occurrence counts, and a draft ends where the text does.
        assert_eq!(draft(&[1, 2, 3, 4, 0, 1, 2, 3, 5, 1, 2, 3], 9), [5, 1, 2]);
        assert_eq!(draft(&[7, 7, 7, 7, 7], 9), [7]);
        assert_eq!(draft(&[1, 2, 3, 4, 5, 6, 7, 1, 2, 3], 1), [4]);
        // After a long repetition it is longer.
        let long: Vec<u32> = (0..30).chain(5..20).collect();
        assert_eq!(draft(&long, 9), [20, 21, 22, 23, 24, 25, 26]);
    }

    fn rows(n: usize) -> Vec<PositionLogits> {
        let row = |i| PositionLogits::Whole(vec![i as f32]);
        (0..n).map(row).collect()
    }

    fn take(lookup: &mut Lookup, place: usize, token: u32) -> Option<Vec<f32>> {
        lookup.take(place, token)?.into_whole().ok()
    }

    #[test]
    fn logits_are_used_at_their_place_and_by_their_token_alone() {
        let mut lookup = Lookup::default();
        lookup.keep(11, &[4, 5, 6], rows(3));
        assert_eq!(take(&mut lookup, 11, 4), Some(vec![0.0]));
        assert_eq!(take(&mut lookup, 12, 9), None, "another token");
        assert_eq!(take(&mut lookup, 12, 5), None, "the draft is gone");
        lookup.keep(21, &[4, 5], rows(2));
        assert_eq!(take(&mut lookup, 20, 4), None, "another place");
        assert_eq!((lookup.drafted, lookup.taken), (5, 1));
    }

    #[test]
    fn drafts_that_cost_more_than_they_bring_rest() {
        let ids: Vec<u32> = [1, 2, 3, 4, 5].into_iter().cycle().take(8).collect();
        let with = |hits: usize, seconds: u64| {
            let mut lookup = Lookup::default();
            lookup.learn(false, Duration::from_secs(10));
            assert_eq!(lookup.draft(&ids, 9), [4, 5, 1]);
            lookup.learn(true, Duration::from_secs(seconds));
            lookup.keep(9, &[4, 5, 1], rows(3));
            for (i, token) in [4, 5, 1].into_iter().take(hits).enumerate() {
                assert!(lookup.take(9 + i, token).is_some());
            }
            lookup.drop_rows();
            lookup
        };
        assert!(!with(1, 19).draft(&ids, 9).is_empty());
        assert!(with(1, 21).draft(&ids, 9).is_empty());
        assert!(with(0, 11).draft(&ids, 9).is_empty());
        assert!(!with(3, 39).draft(&ids, 9).is_empty());
        // Another kind is not concerned, and later there is another chance.
        let longer: Vec<u32> = (0..30).chain(5..20).collect();
        let mut rested = with(0, 11);
        assert!(!rested.draft(&longer, 9).is_empty());
        let later: Vec<u32> = (100..170).chain(ids).collect();
        assert!(!rested.draft(&later, 9).is_empty());
    }
}
