//! Calls over time as a picture: one bar for each span, and the rate as a line.
//!
//! SVG written by hand: a chart of bars needs no library.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;

/// Draws counts, each of them of so many seconds, and the most that the rate allows in that time.
#[expect(clippy::cast_precision_loss, reason = "counts of calls")]
pub fn bars(title: &str, counts: &[usize], seconds: f64, limit: f64) -> String {
    let most = counts.iter().map(|count| *count as f64).fold(limit, f64::max).max(1.0);
    let step = WIDTH / counts.len().max(1) as f64;
    let y = |value: f64| TOP + HEIGHT * (1.0 - value / most);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{title}</text>\n",
        WIDTH + LEFT + 20.0,
        HEIGHT + TOP + 50.0
    );
    for (number, count) in counts.iter().enumerate() {
        let top = y(*count as f64);
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#3b6ea5\"/>",
            LEFT + step * number as f64,
            (step * 0.9).max(0.5),
            TOP + HEIGHT - top
        );
    }
    let (line, right, bottom) = (y(limit), LEFT + WIDTH, TOP + HEIGHT);
    let _ = writeln!(
        svg,
        "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{line:.1}\" y2=\"{line:.1}\" stroke=\"#b03030\" stroke-dasharray=\"6 4\"/>\n\
         <text x=\"4\" y=\"{line:.1}\" fill=\"#b03030\">{limit:.0}</text>\n<text x=\"4\" y=\"{bottom}\">0</text>\n\
         <text x=\"{LEFT}\" y=\"{}\">calls in each {seconds:.0} s; {} s in all; dashed: what the rate allows</text>\n</svg>",
        bottom + 24.0,
        counts.len() as f64 * seconds
    );
    svg
}
