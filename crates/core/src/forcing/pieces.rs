//! Delimiters that arrive in pieces, spread over tokens: finding them in the last few texts.

use super::Machine;

impl Machine {
    /// Id of the first of the last `drop` tokens, or the proposed one.
    pub(super) fn first_of(&self, drop: usize, proposed: u32) -> u32 {
        if drop == 0 {
            return proposed;
        }
        let at = self.recent.len().saturating_sub(drop);
        self.recent.get(at).map_or(proposed, |(id, _)| *id)
    }

    /// Whether `text`, coming next, completes `tag`: how many tokens before it belong to the tag,
    /// and what text of the first of them precedes it.
    pub(super) fn completes(&self, tag: &str, text: &str) -> Option<(usize, String)> {
        if tag.is_empty() || text.is_empty() {
            return None;
        }
        let mut whole = self.recent_text();
        let before = whole.len();
        whole.push_str(text);
        // Only a tag that ends inside the new text is new.
        let from = (before + 1).saturating_sub(tag.len());
        let from = (from..=before).find(|&i| whole.is_char_boundary(i))?;
        let start = from + whole[from..].find(tag)?;
        Some(self.tokens_from(start, before, text))
    }

    /// Number of recent tokens from byte `start` of the recent text on, and the text of the first
    /// of them before `start`. (`start` beyond the recent text lies inside the proposed token.)
    fn tokens_from(&self, start: usize, before: usize, proposed: &str) -> (usize, String) {
        if start >= before {
            return (0, proposed[..start - before].to_string());
        }
        let mut end = before;
        for (n, (_, text)) in self.recent.iter().rev().enumerate() {
            let begin = end - text.len();
            if begin <= start && !text.is_empty() {
                return (n + 1, text[..start - begin].to_string());
            }
            end = begin;
        }
        (0, String::new())
    }

    /// Pieces of an end-of-thinking tag at the end of the text: tokens, and what precedes it.
    /// A lone `<` is ordinary text.
    pub(super) fn begun_delimiter(&self) -> (usize, String) {
        let tag = &self.delimiters.spec.end_tag;
        if !self.delimiters.end_ids.is_empty() {
            return (0, String::new());
        }
        let text = self.recent_text();
        (2..tag.len())
            .rev()
            .filter(|&n| tag.is_char_boundary(n))
            .find(|&n| text.ends_with(&tag[..n]))
            .map_or((0, String::new()), |n| {
                self.tokens_from(text.len() - n, text.len(), "")
            })
    }

    pub(super) fn recent_text(&self) -> String {
        self.recent.iter().map(|(_, t)| t.as_str()).collect()
    }
}
