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
    ("bindAddress: 0.0.0.256", &["bindAddress"]),
    ("watchNamespaces: [a.b]", &["watchNamespaces/0"]),
    ("namespaceOverride: a.b", &["namespaceOverride"]),
    ("leaderElection: {leaseNamespace: a.b}", &["leaderElection/leaseNamespace"]),
    ("credentials: {existingSecret: a..b}", &["credentials/existingSecret"]),
    ("nameOverride: a.b", &["nameOverride"]),
    ("fullnameOverride: 1st", &["fullnameOverride"]),
    (
        "fullnameOverride: a-name-that-is-longer-than-the-name-of-a-service-can-be",
        &["fullnameOverride", "50"],
    ),
    ("global: {imageRegistry: 'https://registry.example'}", &["global/imageRegistry"]),
    ("livenessProbe: {successThreshold: 2}", &["livenessProbe/successThreshold"]),
    ("startupProbe: {successThreshold: 2}", &["startupProbe/successThreshold"]),
    (
        "readinessProbe: {terminationGracePeriodSeconds: 5}",
        &["readinessProbe", "terminationGracePeriodSeconds"],
    ),
    ("health: {port: 80}", &["health/port"]),
    ("metrics: {port: 70000}", &["metrics/port"]),
    ("metrics: {serviceMonitor: {interval: often}}", &["metrics/serviceMonitor/interval"]),
    ("metrics: {prometheusRule: {runbookUrl: wiki}}", &["metrics/prometheusRule/runbookUrl"]),
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
    ("extraContainers: [{name: x}]", &["extraContainers/0", "image"]),
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
    (
        "{leaderElection: {enabled: false}, updateStrategy: {rollingUpdate: {maxSurge: 1}}}",
        &["updateStrategy.type", "RollingUpdate", "leave updateStrategy empty"],
    ),
    (
        "updateStrategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}",
        &["updateStrategy.rollingUpdate", "Recreate", "leave one of them out"],
    ),
    (
        "credentials: {clientIdKey: account, clientSecretKey: account}",
        &["credentials.clientSecretKey", "account", "credentials.clientIdKey"],
    ),
    (
        "{watchNamespaces: [shop], allowServices: {shop: [13], billing: [14]}}",
        &["allowServices.billing", "watchNamespaces", "add it there"],
    ),
    ("{clusterId: here, previousClusterIds: [there, here]}", &["previousClusterIds", "here", "leave it out"]),
    ("proxy: {http: 'http://proxy.example:3128'}", &["proxy.http", "https://", "set proxy.https"]),
    (
        "{networkPolicy: {enabled: true}, proxy: {https: 'http://me:secret@proxy.example:3128'}}",
        &["networkPolicy.itcare.ports", "443", "3128, the port of proxy.https", "extraEgress"],
    ),
    (
        "{networkPolicy: {enabled: true}, itcare: {tokenUrl: 'https://accounts.example:8443/token'}}",
        &["networkPolicy.itcare.ports", "8443, the port of itcare.tokenUrl"],
    ),
    (
        "{networkPolicy: {enabled: true, itcare: {ports: [8443]}}, itcare: {tokenUrl: 'https://[2001:db8::1]:8443'}}",
        &["networkPolicy.itcare.ports", "8443", "443, the port of itcare.url"],
    ),
    ("bindAddress: 127.0.0.1", &["bindAddress", "127.0.0.1", "0.0.0.0"]),
    ("bindAddress: '[::1]'", &["bindAddress", "[::1]", "[::]"]),
    ("dnsPolicy: None", &["dnsPolicy", "dnsConfig.nameservers"]),
    ("extraVolumes: [{name: credentials, emptyDir: {}}]", &["extraVolumes", "credentials", "another name"]),
    (
        "extraVolumeMounts: [{name: scratch, mountPath: /tmp}]",
        &["extraVolumeMounts", "scratch", "add it to extraVolumes"],
    ),
    (
        "{extraVolumes: [{name: scratch, emptyDir: {}}], extraVolumeMounts: [{name: scratch, mountPath: /var/run/secrets/itcare/}]}",
        &["extraVolumeMounts", "/var/run/secrets/itcare/", "another mountPath"],
    ),
    (
        "metrics: {podMonitor: {enabled: true, interval: 30s, scrapeTimeout: 1m30s}}",
        &["metrics.podMonitor.scrapeTimeout", "1m30s", "metrics.podMonitor.interval (30s)"],
    ),
    ("extraContainers: [{name: operator, image: x}]", &["extraContainers", "operator", "another name"]),
    (
        "{extraContainers: [{name: one, image: x}], extraInitContainers: [{name: one, image: x}]}",
        &["extraInitContainers", "one", "another name"],
    ),
    ("extraEnv: [{name: ITCARE_URL, value: x}]", &["extraEnv", "ITCARE_URL", "itcare"]),
    ("extraEnv: [{name: https_proxy, value: x}]", &["extraEnv", "https_proxy", "proxy"]),
    (
        "{openshift: {enabled: true}, securityContext: {runAsUser: 1000}}",
        &["securityContext.runAsUser", "openshift.enabled", "leave one of them out"],
    ),
    ("extraEnv: [{name: ONE, value: x}, {name: ONE, value: y}]", &["extraEnv", "ONE", "twice"]),
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
        "credentials: {existingSecret: null, clientId: robot, clientSecret: x}",
        "credentials: {clientIdKey: account, clientSecretKey: account, clientId: robot}",
        "updateStrategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}",
        "{networkPolicy: {enabled: true, itcare: {ports: [3128]}}, proxy: {https: 'http://proxy.example:3128'}}",
        "{networkPolicy: {enabled: true, itcare: {ports: [80]}}, proxy: {https: 'http://proxy.example'}}",
        "{networkPolicy: {enabled: true, extraEgress: [{ports: [{port: 3128}]}]}, proxy: {https: 'http://proxy.example:3128'}}",
        "{networkPolicy: {enabled: true}, proxy: {https: 'http://proxy.example:3128', noProxy: [.cegedim.cloud]}}",
        "proxy: {http: 'http://proxy.example:3128', https: 'http://proxy.example:3128'}",
        "bindAddress: '[::f1]'",
        "extraArgs: ['--itcare-ca-file=/roots/ca.crt']",
        "metrics: {podMonitor: {enabled: true, interval: 2m, scrapeTimeout: 1m30s}}",
    ] {
        helm.values(values).await.unwrap_or_else(|message| panic!("{values}: {message}"));
    }
}
