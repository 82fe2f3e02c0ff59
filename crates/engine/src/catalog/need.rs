//! What a listed model needs of this machine, and why it cannot be used where it cannot.
//!
//! Not here: looking for models, and loading one.

use s1_core::format;
use s1_model::adapter;
use s1_model::cache::CacheType;
use s1_model::device::{Place, Places};
use s1_model::gguf::Gguf;
use s1_model::memory::MemoryNeed;

use super::CatalogEntry;
use crate::context_of;

/// What there is to say of a model before it is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelNeed {
    pub architecture: Option<String>,
    /// Under which licence, where the file says.
    pub licence: Option<String>,
    /// The context in tokens that the memory is for.
    pub context: Option<usize>,
    /// Bytes of memory that it needs.
    pub memory: Option<u64>,
    /// Where it would be computed.
    pub room: Room,
    /// Why it cannot be used.
    pub fault: Option<String>,
}

/// How much memory there is where a model would be computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes that are free, where the system says.
    pub free: Option<u64>,
    /// Whether they are a GPU's own.
    pub on_gpu: bool,
}

impl Room {
    pub fn of(place: &Place) -> Room {
        Room {
            free: place.free_memory(),
            on_gpu: !place.is_cpu(),
        }
    }

    /// That of a model to be fetched: every one of those that are suggested is large enough for a GPU.
    pub fn of_suggestions(places: &Places) -> Room {
        let place = places.open(u64::MAX);
        place.map_or(Room::default(), |place| Room::of(&place))
    }

    /// Whose memory it is.
    pub fn name(self) -> &'static str {
        match self.on_gpu {
            true => "the GPU's memory",
            false => "memory",
        }
    }
}

impl ModelNeed {
    /// Reads the head of a model's file. The context is the model's own, up to the usual one, where
    /// none is wanted; a cache of no type is as the weights suggest.
    pub fn of(
        entry: &CatalogEntry,
        context: Option<usize>,
        cache: Option<CacheType>,
        places: &Places,
    ) -> ModelNeed {
        if adapter::is_adapter(&entry.path) {
            return ModelNeed {
                architecture: Some("adapter".into()),
                ..ModelNeed::default()
            };
        }
        let mut known = ModelNeed::default();
        let read = Gguf::open(&entry.path).and_then(|gguf| {
            let context = context_of(&gguf, context);
            known.architecture = Some(gguf.architecture().to_owned());
            let licence = gguf.string("general.license").map(str::trim);
            known.licence = licence.filter(|l| !l.is_empty()).map(str::to_owned);
            let place = places.for_model(&gguf)?;
            let need = MemoryNeed::of(&gguf, context, cache, &place)?;
            Ok((context, need.total(), Room::of(&place)))
        });
        match read {
            Ok((context, memory, room)) => {
                known.context = Some(context);
                known.memory = Some(memory);
                known.room = room;
            }
            Err(error) => known.fault = Some(error.root_cause().to_string()),
        }
        known
    }
}

/// Whether what needs so much memory fits into what is free; `None` where either is not known.
pub fn fits(memory: Option<u64>, free: Option<u64>) -> Option<bool> {
    Some(memory? <= free?)
}

/// The same in a word.
pub fn fits_word(fits: Option<bool>) -> &'static str {
    match fits {
        Some(true) => "yes",
        Some(false) => "no",
        None => "?",
    }
}

/// One sentence on how much memory a model needs, and whether it fits.
pub fn memory_sentence(memory: u64, context: usize, room: Room) -> String {
    let needs = format!(
        "{} of {} with a context of {} tokens",
        format::size(memory),
        room.name(),
        format::grouped(context)
    );
    match room.free {
        Some(free) if memory > free => format!(
            "does not fit: it needs {needs}, and {} are free; a server may have it (--server)",
            format::size(free)
        ),
        _ => format!("needs {needs}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;
    use s1_model::device::DeviceChoice;

    /// A user would lose: why a file that is listed cannot be used, before it is tried.
    #[test]
    fn what_a_model_needs_is_known_before_it_is_loaded() {
        let reasoner = catalog::bundled().next().unwrap();
        let places = Places::new(DeviceChoice::Cpu);
        let need = ModelNeed::of(&reasoner, None, None, &places);
        assert_eq!(need.fault, None);
        assert!(need.memory.is_some_and(|bytes| bytes > reasoner.bytes));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broken.gguf");
        std::fs::write(&path, "none").unwrap();
        let broken = CatalogEntry { path, ..reasoner };
        assert!(ModelNeed::of(&broken, None, None, &places).fault.is_some());
        let mut room = Room {
            free: Some(1_000_000_000),
            on_gpu: false,
        };
        let sentence = memory_sentence(2_000_000_000, 8192, room);
        assert_eq!(
            sentence,
            "does not fit: it needs 2.0 GB of memory with a context of 8,192 tokens, and 1.0 GB \
             are free; a server may have it (--server)"
        );
        room.on_gpu = true;
        let sentence = memory_sentence(1_000, 512, room);
        assert_eq!(
            sentence,
            "needs 1 kB of the GPU's memory with a context of 512 tokens"
        );
        assert_eq!(fits_word(fits(Some(2), Some(1))), "no");
        assert_eq!(fits_word(fits(None, Some(1))), "?");
    }
}
