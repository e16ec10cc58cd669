{{/*
Values that contradict each other. Each refusal names the value's path, the value and the cure. What one value alone
may be is in values.schema.json.
*/}}

{{/* A duration such as 30s as milliseconds. */}}
{{- define "itcare-operator.milliseconds" -}}
{{- $number := regexFind "^[0-9]+" . | int64 }}
{{- $factor := get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+$" .) }}
{{- mul $number $factor }}
{{- end }}

{{- define "itcare-operator.check" -}}
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
{{- fail (printf "credentials.%s: empty, and so is credentials.existingSecret; name a Secret there, or give both clientId and clientSecret" (ternary "clientSecret" "clientId" (ne .clientId ""))) }}
{{- end }}
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
{{- if not .Values.leaderElection.enabled }}
{{- if gt (int .Values.replicas) 1 }}
{{- fail (printf "replicas: %d, and leaderElection.enabled is false, so all would act at once; set leaderElection.enabled to true, or replicas to 1" (int .Values.replicas)) }}
{{- end }}
{{- if eq (default "Recreate" .Values.updateStrategy.type) "RollingUpdate" }}
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
{{- if eq (int .port) (int $.Values.health.port) }}
{{- fail (printf "metrics.port: %d is health.port too; choose another" (int .port)) }}
{{- end }}
{{- end }}
{{- if and .Values.openshift.enabled (not .Values.podSecurityContext) }}
{{- fail "openshift.enabled: true, and podSecurityContext is empty; leave podSecurityContext as it is, its ids are dropped" }}
{{- end }}
{{- end }}
