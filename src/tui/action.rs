//! Everything a user can do, as one list.
//!
//! The keymap names these actions, the footer and the help show them, and the command palette
//! runs them: help cannot drift from behaviour, because all four read this list.

use serde::{Deserialize, Serialize};

macro_rules! actions {
    ($($variant:ident, $name:literal, $group:ident, $short:literal, $long:literal;)*) => {
        /// One thing a user can do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Action {
            $(#[doc = $long] $variant,)*
        }

        impl Action {
            /// Every action, in the order in which help lists them.
            pub const ALL: &'static [Action] = &[$(Action::$variant,)*];

            /// The name used in keymap files.
            pub fn name(self) -> &'static str {
                match self { $(Action::$variant => $name,)* }
            }

            /// Which part of the help it belongs to.
            pub fn group(self) -> Group {
                match self { $(Action::$variant => Group::$group,)* }
            }

            /// One or two words, for the footer.
            pub fn short(self) -> &'static str {
                match self { $(Action::$variant => $short,)* }
            }

            /// One sentence, for the help and the palette.
            pub fn describe(self) -> &'static str {
                match self { $(Action::$variant => $long,)* }
            }
        }
    };
}

/// Parts of the help. Which of them a screen has is said by
/// [`Screen::groups`](super::screen::Screen::groups).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Asking and running.
    Run,
    /// Steering a thought.
    Steer,
    /// Moving over the trace.
    Move,
    Scroll,
    Look,
    Branch,
    /// Lanes side by side.
    Lanes,
    /// Sessions of the explorer.
    Session,
    Plot,
    Train,
    Screens,
    Program,
}

impl Group {
    /// Heading in the help.
    pub fn title(self) -> &'static str {
        match self {
            Group::Run => "Ask and run",
            Group::Steer => "Steer the thought",
            Group::Move => "Move over the trace",
            Group::Scroll => "Scroll",
            Group::Look => "Look closer",
            Group::Branch => "Branches",
            Group::Lanes => "Compare lanes",
            Group::Session => "Keep and copy",
            Group::Plot => "Read the plots",
            Group::Train => "Train a model",
            Group::Screens => "Screens",
            Group::Program => "Program",
        }
    }
}

actions! {
    EditQuestion, "edit_question", Run, "question", "Edit the question";
    ReadQuestion, "read_question", Run, "whole question", "Read the whole question";
    EditReference, "edit_reference", Run, "reference", "Give the reference answer that grades probes and answers";
    Submit, "submit", Run, "ask", "Ask the question in the box";
    Newline, "newline", Run, "new line", "Start a new line in the question";
    HistoryBack, "history_back", Run, "older", "Bring back the question before";
    HistoryForward, "history_forward", Run, "newer", "Go to the question after";
    Pause, "pause", Run, "pause", "Pause or resume";
    Stop, "stop", Run, "stop", "Stop writing; what is there stays";
    StepToken, "step_token", Steer, "step", "Write one token, then pause";
    StepSentence, "step_sentence", Steer, "sentence", "Write to the end of the sentence, then pause";
    Wait, "wait", Steer, "Wait", "Force Wait: the next attempt to end is replaced; on a paused or ended thought, now";
    WaitText, "wait_text", Steer, "wait text", "Choose the wait text";
    Cut, "cut", Steer, "cut", "Cut the thinking off: the model must answer with what it has";
    CutSentence, "cut_sentence", Steer, "cut at sentence", "Cut the thinking off at the end of the sentence";
    WrapUp, "wrap_up", Steer, "wrap up", "Tell the thought to end, then end it as the settings say";
    Inject, "inject", Steer, "inject", "Type words into the thought";
    BudgetUp, "budget_up", Steer, "raise budget", "Raise the thinking budget";
    BudgetDown, "budget_down", Steer, "lower budget", "Lower the thinking budget";
    PaceUp, "pace_up", Steer, "faster", "Write faster: more tokens per second";
    PaceDown, "pace_down", Steer, "slower", "Write slower: fewer tokens per second";
    Reroll, "reroll", Steer, "re-roll", "Write the answer again, keeping the thought";
    Left, "left", Move, "left", "One token back";
    Right, "right", Move, "right", "One token on";
    WordLeft, "word_left", Move, "word back", "One word back";
    WordRight, "word_right", Move, "word on", "One word on";
    SentenceLeft, "sentence_left", Move, "sentence back", "One sentence back";
    SentenceRight, "sentence_right", Move, "sentence on", "One sentence on";
    MarkLeft, "mark_left", Move, "mark back", "To the Wait, cut or words of yours before";
    MarkRight, "mark_right", Move, "mark on", "To the next Wait, cut or words of yours";
    Search, "search", Move, "search", "Search the text, whatever the case of its letters";
    SearchNext, "search_next", Move, "next match", "To the next match of the search";
    SearchPrevious, "search_previous", Move, "match before", "To the match before";
    Up, "up", Scroll, "up", "One line up";
    Down, "down", Scroll, "down", "One line down";
    PageUp, "page_up", Scroll, "page up", "One page up";
    PageDown, "page_down", Scroll, "page down", "One page down";
    Home, "home", Scroll, "start", "To the start";
    End, "end", Scroll, "end", "To the end, and follow the stream";
    Alternatives, "alternatives", Look, "alternatives", "Choose among the alternatives at the cursor";
    Probe, "probe", Look, "probe", "Ask what the model would answer if it were cut here";
    ProbeEvery, "probe_every", Look, "auto probe", "Probe by itself every few tokens, on and off";
    WhatIf, "what_if", Look, "what if", "Map what a cut, a Wait or another draw at each sentence end would have answered";
    ProbeAll, "probe_all", Look, "probe all", "Probe along the whole thought: where would its answer change?";
    ProbeLeft, "probe_left", Look, "probe back", "To the probe before";
    ProbeRight, "probe_right", Look, "probe on", "To the next probe";
    Heat, "heat", Look, "heat", "Colour the trace by entropy, by P(end), or not at all";
    ToggleSide, "toggle_side", Look, "side panel", "Show or hide the side panel";
    ShowPrompt, "show_prompt", Look, "prompt", "Read the whole prompt as the model was given it, special tokens written out";
    ShowDelimiters, "show_delimiters", Look, "delimiters", "Show the tokens that the rule at the end of thinking stands for";
    RawMaths, "raw_maths", Look, "raw formulas", "Show formulas as they were written, or readable";
    Branch, "branch", Branch, "branch", "Make a branch at the cursor, paused";
    Rewind, "rewind", Branch, "rewind", "Rewind to the cursor and go on; the old continuation stays as a branch";
    BranchTree, "branch_tree", Branch, "branches", "Show the tree of branches and switch";
    BranchNext, "branch_next", Branch, "next branch", "Switch to the next branch";
    BranchPrevious, "branch_previous", Branch, "branch before", "Switch to the branch before";
    OpenLane, "open_lane", Lanes, "open lane", "Open the lane in the explorer at its current point, to steer it there";
    LaneNext, "lane_next", Lanes, "next lane", "To the next lane";
    LanePrevious, "lane_previous", Lanes, "lane before", "To the lane before";
    LinkScroll, "link_scroll", Lanes, "link", "Scroll all lanes together, or each on its own";
    ToDeparture, "to_departure", Lanes, "departure", "Show where the lane departs from its left neighbour";
    Preset, "preset", Lanes, "preset", "Choose a set of lanes: budgets, waits, words, equal tokens";
    AddLane, "add_lane", Lanes, "add", "Add a lane";
    ChangeLane, "change_lane", Lanes, "change", "Change what the lane does";
    RemoveLane, "remove_lane", Lanes, "remove", "Remove the lane";
    SampleNext, "sample_next", Lanes, "next sample", "Show the next sample of a vote";
    SamplePrevious, "sample_previous", Lanes, "sample before", "Show the sample before";
    CopyTrace, "copy_trace", Session, "copy trace", "Copy the whole trace to the clipboard";
    CopyRange, "copy_range", Session, "copy range", "Copy from here: the same key again copies to where the cursor is then";
    CopyAnswer, "copy_answer", Session, "copy answer", "Copy the answer to the clipboard";
    Save, "save", Session, "save", "Save the session";
    Open, "open", Session, "open", "Open a saved session";
    PanelNext, "panel_next", Plot, "next panel", "Give the keys to the next panel";
    PanelPrevious, "panel_previous", Plot, "last panel", "Give the keys to the panel before";
    PointLeft, "point_left", Plot, "move", "The crosshair to the point before, or one cell to the left";
    PointRight, "point_right", Plot, "right", "The crosshair to the next point, or one cell to the right";
    OpenPoint, "open_point", Plot, "open", "Open the trace of a cell, the problems of a point, a run alone";
    ZoomIn, "zoom_in", Plot, "zoom in", "Zoom in at the crosshair";
    ZoomOut, "zoom_out", Plot, "zoom out", "Zoom out";
    ZoomAll, "zoom_all", Plot, "all", "Show the whole figure, without crosshair";
    LogAxis, "log_axis", Plot, "log", "Logarithmic or linear axis";
    CountedTokens, "counted_tokens", Plot, "all tokens", "Count thinking tokens, or all generated tokens, along the axis";
    Lines, "lines", Plot, "lines", "Choose which lines are shown";
    Ink, "ink", Plot, "braille/ASCII", "Draw lines with braille, with blocks or with ASCII";
    Anchor, "anchor", Plot, "compare", "Compare every point with this one, problem by problem";
    Overlay, "overlay", Plot, "overlay", "Lay the selected run over the others, or take it away";
    OtherRun, "other_run", Plot, "other run", "The items and waits of the next run shown";
    SaveFigure, "save_figure", Plot, "write figure", "Write the figure to a file: SVG, PNG or CSV";
    FindRun, "find_run", Plot, "find a run", "Find a run by name, model or problems: show it, rename it, delete it";
    NewSweep, "new_sweep", Plot, "new sweep", "Ask a set of problems at several thinking budgets";
    PauseSweep, "pause_sweep", Plot, "pause", "Pause the sweep, or let it go on";
    CancelSweep, "cancel_sweep", Plot, "cancel", "End the sweep; what is done stays";
    NewTraining, "new_training", Train, "new", "Plan a training: a form, and what it will take";
    TrainEnter, "train_enter", Train, "choose", "Change or start what the form says; watch the training, open the checkpoint that is selected";
    WatchTraining, "watch_training", Train, "back", "Back from the form to the training, or take the crosshair away";
    PauseTraining, "pause_training", Train, "pause", "Pause the training after its step, or let it go on";
    StopTraining, "stop_training", Train, "stop", "End the training after its step, with a checkpoint to go on from";
    KillTraining, "kill_training", Train, "kill", "End the training at once; what came after its last checkpoint is lost";
    ResumeTraining, "resume_training", Train, "resume", "Go on with a training that was stopped, killed or interrupted";
    SaveCheckpoint, "save_checkpoint", Train, "checkpoint", "Write a checkpoint after this step";
    RateDown, "rate_down", Train, "halve rate", "Halve the learning rate from the next step on";
    RateUp, "rate_up", Train, "double rate", "Double the learning rate from the next step on";
    BeforeAfter, "before_after", Train, "compare", "Sweep the model before and after the training, and show both curves in one plot";
    OpenTrained, "open_trained", Train, "explore", "Open the trained model, or the selected checkpoint, in the explorer";
    LaneTrained, "lane_trained", Train, "lane", "Add the trained model, or the selected checkpoint, to the comparison as a lane";
    ExportTrained, "export_trained", Train, "export", "Write the trained model as an adapter, as safetensors or as GGUF";
    ShowCuration, "show_curation", Train, "how chosen", "Show how the data were chosen: what each stage of the curation dropped, and why";
    ShowOutput, "show_output", Train, "output", "Show the end of what the training's processes printed";
    CopyCommand, "copy_command", Train, "copy command", "Copy the command line that trains the same";
    ShowExplore, "show_explore", Screens, "explore", "Go to the explorer: one thought, steered while it runs";
    ShowCompare, "show_compare", Screens, "compare", "Go to the comparison: one question, several strategies side by side";
    ShowPlots, "show_plots", Screens, "plots", "Go to the plots: what a thinking budget buys";
    ShowTrain, "show_train", Screens, "train", "Go to the trainings: plan one, watch it, compare before and after";
    Models, "models", Program, "models", "Choose a model";
    Theme, "theme", Program, "theme", "Next theme";
    Settings, "settings", Program, "settings", "Change budget, waits, sampling and answer length";
    Help, "help", Program, "all keys", "Show every key";
    Palette, "palette", Program, "commands", "Find and run a command by name";
    Tour, "tour", Program, "tour", "Show the first minute again: a Wait that repairs, and one that harms";
    Mouse, "mouse", Program, "mouse", "Give the mouse to the terminal, to select text with it, or take it back";
    Redraw, "redraw", Program, "redraw", "Draw the whole screen again";
    Accept, "accept", Program, "choose", "Accept, in a list or a field";
    Cancel, "cancel", Program, "back", "Leave a list or a field without a change";
    Suspend, "suspend", Program, "suspend", "Put the program into the background; fg brings it back";
    Quit, "quit", Program, "quit", "Leave; asks only if something would be lost";
}
