use super::testing::*;
use super::*;
use crate::engine::protocol::{Ask, LaneState, Until};
