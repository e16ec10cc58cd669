{{/*
Values that contradict each other. Each refusal names the value's path, the value and the cure. What one value alone
may be is in values.schema.json.
*/}}

{{/* A duration such as 30s, or 1m30s where Prometheus reads it, as milliseconds. */}}
{{- define "itcare-operator.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 "w" 604800000 "y" 31536000000 }}
{{- $sum := 0 }}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 }}
{{- $sum = add $sum (mul (regexFind "^[0-9]+" . | int64) (get $units (regexFind "[a-z]+$" .) | int64)) }}
{{- end }}
{{- $sum }}
{{- end }}

{{/* The port of an address. */}}
{{- define "itcare-operator.port" -}}
{{- $port := regexReplaceAll "^https?://([^/@]*@)?(\\[[^]]*\\]|[^:/?#]*)(:([0-9]+))?.*$" . "${4}" }}
{{- default (ternary "443" "80" (hasPrefix "https://" .)) $port }}
{{- end }}

{{- define "itcare-operator.check" -}}
{{- $fullname := include "itcare-operator.fullname" . }}
{{- if and .Values.metrics.service.enabled (not (regexMatch "^[a-z]" $fullname)) }}
{{- fail (printf "fullnameOverride: empty, and %q, made of the name of the release, does not begin with a letter, as the name of a Service must; set fullnameOverride, or metrics.service.enabled to false" $fullname) }}
{{- end }}
{{- with .Values.image.digest }}
{{- if not (regexMatch "^sha256:[0-9a-f]{64}$" .) }}
{{- fail (printf "image.digest: %q is not a digest; write sha256: and 64 hex digits, as the registry shows it" .) }}
{{- end }}
{{- end }}
{{- with .Values.credentials }}
{{- if and .existingSecret .clientSecret }}
{{- fail (printf "credentials.clientSecret: given, and so is credentials.existingSecret (%s); set credentials.existingSecret to \"\", or leave the secret to that Secret" .existingSecret) }}
{{- end }}
{{- if and (not .existingSecret) (not (and .clientId .clientSecret)) }}
{{- fail (printf "credentials.%s: empty, and so is credentials.existingSecret; name a Secret there, or give both clientId and clientSecret" (ternary "clientSecret" "clientId" (not (empty .clientId)))) }}
{{- end }}
{{- end }}
{{- with .Values.credentials }}
{{- if and (eq .clientIdKey .clientSecretKey) (not (and .existingSecret .clientId)) }}
{{- fail (printf "credentials.clientSecretKey: %q is credentials.clientIdKey too; id and secret are under two keys of one Secret" .clientSecretKey) }}
{{- end }}
{{- end }}
{{- if and .Values.proxy.http (not .Values.proxy.https) (hasPrefix "https://" .Values.itcare.url) (hasPrefix "https://" .Values.itcare.tokenUrl) }}
{{- fail "proxy.http: given alone, and itcare.url and itcare.tokenUrl are https://, so no call would go through it; set proxy.https" }}
{{- end }}
{{- with .Values.itcare }}
{{- if and .ca.configMap .ca.secret }}
{{- fail (printf "itcare.ca.secret: %q, and itcare.ca.configMap is %q; give only one of them" .ca.secret .ca.configMap) }}
{{- end }}
{{- range $path, $url := dict "itcare.url" .url "itcare.tokenUrl" .tokenUrl }}
{{- if and (hasPrefix "http://" $url) (not $.Values.itcare.allowHttp) (not (regexMatch "^http://(localhost|127\\.[0-9.]+|\\[::1\\])(:|/|$)" $url)) }}
{{- fail (printf "%s: %q sends the token in clear; use https, or set itcare.allowHttp to true" $path $url) }}
{{- end }}
{{- end }}
{{- end }}
{{- $timeout := include "itcare-operator.milliseconds" .Values.itcare.timeout | int64 }}
{{- $lease := ternary (include "itcare-operator.milliseconds" .Values.leaderElection.leaseDuration | int64) 0 .Values.leaderElection.enabled }}
{{- if lt (include "itcare-operator.milliseconds" .Values.settleTime | int64) (add $timeout $lease) }}
{{- fail (printf "settleTime: %s is shorter than itcare.timeout plus leaderElection.leaseDuration; make it at least %ds" .Values.settleTime (div (add $timeout $lease 999) 1000)) }}
{{- end }}
{{- $grace := .Values.terminationGracePeriodSeconds }}
{{- if and (ne nil $grace) (le (mul (int64 (default 0 $grace)) 1000) $timeout) }}
{{- fail (printf "terminationGracePeriodSeconds: %d is not longer than itcare.timeout (%s), so a call in flight could be cut off; make it longer, or leave it empty" (int64 $grace) .Values.itcare.timeout) }}
{{- end }}
{{- $strategy := default dict .Values.updateStrategy }}
{{- /* Kubernetes takes a strategy without a type for this one. */}}
{{- $rolling := eq (default "RollingUpdate" $strategy.type) "RollingUpdate" }}
{{- if and $strategy.rollingUpdate (not $rolling) }}
{{- fail (printf "updateStrategy.rollingUpdate: given, and updateStrategy.type is %s; leave one of them out" $strategy.type) }}
{{- end }}
{{- if not .Values.leaderElection.enabled }}
{{- if gt (int .Values.replicas) 1 }}
{{- fail (printf "replicas: %d, and leaderElection.enabled is false, so all would act at once; set leaderElection.enabled to true, or replicas to 1" (int .Values.replicas)) }}
{{- end }}
{{- if and .Values.updateStrategy $rolling }}
{{- fail "updateStrategy.type: RollingUpdate, and leaderElection.enabled is false, so old and new would act at once; leave updateStrategy empty, or set leaderElection.enabled to true" }}
{{- end }}
{{- end }}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
{{- fail "serviceAccount.name: empty, and serviceAccount.create is false; name the service account that is there" }}
{{- end }}
{{- with .Values.metrics }}
{{- if and .serviceMonitor.enabled .podMonitor.enabled }}
{{- fail "metrics.podMonitor.enabled: true, and so is metrics.serviceMonitor.enabled, so every sample would come twice; enable only one of them" }}
{{- end }}
{{- if and .serviceMonitor.enabled (not .service.enabled) }}
{{- fail "metrics.serviceMonitor.enabled: true, and metrics.service.enabled is false; enable the Service, or use metrics.podMonitor" }}
{{- end }}
{{- range $name, $monitor := dict "serviceMonitor" .serviceMonitor "podMonitor" .podMonitor }}
{{- if and $monitor.interval $monitor.scrapeTimeout }}
{{- if gt (include "itcare-operator.milliseconds" $monitor.scrapeTimeout | int64) (include "itcare-operator.milliseconds" $monitor.interval | int64) }}
{{- fail (printf "metrics.%s.scrapeTimeout: %s is longer than metrics.%s.interval (%s), which Prometheus refuses; make it shorter" $name $monitor.scrapeTimeout $name $monitor.interval) }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq (int .port) (int $.Values.health.port) }}
{{- fail (printf "metrics.port: %d is health.port too; choose another" (int .port)) }}
{{- end }}
{{- end }}
{{- if and .Values.openshift.enabled (not .Values.podSecurityContext) }}
{{- fail "openshift.enabled: true, and podSecurityContext is empty; leave podSecurityContext as it is, its ids are dropped" }}
{{- end }}
{{- range $id := list "runAsUser" "runAsGroup" }}
{{- if and $.Values.openshift.enabled (hasKey (default dict $.Values.securityContext) $id) }}
{{- fail (printf "securityContext.%s: given, and openshift.enabled is true, so the platform chooses it; leave one of them out" $id) }}
{{- end }}
{{- end }}
{{- if regexMatch "^(127\\.|\\[(0*:)*:?0*1\\]$)" .Values.bindAddress }}
{{- fail (printf "bindAddress: %q is reached from within the container only, so no probe would succeed; use 0.0.0.0 or [::]" .Values.bindAddress) }}
{{- end }}
{{- if and (eq (default "" .Values.dnsPolicy) "None") (not (default dict .Values.dnsConfig).nameservers) }}
{{- fail "dnsPolicy: None, and dnsConfig.nameservers is empty; name a server there" }}
{{- end }}
{{- include "itcare-operator.checkNamespaces" . }}
{{- include "itcare-operator.checkNetwork" . }}
{{- include "itcare-operator.checkVolumes" . }}
{{- include "itcare-operator.checkContainers" . }}
{{- end }}

{{- define "itcare-operator.checkNamespaces" -}}
{{- if .Values.watchNamespaces }}
{{- range $namespace, $_ := .Values.allowServices }}
{{- if not (has $namespace $.Values.watchNamespaces) }}
{{- fail (printf "allowServices.%s: the namespace is not in watchNamespaces, so nothing in it would be looked at; add it there, or leave it out here" $namespace) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.clusterId (has .Values.clusterId (default list .Values.previousClusterIds)) }}
{{- fail (printf "previousClusterIds: %q is clusterId, and no cluster replaces itself; leave it out" .Values.clusterId) }}
{{- end }}
{{- end }}

{{/* The ways to ITCare that the NetworkPolicy would close. With proxy.noProxy it depends on names what goes where. */}}
{{- define "itcare-operator.checkNetwork" -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.extraEgress) (not .Values.proxy.noProxy) }}
{{- $ports := list }}
{{- range .Values.networkPolicy.itcare.ports }}
{{- $ports = append $ports (int . | toString) }}
{{- end }}
{{- range $path, $url := dict "itcare.url" .Values.itcare.url "itcare.tokenUrl" .Values.itcare.tokenUrl }}
{{- $scheme := ternary "https" "http" (hasPrefix "https://" $url) }}
{{- $proxy := get $.Values.proxy $scheme }}
{{- $port := include "itcare-operator.port" (default $url $proxy) }}
{{- if not (has $port $ports) }}
{{- fail (printf "networkPolicy.itcare.ports: [%s] is without %s, the port of %s; add it, or allow the way in networkPolicy.extraEgress" (join ", " $ports) $port (ternary (printf "proxy.%s" $scheme) $path (not (empty $proxy)))) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "itcare-operator.checkContainers" -}}
{{- $names := list "operator" }}
{{- range $value := list "extraContainers" "extraInitContainers" }}
{{- range index $.Values $value }}
{{- if has .name $names }}
{{- fail (printf "%s: the Pod has a container %s already; choose another name" $value .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}
{{- end }}

{{- define "itcare-operator.checkVolumes" -}}
{{- $own := list "credentials" "ca" }}
{{- $volumes := $own }}
{{- range .Values.extraVolumes }}
{{- if has .name $own }}
{{- fail (printf "extraVolumes: %s is a volume of the chart; choose another name" .name) }}
{{- end }}
{{- $volumes = append $volumes .name }}
{{- end }}
{{- range .Values.extraVolumeMounts }}
{{- if not (has .name $volumes) }}
{{- fail (printf "extraVolumeMounts: there is no volume %s; add it to extraVolumes" .name) }}
{{- end }}
{{- if has (trimSuffix "/" .mountPath) (list (include "itcare-operator.credentialsFolder" $) (include "itcare-operator.caFolder" $)) }}
{{- fail (printf "extraVolumeMounts: %s is a folder of the chart; choose another mountPath" .mountPath) }}
{{- end }}
{{- end }}
{{- end }}
