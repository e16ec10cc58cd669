{{/* What the operator may do, where it is needed. A test compares it with what the operator does. */}}

{{/* Wherever objects are. */}}
{{- define "itcare-operator.objectRules" -}}
- apiGroups: [itcare.cegedim.cloud]
  resources: [itcareinstances, itcaresnapshots]
  verbs: [get, list, watch, patch]
- apiGroups: [itcare.cegedim.cloud]
  resources: [itcareinstances/status, itcaresnapshots/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* The id of the cluster is the uid of this namespace. */}}
{{- define "itcare-operator.clusterIdRules" -}}
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [kube-system]
  verbs: [get]
{{- end }}

{{- define "itcare-operator.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "itcare-operator.leaseName" . | toYaml }}]
  verbs: [get, update]
{{- end }}

{{- define "itcare-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "itcare-operator.serviceAccountName" . | toYaml }}
  namespace: {{ include "itcare-operator.namespace" . | toYaml }}
{{- end }}
