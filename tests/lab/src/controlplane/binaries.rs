//! Where etcd, kube-apiserver and their companions come from.
//!
//! `KUBEBUILDER_ASSETS`, else `PATH`, else a build from a pinned Go module into a per-version cache
//! folder, once. Nothing is downloaded but Go modules, which Go checks against the committed sums.
//! Not here: which modules there are (see [`super::modules`]), and how the programs are run.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::modules::{Module, Tool};

/// Often enough to show life, seldom enough for a build log.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// Receives one line now and then while something takes long.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(&str) + Send + Sync>);

impl Progress {
    /// Sends the lines to `report`.
    pub fn new(report: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }

    pub(super) fn say(&self, line: &str) {
        (self.0)(line);
    }
}

/// To stderr: also seen under `cargo test`, which captures only what tests print themselves.
impl Default for Progress {
    fn default() -> Self {
        Self::new(|line| {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{line}");
        })
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Progress")
    }
}

/// Why a program could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither the programs nor the means to build them.
    #[error(
        "{program} was not found, and there is no Go to build it: {otherwise}install Go 1.26 or newer (https://go.dev/dl)"
    )]
    NoGo {
        /// The missing program.
        program: &'static str,
        /// What else helps.
        otherwise: &'static str,
    },
    /// No folder for what is built.
    #[error("neither XDG_CACHE_HOME nor HOME is set, so there is no place to build {program} in")]
    NoCache {
        /// The missing program.
        program: &'static str,
    },
    /// Go failed.
    #[error("go build of {program} failed ({status}); the end of its output:\n{output}")]
    Build {
        /// The program.
        program: &'static str,
        /// Go's exit status.
        status: std::process::ExitStatus,
        /// Its last lines.
        output: String,
    },
    /// A file could not be read or written.
    #[error("cannot use {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The places to look at, as values: the environment is read in one function only.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    pub(super) assets: Option<PathBuf>,
    pub(super) path: Option<OsString>,
    pub(super) cache: Option<PathBuf>,
}

impl Places {
    pub(super) fn from_environment() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let cache = variable("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache")));
        Self {
            assets: variable("KUBEBUILDER_ASSETS").map(PathBuf::from),
            path: variable("PATH"),
            cache: cache.map(|cache| cache.join("itcare-operator")),
        }
    }

    /// etcd and kube-apiserver, both from one place: a mixed pair is nobody's tested pair.
    pub(super) fn servers(&self, progress: &Progress) -> Result<(PathBuf, PathBuf), Error> {
        let pair =
            |find: &dyn Fn(Tool) -> Option<PathBuf>| Some((find(Tool::Etcd)?, find(Tool::KubeApiserver)?));
        if let Some(pair) = pair(&|tool| self.in_assets(tool)) {
            return Ok(pair);
        }
        if let Some(assets) = &self.assets {
            progress.say(&format!(
                "KUBEBUILDER_ASSETS={}: no etcd and kube-apiserver in it, looking elsewhere",
                assets.display()
            ));
        }
        if let Some(pair) = pair(&|tool| self.on_path(tool.name())) {
            return Ok(pair);
        }
        Ok((self.pinned(Tool::Etcd, progress)?, self.pinned(Tool::KubeApiserver, progress)?))
    }

    /// A program that is looked up on its own.
    pub(super) fn single(&self, tool: Tool, progress: &Progress) -> Result<PathBuf, Error> {
        match self.in_assets(tool).or_else(|| self.on_path(tool.name())) {
            Some(path) => Ok(path),
            None => self.pinned(tool, progress),
        }
    }

    fn in_assets(&self, tool: Tool) -> Option<PathBuf> {
        self.assets.as_ref().map(|folder| folder.join(tool.name())).filter(|path| is_program(path))
    }

    pub(super) fn on_path(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(self.path.as_ref()?)
            .map(|folder| folder.join(name))
            .find(|path| is_program(path))
    }

    /// The pinned program from the cache, whatever else is installed; built first when it is not there.
    /// One process builds, the others wait.
    pub(super) fn pinned(&self, tool: Tool, progress: &Progress) -> Result<PathBuf, Error> {
        let root = self.cache.as_ref().ok_or(Error::NoCache { program: tool.name() })?;
        let module = tool.module();
        let cache = &root.join(module.folder);
        let target = cache.join(tool.name());
        if is_program(&target) {
            return Ok(target);
        }
        let go =
            self.on_path("go").ok_or(Error::NoGo { program: tool.name(), otherwise: module.otherwise })?;
        std::fs::create_dir_all(cache).map_err(file(cache))?;
        let lock_path = cache.join(".lock");
        let lock = File::create(&lock_path).map_err(file(&lock_path))?;
        let waiting = Instant::now();
        let mut report = Report::new();
        while let Err(error) = lock.try_lock() {
            if let std::fs::TryLockError::Error(source) = error {
                return Err(file(&lock_path)(source));
            }
            report.every(|| {
                progress.say(&format!(
                    "another process builds {}, waiting since {} s",
                    module.name,
                    waiting.elapsed().as_secs()
                ));
            });
            std::thread::sleep(Duration::from_millis(200));
        }
        if !is_program(&target) {
            self.build(&go, cache, module, tool, progress)?;
        }
        Ok(target)
    }

    fn build(
        &self,
        go: &Path,
        cache: &Path,
        module: &Module,
        tool: Tool,
        progress: &Progress,
    ) -> Result<(), Error> {
        let workspace = tempfile::Builder::new().prefix(".build-").tempdir_in(cache).map_err(file(cache))?;
        let inside = |name: &str| workspace.path().join(name);
        for (name, text) in [("go.mod", module.go_mod), ("go.sum", module.go_sum)] {
            std::fs::write(inside(name), text).map_err(file(&inside(name)))?;
        }
        let log_path = inside("build.log");
        let log = File::create(&log_path).map_err(file(&log_path))?;
        let output = inside(tool.name());
        let started = Instant::now();
        progress.say(&format!("building {} {} (once; minutes)", tool.name(), module.version));
        let mut child = Command::new(go)
            .args(["build", "-ldflags", &format!("-s -w {}", (module.linker_flags)()), "-o"])
            .arg(&output)
            .arg(tool.package())
            .current_dir(workspace.path())
            .env("CGO_ENABLED", "0")
            // A workspace or vendor setting of the caller must not reach into this module.
            .env("GOWORK", "off")
            .env_remove("GOFLAGS")
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(file(&log_path))?)
            .stderr(log)
            .spawn()
            .map_err(file(go))?;
        let mut report = Report::new();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(file(go))? {
                break status;
            }
            report.every(|| {
                let elapsed = started.elapsed().as_secs();
                progress.say(&format!("building {} for {elapsed} s (once, then kept)", tool.name()));
            });
            std::thread::sleep(Duration::from_millis(100));
        };
        if !status.success() {
            let text = std::fs::read_to_string(&log_path).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            let output = lines[lines.len().saturating_sub(20)..].join("\n");
            return Err(Error::Build { program: tool.name(), status, output });
        }
        // Only a finished program ever has the name that others look for.
        std::fs::rename(&output, cache.join(tool.name())).map_err(file(&output))?;
        progress.say(&format!("built {} in {} s", tool.name(), started.elapsed().as_secs()));
        Ok(())
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_path_buf();
    move |source| Error::File { path, source }
}

struct Report {
    last: Instant,
}

impl Report {
    fn new() -> Self {
        Self { last: Instant::now() }
    }

    fn every(&mut self, say: impl FnOnce()) {
        if self.last.elapsed() >= REPORT_EVERY {
            self.last = Instant::now();
            say();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Mutex;

    use super::*;

    fn program(folder: &Path, name: &str, script: &str) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Writes its arguments into the file named by `-o`, and counts its calls beside itself.
    const FAKE_GO: &str = "#!/bin/sh\necho call >> \"$(dirname \"$0\")/calls\"\nall=\"$*\"\nwhile [ \"$1\" != -o ]; do shift; done\nsleep 0.3\nprintf '%s' \"$all\" > \"$2\"\nchmod +x \"$2\"\n";

    fn places(folder: &Path, go: Option<&str>) -> Places {
        if let Some(script) = go {
            program(&folder.join("path"), "go", script);
        }
        Places { assets: None, path: Some(folder.join("path").into()), cache: Some(folder.join("cache")) }
    }

    #[test]
    fn both_servers_come_from_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut places = places(folder.path(), None);
        program(&folder.path().join("assets"), "etcd", "");
        places.assets = Some(folder.path().join("assets"));
        for name in ["etcd", "kube-apiserver"] {
            program(&folder.path().join("path"), name, "");
        }
        let (etcd, _) = places.servers(&Progress::new(|_| ())).unwrap();
        assert_eq!(etcd, folder.path().join("path/etcd"));
        program(&folder.path().join("assets"), "kube-apiserver", "");
        let (etcd, _) = places.servers(&Progress::new(|_| ())).unwrap();
        assert_eq!(etcd, folder.path().join("assets/etcd"));
    }

    #[test]
    fn nothing_to_build_with_says_what_to_install() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path(), None);
        let error = places.servers(&Progress::new(|_| ())).unwrap_err().to_string();
        assert!(error.contains("KUBEBUILDER_ASSETS") && error.contains("install Go"), "{error}");
    }

    #[test]
    fn two_at_once_build_once() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path(), Some(FAKE_GO));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let told = lines.clone();
        let progress = Progress::new(move |line| told.lock().unwrap().push(line.to_owned()));
        let paths: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| places.single(Tool::Kubectl, &progress).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(
            paths.iter().all(|path| *path
                == folder.path().join("cache").join(Tool::Kubectl.module().folder).join("kubectl"))
        );
        let calls = std::fs::read_to_string(folder.path().join("path/calls")).unwrap();
        assert_eq!(calls.lines().count(), 1);
        let arguments = std::fs::read_to_string(&paths[0]).unwrap();
        assert!(arguments.contains("gitVersion=v1.36.3") && arguments.contains("gitMinor=36"), "{arguments}");
        assert!(arguments.ends_with("k8s.io/kubernetes/cmd/kubectl"), "{arguments}");
        assert!(lines.lock().unwrap()[0].contains("once"));
    }

    #[test]
    fn a_failed_build_leaves_nothing_and_shows_its_output() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path(), Some("#!/bin/sh\necho no such module\nexit 1\n"));
        let error = places.single(Tool::Etcd, &Progress::new(|_| ())).unwrap_err().to_string();
        assert!(error.contains("no such module"), "{error}");
        let left: Vec<_> = std::fs::read_dir(folder.path().join("cache").join(Tool::Etcd.module().folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, [".lock"]);
    }
}
