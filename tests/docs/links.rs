//! Links lead somewhere: files exist, headings exist. Addresses on the network are not asked.

use std::path::Path;

use crate::markdown::{Document, all, root};

/// Why a link leads nowhere.
fn broken(document: &Document, target: &str) -> Option<String> {
    if target.starts_with("https://") {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let folder = document.path.parent().unwrap_or(Path::new("."));
    let path = if file.is_empty() { document.path.clone() } else { folder.join(file) };
    let Ok(path) = path.canonicalize() else { return Some(format!("there is no {file}")) };
    let root = root().canonicalize().expect("the repository is there");
    if !path.starts_with(root) {
        return Some(format!("{file} is outside the repository"));
    }
    let anchor = anchor?;
    let found = Document::read(&path).anchors().iter().any(|found| found == anchor);
    (!found).then(|| format!("{file} has no heading #{anchor}"))
}

#[test]
fn every_link_of_every_document_leads_somewhere() {
    let documents = all();
    assert!(documents.len() > 10, "{}", documents.len());
    let mut followed = 0;
    let mut wrong = Vec::new();
    for document in &documents {
        for (line, target) in &document.links {
            followed += 1;
            if let Some(why) = broken(document, target) {
                wrong.push(format!("{}:{line}: {target}: {why}", document.name));
            }
        }
    }
    assert!(followed > 20, "{followed}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_link_to_a_file_or_heading_that_is_not_there_is_noticed() {
    let readme = Document::read(&root().join("README.md"));
    assert_eq!(broken(&readme, "LICENSE"), None);
    assert!(broken(&readme, "NO-SUCH-FILE.md").is_some());
    assert!(broken(&readme, "#no-such-heading").is_some());
    assert!(broken(&readme, "../").is_some());
}

#[test]
fn the_index_names_every_document_and_every_document_is_reached_from_the_readme_or_the_index() {
    let documents = all();
    let reached = |folder: &str| {
        let index = documents.iter().find(|document| document.name == format!("{folder}README.md"));
        index.unwrap_or_else(|| panic!("{folder}README.md is missing")).links.clone()
    };
    let index: Vec<String> = reached("deploy/docs/").into_iter().map(|(_, target)| target).collect();
    for document in documents.iter().filter(|document| document.name.starts_with("deploy/docs/")) {
        let name = document.name.trim_start_matches("deploy/docs/");
        assert!(name == "README.md" || index.iter().any(|target| target == name), "the index lacks {name}");
    }
}
