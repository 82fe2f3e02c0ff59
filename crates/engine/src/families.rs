//! The families that models are compared with: the user's own, which the program reads when it starts,
//! before the bundled ones.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use s1_core::family::Families;
use s1_data::files;

/// The largest file of families, in bytes.
const MAX_BYTES: u64 = 256 << 10;

static OWN: OnceLock<Families> = OnceLock::new();

/// Reads a user's own families, which every model is compared with from then on. A second call
/// changes nothing.
///
/// # Errors
/// If the file cannot be read, or is no such table.
pub fn use_families(path: &Path) -> Result<()> {
    let text = files::read_text_file(path, MAX_BYTES)
        .with_context(|| format!("cannot read the families in {}", path.display()))?;
    let families = Families::read(&text).map_err(|why| anyhow!("{}, {why}", path.display()))?;
    let _ = OWN.set(families.before_bundled());
    Ok(())
}

/// All families, the user's first.
pub fn families() -> &'static Families {
    OWN.get().unwrap_or_else(|| Families::bundled())
}
