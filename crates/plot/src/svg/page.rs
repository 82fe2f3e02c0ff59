//! The SVG itself: elements as text.

use std::fmt::Write;

use s1_data::sanitize::clean_line;

/// A document being written. Writing to a string cannot fail.
pub struct Page(String);

impl Page {
    /// A white page.
    pub fn new(width: f64, height: f64) -> Page {
        let mut page = Page(String::new());
        let _ = write!(
            page.0,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"{}, Helvetica, Arial, sans-serif\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
            super::FONT
        );
        page
    }

    /// From here on paths stay inside a rectangle.
    pub fn clip(&mut self, left: f64, top: f64, right: f64, bottom: f64) {
        let _ = writeln!(
            self.0,
            "<clipPath id=\"plot\"><rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" \
             height=\"{:.1}\"/></clipPath>",
            top - 1.5,
            right - left,
            bottom - top + 3.0
        );
    }

    /// Text at a baseline.
    #[allow(clippy::too_many_arguments, reason = "the attributes of one element")]
    pub fn text(
        &mut self,
        x: f64,
        y: f64,
        anchor: &str,
        size: f64,
        fill: &str,
        strong: bool,
        text: &str,
    ) {
        let weight = if strong { " font-weight=\"600\"" } else { "" };
        let _ = writeln!(
            self.0,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" \
             fill=\"{fill}\"{weight}>{}</text>",
            escape(text)
        );
    }

    /// A line that is drawn as [`stroke`] says.
    pub fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), stroke: &str) {
        let _ = writeln!(
            self.0,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" {stroke}/>"
        );
    }

    /// The line of a series, cut to the drawing.
    pub fn path(&mut self, d: &str, ink: &str, dash: &str) {
        let _ = writeln!(
            self.0,
            "<path d=\"{d}\" clip-path=\"url(#plot)\" fill=\"none\" stroke=\"{ink}\" \
             stroke-width=\"2.2\" stroke-linejoin=\"round\" stroke-linecap=\"round\"{dash}/>"
        );
    }

    /// A closed shape.
    pub fn shape(&mut self, d: &str, fill: &str, stroke: &str, width: f64) {
        let _ = writeln!(
            self.0,
            "<path d=\"{d}\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"{width}\"/>"
        );
    }

    pub fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

/// How a line is drawn; `dash` as [`super::dash`] gives it.
pub fn stroke(ink: &str, width: f64, dash: &str) -> String {
    format!("stroke=\"{ink}\" stroke-width=\"{width}\"{dash}")
}

/// Text as XML allows it. Control characters have become visible.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in clean_line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
