//! A figure as a PNG: the SVG, painted with the fonts that the program carries.

use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb::Database};

use super::{Figure, svg};

/// Pixels per unit of the SVG, for print and for dense screens.
const SCALE: f32 = 2.0;

/// The picture's bytes, 1760 × 1120 pixels.
///
/// # Errors
/// If the picture cannot be painted, which would be a mistake of this program.
pub fn draw(figure: &Figure) -> Result<Vec<u8>> {
    let options = Options {
        font_family: svg::FONT.into(),
        fontdb: fonts(),
        ..Options::default()
    };
    let tree = Tree::from_str(&svg::draw(figure), &options).context("cannot draw the figure")?;
    let size = tree.size();
    let side = |length: f32| (length * SCALE).ceil() as u32;
    let mut pixels = Pixmap::new(side(size.width()), side(size.height()))
        .context("cannot draw the figure: it has no size")?;
    let transform = Transform::from_scale(SCALE, SCALE);
    resvg::render(&tree, transform, &mut pixels.as_mut());
    pixels.encode_png().context("cannot draw the figure")
}

/// The fonts, read once. No font of the machine is used: the picture is the same everywhere.
fn fonts() -> Arc<Database> {
    static FONTS: OnceLock<Arc<Database>> = OnceLock::new();
    let load = || {
        let mut fonts = Database::new();
        for font in [
            &include_bytes!("../../../assets/fonts/Inter-Regular.otf")[..],
            include_bytes!("../../../assets/fonts/Inter-SemiBold.otf"),
        ] {
            fonts.load_font_data(font.to_vec());
        }
        Arc::new(fonts)
    };
    FONTS.get_or_init(load).clone()
}
