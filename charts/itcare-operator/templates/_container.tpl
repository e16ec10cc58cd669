{{/* Flags, environment and volumes of the container. */}}

{{/* Where the files of the account and of the trusted roots are. */}}
{{- define "itcare-operator.credentialsFolder" -}}/var/run/secrets/itcare{{- end }}
{{- define "itcare-operator.caFolder" -}}/var/run/itcare-ca{{- end }}

{{- define "itcare-operator.ownArguments" -}}
- {{ printf "--itcare-url=%s" .Values.itcare.url | quote }}
- {{ printf "--itcare-token-url=%s" .Values.itcare.tokenUrl | quote }}
{{- with .Values.itcare.scope }}
- {{ printf "--itcare-scope=%s" . | quote }}
{{- end }}
{{- if or .Values.itcare.ca.configMap .Values.itcare.ca.secret }}
- --itcare-ca-file={{ include "itcare-operator.caFolder" . }}/ca.crt
{{- end }}
- --itcare-rate={{ .Values.itcare.rate }}
- --itcare-burst={{ .Values.itcare.burst | int64 }}
- --itcare-timeout={{ .Values.itcare.timeout }}
{{- if .Values.itcare.allowHttp }}
- --allow-http
{{- end }}
- --observe-interval={{ .Values.observeInterval }}
- --action-interval={{ .Values.actionInterval }}
- --detail-interval={{ .Values.detailInterval }}
- --page-size={{ .Values.pageSize | int64 }}
- --settle-time={{ .Values.settleTime }}
{{- range .Values.watchNamespaces }}
- --watch-namespace={{ . }}
{{- end }}
{{- range $namespace, $services := .Values.allowServices }}
{{- $ids := list }}
{{- range $services }}
{{- $ids = append $ids (int64 .) }}
{{- end }}
- --allow-services={{ $namespace }}={{ join "," $ids }}
{{- end }}
{{- with .Values.clusterId }}
- {{ printf "--cluster-id=%s" . | quote }}
{{- end }}
{{- range .Values.previousClusterIds }}
- {{ printf "--previous-cluster-id=%s" . | quote }}
{{- end }}
- --leader-elect={{ .Values.leaderElection.enabled }}
{{- if .Values.leaderElection.enabled }}
- --lease-namespace={{ include "itcare-operator.leaseNamespace" . }}
- --lease-name={{ include "itcare-operator.leaseName" . }}
- --lease-duration={{ .Values.leaderElection.leaseDuration }}
{{- end }}
- --health-address={{ .Values.bindAddress }}:{{ .Values.health.port | int64 }}
- --metrics-address={{ .Values.bindAddress }}:{{ .Values.metrics.port | int64 }}
- --log-format={{ .Values.logFormat }}
- {{ printf "--log-level=%s" .Values.logLevel | quote }}
{{- end }}

{{/*
The value that stands for each flag: given twice, a flag is refused at the start, or contradicts the rights. Not here:
--identity, which has its variable, and --itcare-ca-file alone, whose file may be in a volume of the user's.
*/}}
{{- define "itcare-operator.flagValues" -}}
--itcare-url: itcare.url
--itcare-token-url: itcare.tokenUrl
--itcare-client-id: credentials.clientId
--itcare-client-secret-file: credentials.existingSecret
--itcare-scope: itcare.scope
{{- if or .Values.itcare.ca.configMap .Values.itcare.ca.secret }}
--itcare-ca-file: itcare.ca
{{- end }}
--itcare-rate: itcare.rate
--itcare-burst: itcare.burst
--itcare-timeout: itcare.timeout
--allow-http: itcare.allowHttp
--observe-interval: observeInterval
--action-interval: actionInterval
--detail-interval: detailInterval
--page-size: pageSize
--settle-time: settleTime
--watch-namespace: watchNamespaces
--allow-services: allowServices
--cluster-id: clusterId
--previous-cluster-id: previousClusterIds
--leader-elect: leaderElection.enabled
--lease-namespace: leaderElection.leaseNamespace
--lease-name: leaderElection.leaseName
--lease-duration: leaderElection.leaseDuration
--health-address: health.port
--metrics-address: metrics.port
--log-format: logFormat
--log-level: logLevel
{{- end }}

{{- define "itcare-operator.leaseNamespace" -}}
{{- default (include "itcare-operator.namespace" .) .Values.leaderElection.leaseNamespace }}
{{- end }}

{{- define "itcare-operator.leaseName" -}}
{{- default (include "itcare-operator.fullname" .) .Values.leaderElection.leaseName }}
{{- end }}

{{- define "itcare-operator.arguments" -}}
{{- $values := include "itcare-operator.flagValues" . | fromYaml }}
- run
{{ include "itcare-operator.ownArguments" . }}
{{- range .Values.extraArgs }}
{{- $flag := index (splitList "=" .) 0 }}
{{- with get $values $flag }}
{{- fail (printf "extraArgs: %s has a value of the chart; use the value %s" $flag .) }}
{{- end }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{- define "itcare-operator.ownEnvironment" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      # As the server completes it: a field manager that leaves it out conflicts with one that does not.
      apiVersion: v1
      fieldPath: metadata.name
- name: ITCARE_CLIENT_ID
  {{- if and .Values.credentials.existingSecret .Values.credentials.clientId }}
  value: {{ .Values.credentials.clientId | quote }}
  {{- else }}
  valueFrom:
    secretKeyRef:
      name: {{ include "itcare-operator.credentialsName" . | toYaml }}
      key: {{ .Values.credentials.clientIdKey | toYaml }}
  {{- end }}
- name: ITCARE_CLIENT_SECRET_FILE
  value: {{ include "itcare-operator.credentialsFolder" . }}/client-secret
{{- with .Values.proxy.http }}
- name: HTTP_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.proxy.https }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- if or .Values.proxy.http .Values.proxy.https }}
- name: NO_PROXY
  value: {{ join "," (append (default list .Values.proxy.noProxy) "$(KUBERNETES_SERVICE_HOST)") | quote }}
{{- end }}
{{- end }}

{{- define "itcare-operator.environment" -}}
{{- $own := include "itcare-operator.ownEnvironment" . }}
{{- /* A flag wins over its variable, and a proxy without NO_PROXY would be taken for the API server too. */}}
{{- $names := list "ITCARE_CLIENT_SECRET" "ITCARE_URL" "ITCARE_TOKEN_URL" }}
{{- range list "HTTP_PROXY" "HTTPS_PROXY" "ALL_PROXY" "NO_PROXY" }}
{{- $names = concat $names (list . (lower .)) }}
{{- end }}
{{- range $own | fromYamlArray }}
{{- $names = append $names .name }}
{{- end }}
{{- $own }}
{{- $more := list }}
{{- range .Values.extraEnv }}
{{- if has .name $names }}
{{- fail (printf "extraEnv: %s has a value of the chart; use the values credentials, itcare or proxy" .name) }}
{{- end }}
{{- if has .name $more }}
{{- fail (printf "extraEnv: %s is given twice; leave one of them out" .name) }}
{{- end }}
{{- $more = append $more .name }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "itcare-operator.volumeMounts" -}}
- name: credentials
  mountPath: {{ include "itcare-operator.credentialsFolder" . }}
  readOnly: true
{{- if or .Values.itcare.ca.configMap .Values.itcare.ca.secret }}
- name: ca
  mountPath: {{ include "itcare-operator.caFolder" . }}
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* No subPath: a file mounted by it would never follow the Secret. */}}
{{- define "itcare-operator.volumes" -}}
- name: credentials
  secret:
    secretName: {{ include "itcare-operator.credentialsName" . | toYaml }}
    defaultMode: 288 # 0440, which only some readers take for octal
    items:
      - key: {{ .Values.credentials.clientSecretKey | toYaml }}
        path: client-secret
{{- with .Values.itcare.ca }}
{{- if .configMap }}
- name: ca
  configMap:
    name: {{ .configMap | toYaml }}
    items:
      - key: {{ .key | toYaml }}
        path: ca.crt
{{- else if .secret }}
- name: ca
  secret:
    secretName: {{ .secret | toYaml }}
    defaultMode: 288 # 0440, which only some readers take for octal
    items:
      - key: {{ .key | toYaml }}
        path: ca.crt
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "itcare-operator.podSecurityContext" -}}
{{- $context := deepCopy (default dict .Values.podSecurityContext) }}
{{- if .Values.openshift.enabled }}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{- define "itcare-operator.grace" -}}
{{- if ne nil .Values.terminationGracePeriodSeconds }}
{{- .Values.terminationGracePeriodSeconds | int64 }}
{{- else }}
{{- add 15 (div (add 999 (include "itcare-operator.milliseconds" .Values.itcare.timeout | int64)) 1000) }}
{{- end }}
{{- end }}
