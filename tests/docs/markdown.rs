//! A Markdown file as its readers use it: headings to jump to, links to follow, blocks to copy.

use std::path::{Path, PathBuf};

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The word after the fence.
    pub language: String,
    /// Its lines.
    pub text: String,
    /// Where it begins.
    pub line: usize,
}

/// One file.
#[derive(Debug)]
pub struct Document {
    /// Below the root of the repository.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its headings, as written.
    pub headings: Vec<String>,
    /// Line and target of its links.
    pub links: Vec<(usize, String)>,
    /// Its fenced blocks.
    pub blocks: Vec<Block>,
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document of the project.
pub fn all() -> Vec<Document> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in ["", ".github", "tests"] {
        collect(&root().join(folder), false, &mut paths);
    }
    for folder in ["deploy", "charts"] {
        collect(&root().join(folder), true, &mut paths);
    }
    paths.sort();
    paths.iter().map(|path| Document::read(path)).collect()
}

fn collect(folder: &Path, deep: bool, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry of a folder can be read").path();
        if path.is_dir() && deep {
            collect(&path, deep, into);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            into.push(path);
        }
    }
}

impl Document {
    /// Reads a file.
    pub fn read(path: &Path) -> Self {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned();
        let mut document = Self {
            name,
            path: path.to_path_buf(),
            headings: Vec::new(),
            links: Vec::new(),
            blocks: Vec::new(),
        };
        document.parse(&text);
        document
    }

    fn parse(&mut self, text: &str) {
        let mut open: Option<Block> = None;
        for (index, line) in text.lines().enumerate() {
            let fence = line.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (Some(_), Some(_)) => self.blocks.extend(open.take()),
                (Some(block), None) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, Some(language)) => {
                    let language = language.trim().to_owned();
                    open = Some(Block { language, text: String::new(), line: index + 1 });
                }
                (None, None) => self.prose(index + 1, line),
            }
        }
        assert!(open.is_none(), "{}: a block is not closed: {open:?}", self.name);
    }

    fn prose(&mut self, number: usize, line: &str) {
        let level = line.len() - line.trim_start_matches('#').len();
        if level > 0 && line[level..].starts_with(' ') {
            self.headings.push(line[level..].trim().to_owned());
        }
        // What is in back quotes is text.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let mut rest = prose.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, next)) = after.split_once(')') else { break };
            self.links.push((number, target.to_owned()));
            rest = next;
        }
    }

    /// The anchors of its headings.
    pub fn anchors(&self) -> Vec<String> {
        self.headings.iter().map(|heading| anchor(heading)).collect()
    }
}

/// How web pages of repositories name a heading: lower case, spaces to dashes, other signs left out.
pub fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn headings_links_and_blocks_are_told_apart() {
    let mut document = Document {
        name: String::new(),
        path: PathBuf::new(),
        headings: Vec::new(),
        links: Vec::new(),
        blocks: Vec::new(),
    };
    document.parse(
        "# `A` title, here\n[a](b.md) and [`c`](d.md#e), not `[x](y)`\n```sh\n# no heading\n[x](y)\n```\n",
    );
    assert_eq!(document.anchors(), ["a-title-here"]);
    assert_eq!(document.links, [(2, "b.md".to_owned()), (2, "d.md#e".to_owned())]);
    let block = Block { language: "sh".into(), text: "# no heading\n[x](y)\n".into(), line: 3 };
    assert_eq!(document.blocks, [block]);
}
