//! Loop detection: a run of the same n-gram over and over, the usual way in which greedy thinking
//! gets stuck.

/// Longest repeated piece that is looked for, in tokens.
pub const MAX_PERIOD: usize = 64;
/// How often in a row a piece must occur to be called a loop.
pub const MIN_REPEATS: usize = 4;
/// Fewest tokens a loop covers: short runs such as `0000` or `......` are ordinary text.
pub const MIN_COVER: usize = 32;

/// A loop at the end of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loop {
    /// Length of the repeated piece, in tokens.
    pub period: usize,
    /// How often it occurs in a row.
    pub repeats: usize,
}

/// Watches a sequence of token ids; each new id costs [`MAX_PERIOD`] comparisons.
#[derive(Clone, Debug)]
pub struct LoopDetector {
    ids: Vec<u32>,
    /// `runs[p - 1]`: for how many ids in a row each id has equalled the one `p` before it.
    runs: [usize; MAX_PERIOD],
}

impl Default for LoopDetector {
    fn default() -> LoopDetector {
        LoopDetector {
            ids: Vec::new(),
            runs: [0; MAX_PERIOD],
        }
    }
}

impl LoopDetector {
    /// Takes in the next id.
    pub fn push(&mut self, id: u32) {
        let n = self.ids.len();
        for period in 1..=MAX_PERIOD.min(n) {
            let run = &mut self.runs[period - 1];
            *run = if self.ids[n - period] == id {
                *run + 1
            } else {
                0
            };
        }
        self.ids.push(id);
    }

    /// The loop the sequence ends in, if any; the shortest period wins.
    pub fn found(&self) -> Option<Loop> {
        (1..=MAX_PERIOD).find_map(|period| {
            let cover = self.runs[period - 1] + period;
            let repeats = cover / period;
            (repeats >= MIN_REPEATS && cover >= MIN_COVER).then_some(Loop { period, repeats })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(ids: impl IntoIterator<Item = u32>) -> Option<Loop> {
        let mut detector = LoopDetector::default();
        for id in ids {
            detector.push(id);
        }
        detector.found()
    }

    #[test]
    fn a_repeated_phrase_is_a_loop_with_its_own_period() {
        let phrase: Vec<u32> = (0..10).collect();
        let text = |times: usize| phrase.iter().copied().cycle().take(10 * times);
        assert_eq!(after(text(3)), None);
        assert_eq!(
            after(text(4)),
            Some(Loop {
                period: 10,
                repeats: 4
            })
        );
        assert_eq!(
            after(text(7)),
            Some(Loop {
                period: 10,
                repeats: 7
            })
        );
    }

    #[test]
    fn short_runs_and_ordinary_text_are_not() {
        assert_eq!(after([7; 20]), None, "a short run of one token");
        assert_eq!(
            after([7; 32]),
            Some(Loop {
                period: 1,
                repeats: 32
            })
        );
        assert_eq!(after(0..500), None);
        // Broken off by something new, it is no longer a loop.
        assert_eq!(after([7; 40].into_iter().chain([8])), None);
    }
}
