//! What was measured against what was promised: a table for people, the same as Markdown and CSV.
//!
//! Not here: how anything is measured, and what follows from a target that is missed.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// One line of the table.
#[derive(Clone)]
pub struct Row {
    /// Its number in the list of targets.
    pub id: &'static str,
    pub what: String,
    pub unit: &'static str,
    /// At most this.
    pub target: f64,
    pub measured: f64,
    /// What no design can beat, where that is known.
    pub floor: Option<f64>,
    /// How it was measured, in a few words.
    pub note: String,
}

impl Row {
    fn verdict(&self) -> &'static str {
        if self.measured <= self.target { "ok" } else { "MISSED" }
    }

    fn ratio(&self) -> String {
        match self.floor {
            Some(floor) if floor > 0.0 => format!("{:.2}", self.measured / floor),
            Some(_) | None => String::new(),
        }
    }
}

/// All lines so far.
pub struct Report {
    rows: Vec<Row>,
    facts: Vec<(&'static str, String)>,
}

impl Report {
    /// An empty table with the facts that hold for all of it.
    pub fn new(facts: Vec<(&'static str, String)>) -> Self {
        Self { rows: Vec::new(), facts }
    }

    /// A further fact.
    pub fn fact(&mut self, name: &'static str, value: String) {
        println!("    {name}: {value}");
        self.facts.push((name, value));
    }

    /// Adds a line and shows it at once.
    pub fn row(&mut self, row: Row) {
        println!(
            "  {:<4} {:<58} {:>9} (target {} {}) {}",
            row.id,
            row.what,
            shown(row.measured),
            shown(row.target),
            row.unit,
            row.verdict()
        );
        self.rows.push(row);
    }

    fn markdown(&self) -> String {
        let mut text = String::from(
            "| | what | target | measured | unit | ÷ floor | | how |\n| --- | --- | ---: | ---: | --- | ---: | --- | --- |\n",
        );
        for row in &self.rows {
            let (target, measured) = (shown(row.target), shown(row.measured));
            let _ = writeln!(
                text,
                "| {} | {} | ≤ {target} | {measured} | {} | {} | {} | {} |",
                row.id,
                row.what,
                row.unit,
                row.ratio(),
                row.verdict(),
                row.note
            );
        }
        text.push('\n');
        for (name, value) in &self.facts {
            let _ = writeln!(text, "- {name}: {value}");
        }
        text
    }

    fn csv(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut text = String::from("id,what,target,measured,unit,floor,verdict,note\n");
        for row in &self.rows {
            let floor = row.floor.map(|floor| floor.to_string()).unwrap_or_default();
            let fields = [
                row.id.to_owned(),
                quoted(&row.what),
                row.target.to_string(),
                row.measured.to_string(),
                row.unit.to_owned(),
                floor,
                row.verdict().to_owned(),
                quoted(&row.note),
            ];
            text.push_str(&fields.join(","));
            text.push('\n');
        }
        for (name, value) in &self.facts {
            let _ = writeln!(text, "fact,{},,,,,,{}", quoted(name), quoted(value));
        }
        text
    }

    /// Prints the table, and leaves it as `table.md` and `table.csv`.
    pub fn finish(&self) {
        println!("\n{}", self.markdown());
        write("table.md", &self.markdown());
        write("table.csv", &self.csv());
        println!("written to {}", folder().display());
    }
}

/// Enough digits to compare, few enough to read.
fn shown(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// Leaves a file beside the table.
pub fn write(name: &str, text: &str) {
    let folder = folder();
    fs::create_dir_all(&folder).expect("the build folder can be written");
    fs::write(folder.join(name), text).expect("the build folder can be written");
}

/// `bench` in the build folder that this program lies in.
fn folder() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    let target = program.ancestors().nth(3).expect("it lies in target/release/deps");
    target.join("bench")
}

/// The value below which that share of the samples lies.
pub fn percentile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let rank = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
    sorted[rank - 1]
}
