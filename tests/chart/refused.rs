//! Bad values: refused before anything is applied, with the value's path and the cure.

use crate::helm::{BOTH, Helm};

/// What one value alone may not be. The words are those of the path, and what the schema says of it.
const MALFORMED: &[(&str, &[&str])] = &[
    ("replica: 2", &["replica"]),
    ("image: {name: x}", &["image", "name"]),
    ("image: {pullPolicy: Sometimes}", &["image/pullPolicy", "Always"]),
    ("image: {repository: 'Upper Case'}", &["image/repository"]),
    ("image: {registry: 'https://registry.example'}", &["image/registry"]),
    ("image: {pullSecrets: [{name: x}]}", &["image/pullSecrets/0"]),
    ("credentials: {existingSecret: 'Not A Name'}", &["credentials/existingSecret"]),
    ("credentials: {clientSecretKey: ''}", &["credentials/clientSecretKey"]),
    ("itcare: {url: itcare.example}", &["itcare/url"]),
    ("itcare: {url: 'https://me@itcare.example'}", &["itcare/url"]),
    ("itcare: {timeout: 30}", &["itcare/timeout", "string"]),
    ("itcare: {timeout: 30 s}", &["itcare/timeout"]),
    ("itcare: {timeout: 1m30s}", &["itcare/timeout"]),
    ("itcare: {rate: 0}", &["itcare/rate"]),
    ("itcare: {burst: 0}", &["itcare/burst"]),
    ("itcare: {burst: 1.5}", &["itcare/burst"]),
    ("itcare: {ca: {file: x}}", &["itcare/ca", "file"]),
    ("proxy: {https: proxy.example}", &["proxy/https"]),
    ("proxy: {noProxy: 'a,b'}", &["proxy/noProxy"]),
    ("watchNamespaces: shop", &["watchNamespaces"]),
    ("watchNamespaces: [shop, shop]", &["watchNamespaces"]),
    ("watchNamespaces: [Shop]", &["watchNamespaces/0"]),
    ("allowServices: {shop: 13}", &["allowServices/shop"]),
    ("allowServices: {shop: []}", &["allowServices/shop"]),
    ("allowServices: {shop: [0]}", &["allowServices/shop/0"]),
    ("allowServices: {'a=b': [1]}", &["allowServices"]),
    ("settleTime: soon", &["settleTime"]),
    ("settleTime: 0s", &["settleTime"]),
    ("pageSize: 0", &["pageSize"]),
    ("replicas: -1", &["replicas"]),
    ("replicas: two", &["replicas"]),
    ("leaderElection: {leaseDuration: 500ms}", &["leaderElection/leaseDuration"]),
    ("leaderElection: {enabled: 'true'}", &["leaderElection/enabled", "boolean"]),
    ("logFormat: xml", &["logFormat"]),
    ("bindAddress: '::'", &["bindAddress"]),
    ("health: {port: 80}", &["health/port"]),
    ("metrics: {port: 70000}", &["metrics/port"]),
    ("metrics: {serviceMonitor: {interval: often}}", &["metrics/serviceMonitor/interval"]),
    ("networkPolicy: {itcare: {cidrs: [itcare.example]}}", &["networkPolicy/itcare/cidrs/0"]),
    ("networkPolicy: {apiServer: {ports: []}}", &["networkPolicy/apiServer/ports"]),
    ("livenessProbe: {path: /}", &["livenessProbe", "path"]),
    ("resources: {limit: {memory: 1Gi}}", &["resources", "limit"]),
    ("terminationGracePeriodSeconds: 0", &["terminationGracePeriodSeconds"]),
    ("updateStrategy: {type: Rolling}", &["updateStrategy/type"]),
    ("commonLabels: {team: 'a b'}", &["commonLabels/team"]),
    ("podAnnotations: {answer: 42}", &["podAnnotations/answer", "string"]),
    ("extraArgs: [run]", &["extraArgs/0"]),
    ("extraEnv: [{value: x}]", &["extraEnv/0", "name"]),
    ("crds: {enabled: false}", &["crds", "enabled"]),
];

/// What contradicts another value.
const CONTRADICTORY: &[(&str, &[&str])] = &[
    ("image: {digest: 'sha256:abc'}", &["image.digest", "sha256:abc", "64 hex digits"]),
    ("image: {digest: latest}", &["image.digest", "latest", "64 hex digits"]),
    (
        "credentials: {existingSecret: ''}",
        &["credentials.clientId", "credentials.existingSecret", "give both clientId and clientSecret"],
    ),
    ("credentials: {existingSecret: '', clientId: robot}", &["credentials.clientSecret: empty"]),
    ("credentials: {existingSecret: '', clientSecret: x}", &["credentials.clientId: empty"]),
    (
        "credentials: {clientId: robot, clientSecret: x}",
        &["credentials.clientSecret", "itcare-credentials", "set credentials.existingSecret to \"\""],
    ),
    (
        "itcare: {ca: {configMap: one, secret: two}}",
        &["itcare.ca.secret", "two", "itcare.ca.configMap", "one"],
    ),
    ("itcare: {url: 'http://itcare.example'}", &["itcare.url", "http://itcare.example", "itcare.allowHttp"]),
    ("itcare: {tokenUrl: 'http://localhost.example'}", &["itcare.tokenUrl", "itcare.allowHttp"]),
    ("settleTime: 44s", &["settleTime", "44s", "at least 45s"]),
    ("itcare: {timeout: 2m}", &["settleTime", "2m", "at least 135s"]),
    ("{leaderElection: {enabled: false}, settleTime: 29999ms}", &["settleTime", "29999ms", "at least 30s"]),
    (
        "terminationGracePeriodSeconds: 30",
        &["terminationGracePeriodSeconds: 30", "itcare.timeout (30s)", "longer"],
    ),
    (
        "{replicas: 2, leaderElection: {enabled: false}}",
        &["replicas: 2", "leaderElection.enabled", "replicas to 1"],
    ),
    (
        "{leaderElection: {enabled: false}, updateStrategy: {type: RollingUpdate}}",
        &["updateStrategy.type", "RollingUpdate", "leave updateStrategy empty"],
    ),
    ("serviceAccount: {create: false}", &["serviceAccount.name", "name the service account"]),
    (
        "metrics: {serviceMonitor: {enabled: true}, podMonitor: {enabled: true}}",
        &["metrics.podMonitor.enabled", "metrics.serviceMonitor.enabled", "only one"],
    ),
    (
        "metrics: {serviceMonitor: {enabled: true}, service: {enabled: false}}",
        &["metrics.serviceMonitor.enabled", "metrics.service.enabled", "metrics.podMonitor"],
    ),
    ("metrics: {port: 8081}", &["metrics.port", "8081", "health.port"]),
    ("extraArgs: ['--log-level=debug']", &["extraArgs", "--log-level", "use the value"]),
    ("extraArgs: ['--leader-elect']", &["extraArgs", "--leader-elect"]),
    ("extraEnv: [{name: ITCARE_CLIENT_ID, value: x}]", &["extraEnv", "ITCARE_CLIENT_ID", "credentials"]),
    (
        "extraEnv: [{name: ITCARE_CLIENT_SECRET, value: x}]",
        &["extraEnv", "ITCARE_CLIENT_SECRET", "credentials"],
    ),
];

async fn all_refused(cases: &[(&str, &[&str])]) {
    for generation in BOTH {
        let helm = Helm::get(generation).await;
        for (values, words) in cases {
            match helm.values(values).await {
                Ok(_) => panic!("{generation:?} accepts {values}"),
                Err(message) => {
                    for word in *words {
                        assert!(
                            message.contains(word),
                            "{generation:?}, {values}: {word} is not in {message}"
                        );
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_value_that_is_none_is_refused_by_the_schema_with_its_path() {
    all_refused(MALFORMED).await;
}

#[tokio::test]
async fn values_that_contradict_each_other_are_refused_with_path_and_cure() {
    all_refused(CONTRADICTORY).await;
}

#[tokio::test]
async fn the_limits_of_the_refusals_are_accepted() {
    let helm = Helm::get(BOTH[0]).await;
    for values in [
        "settleTime: 45s",
        "terminationGracePeriodSeconds: 31",
        "{replicas: 1, leaderElection: {enabled: false}}",
        "{replicas: 0, leaderElection: {enabled: false}}",
        "itcare: {url: 'http://127.0.0.1:8080/itcare', tokenUrl: 'http://localhost/token'}",
        "credentials: {existingSecret: account, clientId: robot}",
        "serviceAccount: {create: false, name: robot}",
        "extraEnv: [{name: RUST_BACKTRACE, value: '1'}]",
        "terminationGracePeriodSeconds: null",
    ] {
        helm.values(values).await.unwrap_or_else(|message| panic!("{values}: {message}"));
    }
}
