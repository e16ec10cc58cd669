{{/* Flags, environment and volumes of the container. */}}

{{/* Where the files of the account and of the trusted roots are. */}}
{{- define "itcare-operator.credentialsFolder" -}}/var/run/secrets/itcare{{- end }}
{{- define "itcare-operator.caFolder" -}}/var/run/itcare-ca{{- end }}

{{- define "itcare-operator.ownArguments" -}}
- --itcare-url={{ .Values.itcare.url }}
- --itcare-token-url={{ .Values.itcare.tokenUrl }}
{{- with .Values.itcare.scope }}
- --itcare-scope={{ . }}
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
- --cluster-id={{ . }}
{{- end }}
{{- range .Values.previousClusterIds }}
- --previous-cluster-id={{ . }}
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
- --log-level={{ .Values.logLevel }}
{{- end }}

{{- define "itcare-operator.leaseNamespace" -}}
{{- default (include "itcare-operator.namespace" .) .Values.leaderElection.leaseNamespace }}
{{- end }}

{{- define "itcare-operator.leaseName" -}}
{{- default (include "itcare-operator.fullname" .) .Values.leaderElection.leaseName }}
{{- end }}

{{- define "itcare-operator.arguments" -}}
{{- $own := include "itcare-operator.ownArguments" . }}
{{- $flags := list }}
{{- range $own | fromYamlArray }}
{{- $flags = append $flags (index (splitList "=" .) 0) }}
{{- end }}
- run
{{ $own }}
{{- range .Values.extraArgs }}
{{- $flag := index (splitList "=" .) 0 }}
{{- if has $flag $flags }}
{{- fail (printf "extraArgs: %s is given by the chart already; use the value that stands for it (see the table of flags in the README)" $flag) }}
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
      name: {{ include "itcare-operator.credentialsName" . }}
      key: {{ .Values.credentials.clientIdKey }}
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
  value: {{ join "," (append .Values.proxy.noProxy "$(KUBERNETES_SERVICE_HOST)") | quote }}
{{- end }}
{{- end }}

{{- define "itcare-operator.environment" -}}
{{- $own := include "itcare-operator.ownEnvironment" . }}
{{- $names := list "ITCARE_CLIENT_SECRET" }}
{{- range $own | fromYamlArray }}
{{- $names = append $names .name }}
{{- end }}
{{- $own }}
{{- range .Values.extraEnv }}
{{- if has .name $names }}
{{- fail (printf "extraEnv: %s is given by the chart already; use the values credentials or proxy" .name) }}
{{- end }}
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
    secretName: {{ include "itcare-operator.credentialsName" . }}
    defaultMode: 288 # 0440, which only some readers take for octal
    items:
      - key: {{ .Values.credentials.clientSecretKey }}
        path: client-secret
{{- with .Values.itcare.ca }}
{{- if .configMap }}
- name: ca
  configMap:
    name: {{ .configMap }}
    items:
      - key: {{ .key }}
        path: ca.crt
{{- else if .secret }}
- name: ca
  secret:
    secretName: {{ .secret }}
    defaultMode: 288 # 0440, which only some readers take for octal
    items:
      - key: {{ .key }}
        path: ca.crt
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "itcare-operator.podSecurityContext" -}}
{{- $context := deepCopy .Values.podSecurityContext }}
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
