//! What is made of the chart and committed: its copy of the definitions, its README's table, `deploy/install.yaml`,
//! `deploy/crds.yaml` and the objects of `deploy/kustomize`.
//!
//! `UPDATE_CHART=1 cargo test --test chart` writes them; the plain run compares.

use std::path::PathBuf;

use crate::helm::{Generation, Helm, chart, mode, path, root};
use crate::readme;

const UPDATE: &str = "UPDATE_CHART";

const HEAD: &str = "\
# Made from charts/itcare-operator by UPDATE_CHART=1 cargo test --test chart; change it there.
";

const INSTALL: &str = "\
# The ITCare operator in namespace itcare-system, for all namespaces:
#
#   kubectl create namespace itcare-system
#   kubectl create secret generic itcare-credentials --namespace itcare-system \\
#     --from-literal=client-id=YOUR-CLIENT-ID --from-literal=client-secret=YOUR-CLIENT-SECRET
#   sed 's|image: \"itcare-operator:|image: \"registry.example.com/platform/itcare-operator:|' install.yaml |
#     kubectl apply --server-side -f -
#
# There is no public image: put in your registry there. For anything else use the chart or deploy/kustomize.
#
";

/// Values of the components of `deploy/kustomize`, on top of those of the base.
pub const COMPONENTS: [(&str, &str); 4] = [
    ("ha", "replicas: 2"),
    (
        "monitoring",
        "metrics: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}",
    ),
    ("network-policy", "networkPolicy: {enabled: true}"),
    ("deletion-protection", "deletionProtection: {enabled: true}"),
];

/// The documents of a rendered text, without the names of templates.
fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        match line {
            "---" => documents.push(String::new()),
            _ if line.starts_with("# Source: ") => {}
            _ => {
                let last = documents.last_mut().expect("there is one");
                last.push_str(line.trim_end());
                last.push('\n');
            }
        }
    }
    documents.into_iter().map(|text| format!("{}\n", text.trim())).filter(|text| text != "\n").collect()
}

fn kind(document: &str) -> &str {
    document.lines().find_map(|line| line.strip_prefix("kind: ")).expect("a document has a kind")
}

fn joined<'a>(documents: impl IntoIterator<Item = &'a String>) -> String {
    documents.into_iter().map(|text| format!("---\n{text}")).collect()
}

async fn files() -> Vec<(PathBuf, String)> {
    let helm = Helm::get(Generation::Four).await;
    let values = mode("install");
    let values = values.to_str().expect("the path is text");
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for (name, text) in itcare_operator::crd::print::files().expect("definitions are YAML") {
        files.push((chart().join("files/crds").join(name), text));
    }
    files.push((chart().join("README.md"), readme::current()));
    let all = documents(&helm.text(&["--values", values], "").await.expect("the chart renders"));
    let (definitions, objects): (Vec<_>, Vec<_>) =
        all.iter().cloned().partition(|document| kind(document) == "CustomResourceDefinition");
    let deploy = root().join("deploy");
    let base = deploy.join("kustomize/base");
    files.push((deploy.join("crds.yaml"), format!("{HEAD}{}", joined(&definitions))));
    files.push((deploy.join("install.yaml"), format!("{INSTALL}{HEAD}{}", joined(&all))));
    files.push((deploy.join("kustomize/crds/crds.yaml"), format!("{HEAD}{}", joined(&definitions))));
    files.push((base.join("operator.yaml"), format!("{HEAD}{}", joined(&objects))));
    for (component, more) in COMPONENTS {
        let text = helm.text(&["--values", values, "--values", "-"], more).await.expect("the chart renders");
        // What the base has too is changed by a patch of the component, if at all.
        let known: Vec<_> =
            itcare_lab::apply::documents(&joined(&all)).expect("YAML").iter().map(path).collect();
        let new = documents(&text).into_iter().filter(|document| {
            let object = itcare_lab::apply::documents(document).expect("YAML").remove(0);
            !known.contains(&path(&object))
        });
        let new: Vec<_> = new.collect();
        assert!(!new.is_empty(), "the component {component} adds nothing");
        let file = deploy.join("kustomize/components").join(component).join("objects.yaml");
        files.push((file, format!("{HEAD}{}", joined(&new))));
    }
    files
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a switch of this test alone, not of the product")]
async fn what_is_made_of_the_chart_is_current() {
    let update = std::env::var_os(UPDATE).is_some_and(|value| value == "1");
    if update {
        // First the definitions, since everything else is rendered with them.
        for (name, text) in itcare_operator::crd::print::files().expect("definitions are YAML") {
            std::fs::write(chart().join("files/crds").join(name), text).expect("a file can be written");
        }
    }
    for (path, text) in files().await {
        if update {
            std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("it can be made");
            std::fs::write(&path, &text).expect("a file can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = committed.lines().zip(text.lines()).position(|(old, new)| old != new);
        let line = differs.unwrap_or_else(|| committed.lines().count().min(text.lines().count())) + 1;
        let name = path.strip_prefix(root()).expect("it is ours").display();
        assert!(
            committed == text,
            "{name} is not current at line {line}: run UPDATE_CHART=1 cargo test --test chart"
        );
    }
}

#[test]
fn the_chart_has_no_other_definitions() {
    let present = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).expect("the folder is there");
        // Definitions of earlier releases are in a folder below.
        let files = entries.map(|entry| entry.expect("an entry")).filter(|entry| entry.path().is_file());
        let mut names: Vec<_> = files.map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(present(chart().join("files/crds")), present(root().join("crds")));
}
