//! The signs at points.

use super::page::Page;
use crate::Marker;

/// Draws a sign: filled ones with a white rim, open ones with a white ground.
pub fn draw(page: &mut Page, marker: Marker, x: f64, y: f64, ink: &str) {
    use Marker as M;
    let polygon = |corners: &[(f64, f64)]| {
        let points: Vec<String> = corners
            .iter()
            .map(|(dx, dy)| format!("{:.2} {:.2}", x + dx, y + dy))
            .collect();
        format!("M{}Z", points.join("L"))
    };
    let d = match marker {
        M::None => return,
        M::Circle | M::Ring => format!(
            "M{:.2} {y:.2}a4.6 4.6 0 1 0 9.2 0a4.6 4.6 0 1 0 -9.2 0Z",
            x - 4.6
        ),
        M::Triangle | M::OpenTriangle => polygon(&[(0.0, -5.6), (5.2, 4.0), (-5.2, 4.0)]),
        M::Diamond | M::OpenDiamond => polygon(&[(0.0, -6.0), (6.0, 0.0), (0.0, 6.0), (-6.0, 0.0)]),
        M::Square | M::OpenSquare => polygon(&[(-4.2, -4.2), (4.2, -4.2), (4.2, 4.2), (-4.2, 4.2)]),
    };
    match marker {
        M::Ring | M::OpenTriangle | M::OpenDiamond | M::OpenSquare => {
            page.shape(&d, "#ffffff", ink, 2.0);
        }
        _ => page.shape(&d, ink, "#ffffff", 1.2),
    }
}
