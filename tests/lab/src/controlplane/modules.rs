//! The pinned Go modules that programs are built from, and the programs of each.
//!
//! A module is a `go.mod` with `tool` lines and its `go.sum`, without Go code. Not here: the build.

/// A program that the tests or the demo run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The store.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// Namespace deletion and garbage collection, on request.
    KubeControllerManager,
    /// The users' command.
    Kubectl,
    /// The chart's command, as most have it.
    Helm4,
    /// The same of the generation before.
    Helm3,
}

impl Tool {
    /// The file name of the program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Helm4 | Self::Helm3 => "helm",
        }
    }

    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::Helm4 => "helm.sh/helm/v4/cmd/helm",
            Self::Helm3 => "helm.sh/helm/v3/cmd/helm",
        }
    }

    pub(super) fn module(self) -> &'static Module {
        match self {
            Self::Etcd | Self::KubeApiserver | Self::KubeControllerManager | Self::Kubectl => &CONTROL_PLANE,
            Self::Helm4 => &HELM_4,
            Self::Helm3 => &HELM_3,
        }
    }
}

/// A pinned module.
pub(super) struct Module {
    /// What people call it.
    pub(super) name: &'static str,
    /// Below the cache; it holds the versions, so that an update never finds an old program.
    pub(super) folder: &'static str,
    /// The version that progress lines show.
    pub(super) version: &'static str,
    /// Further `-X` flags: what the program says of itself.
    pub(super) linker_flags: fn() -> String,
    /// How to do without Go, or nothing.
    pub(super) otherwise: &'static str,
    pub(super) go_mod: &'static str,
    pub(super) go_sum: &'static str,
}

const KUBERNETES_VERSION: &str = "v1.36.3";
const HELM_4_VERSION: &str = "v4.2.4";
const HELM_3_VERSION: &str = "v3.21.4";

static CONTROL_PLANE: Module = Module {
    name: "the control plane",
    folder: "controlplane/v1.36.3-etcd-v3.6.8",
    version: KUBERNETES_VERSION,
    linker_flags: || {
        let (major, minor) = kubernetes_numbers();
        let package = "k8s.io/component-base/version";
        format!(
            "-X {package}.gitVersion={KUBERNETES_VERSION} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        )
    },
    otherwise: "set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver, or put both on PATH, or ",
    go_mod: include_str!("../../controlplane/go.mod"),
    go_sum: include_str!("../../controlplane/go.sum"),
};

static HELM_4: Module = Module {
    name: "Helm 4",
    folder: "helm/v4.2.4",
    version: HELM_4_VERSION,
    linker_flags: || format!("-X helm.sh/helm/v4/internal/version.version={HELM_4_VERSION}"),
    otherwise: "",
    go_mod: include_str!("../../tools/helm4/go.mod"),
    go_sum: include_str!("../../tools/helm4/go.sum"),
};

static HELM_3: Module = Module {
    name: "Helm 3",
    folder: "helm/v3.21.4",
    version: HELM_3_VERSION,
    // Unlike Helm 4 it does not ask its client library which cluster to assume for `helm template`.
    linker_flags: || {
        let (major, minor) = kubernetes_numbers();
        let helm = "helm.sh/helm/v3";
        format!(
            "-X {helm}/internal/version.version={HELM_3_VERSION} -X {helm}/pkg/chartutil.k8sVersionMajor={major} -X {helm}/pkg/chartutil.k8sVersionMinor={minor}"
        )
    },
    otherwise: "",
    go_mod: include_str!("../../tools/helm3/go.mod"),
    go_sum: include_str!("../../tools/helm3/go.sum"),
};

fn kubernetes_numbers() -> (&'static str, &'static str) {
    let mut numbers = KUBERNETES_VERSION.trim_start_matches('v').split('.');
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_modules_have_the_programs_and_the_versions_of_the_cache_folders() {
        for (tool, module, version) in [
            (Tool::Etcd, "go.etcd.io/etcd/server/v3", "v3.6.8"),
            (Tool::KubeApiserver, "k8s.io/kubernetes", KUBERNETES_VERSION),
            (Tool::KubeControllerManager, "k8s.io/kubernetes", KUBERNETES_VERSION),
            (Tool::Kubectl, "k8s.io/kubernetes", KUBERNETES_VERSION),
            (Tool::Helm4, "helm.sh/helm/v4", HELM_4_VERSION),
            (Tool::Helm3, "helm.sh/helm/v3", HELM_3_VERSION),
        ] {
            let Module { folder, go_mod, .. } = tool.module();
            assert!(folder.contains(version), "{tool:?}: {folder}");
            let line = |text: String| go_mod.lines().any(|line| line.contains(&text));
            assert!(line(format!("{module} {version}")), "{tool:?}: {module} {version}");
            assert!(
                go_mod.contains(&format!("\t{}\n", tool.package()))
                    || line(format!("tool {}", tool.package())),
                "{tool:?}"
            );
        }
    }
}
