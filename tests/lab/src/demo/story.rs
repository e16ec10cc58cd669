//! The chapters. Each one says what a user does, does it, and shows the objects until they are as asked.

use anyhow::{Context as _, ensure};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::report::Figures;
use super::samples::{Plan, Sample};
use super::stage::Stage;
use super::watch::{Board, is_settled, named, value};
use super::{Options, build, cluster, say};

/// The object that most chapters are about, and its snapshot; both are samples.
const VM: &str = "web";
const SNAPSHOT: &str = "web-before-upgrade";
const NEW_SIZE: &str = "4cpu8gb";

/// The story so far.
pub struct Story<'a> {
    stage: &'a mut Stage,
    samples: Vec<Sample>,
    plan: Plan,
    board: Board,
    chapter: u32,
}

impl<'a> Story<'a> {
    /// Nothing has happened yet.
    pub fn new(stage: &'a mut Stage, samples: Vec<Sample>) -> Self {
        let plan = Plan::of(&samples);
        Self { stage, samples, plan, board: Board::new(), chapter: 0 }
    }

    /// Builds and starts everything.
    pub async fn prepare(&mut self, options: &Options) -> anyhow::Result<()> {
        say("The ITCare operator turns Kubernetes objects into virtual machines of cegedim.cloud's ITCare.");
        say("This demo runs it for real, against a real Kubernetes API server and a simulated ITCare.");
        self.chapter("Set the stage");
        say("  Building the operator and the simulator (the first time this takes minutes)");
        let programs = build::build().await?;
        match &options.context {
            Some(context) => say(format!("  Going to the cluster of context {context}")),
            None => say("  Starting etcd and kube-apiserver (the first time they are built: minutes)"),
        }
        self.stage.set_up_cluster(options, &programs).await?;
        done(format!("Kubernetes answers, in namespace {}", cluster::NAMESPACE));
        command("itcare-operator crds | kubectl apply --server-side -f -");
        self.stage.start_simulator(&programs).await?;
        for seed in &self.plan.seeds {
            self.stage.itcare()?.seed(seed).await?;
        }
        let itcare = self.stage.itcare()?;
        done(format!(
            "the simulated ITCare answers at {}; every action takes {}",
            itcare.url,
            super::stage::LATENCY
        ));
        done(format!("it holds VMs that somebody made before: {}", self.plan.survivors().join(", ")));
        let line = self.stage.start_operator(&programs).await?;
        command(&line.replace(" --", " \\\n        --"));
        done("the operator is ready");
        Ok(())
    }

    /// All samples but the snapshot.
    pub async fn create(&mut self) -> anyhow::Result<()> {
        self.chapter("Ask for virtual machines");
        let (later, now): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.samples).into_iter().partition(|sample| sample.has("ITCareSnapshot"));
        for sample in &now {
            self.apply(sample).await?;
        }
        let count = now.iter().map(|sample| sample.objects.len()).sum::<usize>();
        self.samples = now.into_iter().chain(later).collect();
        self.watch("all VMs are as their manifests ask", |objects| {
            objects.len() >= count && objects.iter().all(is_settled)
        })
        .await?;
        done("every VM is as its manifest asks: new ones made, existing ones taken over, one only watched");
        Ok(())
    }

    /// Power follows the manifest.
    pub async fn stop_and_start(&mut self) -> anyhow::Result<()> {
        self.chapter("Switch one off, and on again");
        for (wish, reason) in [("Stopped", "Stopped"), ("Running", "Running")] {
            self.patch("itcvm", VM, json!({"spec": {"powerState": wish}})).await?;
            self.watch(&format!("{VM} is {wish}"), |objects| {
                settled(objects, VM) && value(objects, VM, "/status/powerState") == reason
            })
            .await?;
        }
        done("Ready is True in both cases: stopped as asked is as good as running as asked");
        Ok(())
    }

    /// A change that interrupts, because the manifest allows it.
    pub async fn resize(&mut self) -> anyhow::Result<()> {
        self.chapter("Give it more processors and memory");
        self.patch("itcvm", VM, json!({"spec": {"size": NEW_SIZE, "resizePolicy": "StopStart"}})).await?;
        let objects = self
            .watch(&format!("{VM} has {NEW_SIZE} and runs"), |objects| {
                settled(objects, VM) && value(objects, VM, "/status/size") == NEW_SIZE
            })
            .await?;
        ensure!(value(&objects, VM, "/status/powerState") == "Running", "{VM} was not started again");
        done("resizePolicy: StopStart let the operator stop it, resize it, and start it again");
        Ok(())
    }

    /// A snapshot is an object too.
    pub async fn snapshot(&mut self) -> anyhow::Result<()> {
        self.chapter("Take a snapshot before the upgrade");
        let samples = std::mem::take(&mut self.samples);
        for sample in samples.iter().filter(|sample| sample.has("ITCareSnapshot")) {
            self.apply(sample).await?;
        }
        self.samples = samples;
        self.watch("the snapshot can be recovered", |objects| {
            let snapshot = named(objects, SNAPSHOT);
            snapshot.is_some_and(|snapshot| itcare_lab::kstatus::kubectl_wait(snapshot, "Available", "True"))
        })
        .await?;
        done(format!("what you would wait for: kubectl wait itcsnap/{SNAPSHOT} --for=condition=Available"));
        Ok(())
    }

    /// A request that is carried out once.
    pub async fn recover(&mut self) -> anyhow::Result<()> {
        self.chapter("The upgrade went wrong: go back to the snapshot");
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        self.patch("itcsnap", SNAPSHOT, json!({"spec": {"recover": {"requestedAt": now}}})).await?;
        let receipt = "/status/handledRequests/recover/result";
        let objects = self
            .watch("the recovery is carried out", |objects| {
                settled(objects, SNAPSHOT)
                    && settled(objects, VM)
                    && value(objects, SNAPSHOT, receipt).is_string()
            })
            .await?;
        let result = value(&objects, SNAPSHOT, receipt);
        ensure!(result == "Succeeded", "the receipt of the recovery says {result}");
        done(
            "a receipt in the status says so; the same requestedAt never runs again, whatever is applied anew",
        );
        Ok(())
    }

    /// The cloud moves, and is put right.
    pub async fn somebody_stops_it(&mut self) -> anyhow::Result<()> {
        self.chapter("Somebody stops the VM behind our back");
        let objects = self.stage.cluster()?.objects().await?;
        let id = value(&objects, VM, "/status/id").as_i64().with_context(|| format!("{VM} has no id"))?;
        let itcare = self.stage.itcare()?;
        let changes = async || {
            let instance = itcare.get(&format!("instances/{id}")).await?;
            instance["power_changes"].as_u64().context("the simulator counts no power changes")
        };
        let before = changes().await?;
        command(&format!(
            "curl {}/actions -d '{}'",
            itcare.control_url,
            json!({"instance": id, "process": "vm_stop", "by": "somebody"})
        ));
        itcare.act(id, "vm_stop", "somebody").await?;
        self.watch("the operator sees it", |objects| !settled(objects, VM)).await?;
        self.go_on(&format!("{VM} runs again"), |objects| {
            settled(objects, VM) && value(objects, VM, "/status/powerState") == "Running"
        })
        .await?;
        let after = self.stage.itcare()?.get(&format!("instances/{id}")).await?;
        let turns = after["power_changes"].as_u64().unwrap_or_default().saturating_sub(before);
        ensure!(turns == 2, "ITCare counts {turns} changes of power, expected one stop and one start");
        done("no object had changed: the operator saw it in ITCare's list and started the VM again");
        Ok(())
    }

    /// Everything goes, but what was not ours.
    pub async fn delete(&mut self) -> anyhow::Result<()> {
        self.chapter("Delete everything");
        let retained = std::mem::take(&mut self.plan.retained);
        for name in &retained {
            say("  This one asks to be kept when its object goes; a demo should leave nothing:");
            self.patch("itcvm", name, json!({"spec": {"deletionPolicy": "Delete"}})).await?;
        }
        command("kubectl delete -f deploy/samples");
        for sample in &self.samples {
            for object in &sample.objects {
                let kind = object["kind"].as_str().unwrap_or_default();
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let api = self.stage.cluster()?.api(kind);
                api.delete(name, &DeleteParams::default())
                    .await
                    .with_context(|| format!("cannot delete {name}"))?;
            }
        }
        self.watch("all objects are gone", <[Value]>::is_empty).await?;
        let kept = self.plan.survivors().join(", ");
        done(format!("the VMs that the operator made are gone; {kept} stay, because it did not make them"));
        Ok(())
    }

    /// What it all came to, by the simulator's journal and inventory.
    pub async fn figures(&self) -> anyhow::Result<Figures> {
        let itcare = self.stage.itcare()?;
        Figures::of(itcare.get("report").await?, itcare.get("journal").await?, &self.plan)
    }

    fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        say(format!("\n== {}. {title}\n", self.chapter));
    }

    async fn apply(&self, sample: &Sample) -> anyhow::Result<()> {
        command(&format!("kubectl apply -f {}", sample.path));
        say(format!("      {}", sample.about));
        for object in &sample.objects {
            self.stage.cluster()?.apply(object).await.with_context(|| sample.path.clone())?;
        }
        Ok(())
    }

    async fn patch(&self, resource: &str, name: &str, patch: Value) -> anyhow::Result<()> {
        command(&format!("kubectl patch {resource} {name} --type merge -p '{patch}'"));
        let kind = if resource == "itcsnap" { "ITCareSnapshot" } else { "ITCareInstance" };
        let api = self.stage.cluster()?.api(kind);
        let answer = api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        answer.map(drop).with_context(|| format!("the API server refuses the change of {name}"))
    }

    /// Shows what changes, under a new header.
    async fn watch(&mut self, what: &str, holds: impl Fn(&[Value]) -> bool) -> anyhow::Result<Vec<Value>> {
        self.board.begin();
        self.go_on(what, holds).await
    }

    async fn go_on(&mut self, what: &str, holds: impl Fn(&[Value]) -> bool) -> anyhow::Result<Vec<Value>> {
        self.board.until(self.stage, what, holds).await
    }
}

fn settled(objects: &[Value], name: &str) -> bool {
    named(objects, name).is_some_and(is_settled)
}

fn command(line: &str) {
    say(format!("  $ {line}"));
}

fn done(what: impl std::fmt::Display) {
    say(format!("  ✓ {what}"));
}
