{{/* Names and labels. */}}

{{- define "itcare-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "itcare-operator.fullname" -}}
{{- $name := include "itcare-operator.name" . }}
{{- $fullname := printf "%s-%s" .Release.Name $name }}
{{- if .Values.fullnameOverride }}
{{- $fullname = .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- $fullname = .Release.Name }}
{{- end }}
{{- /* A release may have dots in its name, a Service may not. */}}
{{- $fullname | replace "." "-" | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "itcare-operator.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{/* Cluster-wide objects of two releases of one name, in two namespaces, must differ. */}}
{{- define "itcare-operator.clusterName" -}}
{{- printf "%s-%s" (include "itcare-operator.fullname" .) (include "itcare-operator.namespace" .) }}
{{- end }}

{{- define "itcare-operator.selector" -}}
app.kubernetes.io/name: {{ include "itcare-operator.name" . | toYaml }}
app.kubernetes.io/instance: {{ .Release.Name | toYaml }}
{{- end }}

{{- define "itcare-operator.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_")
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service }}
{{- $selector := include "itcare-operator.selector" . | fromYaml }}
{{- $labels := dict }}
{{- /* `merge` takes an empty value for none; here it removes the label. */}}
{{- range $some := list $own .Values.commonLabels $selector }}
{{- range $label, $value := $some }}
{{- if $value }}
{{- $_ := set $labels $label $value }}
{{- else }}
{{- $_ := unset $labels $label }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $labels }}
{{- end }}

{{- define "itcare-operator.serviceAccountName" -}}
{{- default (include "itcare-operator.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "itcare-operator.credentialsName" -}}
{{- default (printf "%s-credentials" (include "itcare-operator.fullname" .)) .Values.credentials.existingSecret }}
{{- end }}

{{- define "itcare-operator.image" -}}
{{- $registry := coalesce .Values.global.imageRegistry .Values.image.registry | default "" }}
{{- $repository := ternary (printf "%s/%s" (trimSuffix "/" $registry) .Values.image.repository) .Values.image.repository (ne $registry "") }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}
