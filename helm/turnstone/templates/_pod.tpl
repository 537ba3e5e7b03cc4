{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/* The pod of both kinds of workload. */}}
{{- define "turnstone.pod" -}}
{{- $facts := include "turnstone.facts" . | fromYaml -}}
{{- $files := include "turnstone.credentialFiles" . | trim -}}
metadata:
  annotations:
    checksum/config: {{ include "turnstone.config" . | cat (toJson .Values.externalAddress.perNode) | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- toYaml (merge (include "turnstone.selector" . | fromYaml) .Values.podLabels .Values.commonLabels) | nindent 4 }}
spec:
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ include "turnstone.serviceAccount" . }}
  automountServiceAccountToken: {{ has "node" .Values.externalAddress.discover }}
  enableServiceLinks: false
  {{- if .Values.workload.hostNetwork }}
  hostNetwork: true
  {{- end }}
  dnsPolicy: {{ default (ternary "ClusterFirstWithHostNet" "ClusterFirst" .Values.workload.hostNetwork) .Values.dnsPolicy }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "turnstone.affinity" . | fromYaml }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- include "turnstone.spread" . | nindent 2 }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: turnstone
      image: {{ include "turnstone.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - serve
        - --config
        - /etc/turnstone/config/turnstone.yaml
        {{- range .Values.extraArgs }}
        - {{ quote . }}
        {{- end }}
      {{- with include "turnstone.env" . | fromYamlArray }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        {{- if $facts.udp }}
        - {name: stun-udp, containerPort: {{ $facts.stun }}, protocol: UDP}
        {{- end }}
        {{- if $facts.tcp }}
        - {name: stun-tcp, containerPort: {{ $facts.stun }}, protocol: TCP}
        {{- end }}
        {{- if $facts.tlsOn }}
        - {name: turn-tls, containerPort: {{ $facts.tls }}, protocol: TCP}
        {{- if $facts.udp }}
        - {name: turn-dtls, containerPort: {{ $facts.dtls }}, protocol: UDP}
        {{- end }}
        {{- end }}
        - {name: http, containerPort: {{ $facts.http }}, protocol: TCP}
      {{- if .Values.drain.preStopSeconds }}
      lifecycle:
        preStop:
          {{- if semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version }}
          sleep:
            seconds: {{ .Values.drain.preStopSeconds }}
          {{- else }}
          exec:
            command: [sleep, {{ quote .Values.drain.preStopSeconds }}]
          {{- end }}
      {{- end }}
      startupProbe:
        {{- toYaml (merge (dict "httpGet" (dict "path" "/healthz" "port" "http")) .Values.startupProbe) | nindent 8 }}
      livenessProbe:
        {{- toYaml (merge (dict "httpGet" (dict "path" "/healthz" "port" "http")) .Values.livenessProbe) | nindent 8 }}
      readinessProbe:
        {{- toYaml (merge (dict "httpGet" (dict "path" "/readyz" "port" "http")) .Values.readinessProbe) | nindent 8 }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      volumeMounts:
        - name: config
          {{- if .Values.externalAddress.perNode }}
          mountPath: /etc/turnstone/config/turnstone.yaml
          subPathExpr: $(NODE_NAME).yaml
          {{- else }}
          mountPath: /etc/turnstone/config
          {{- end }}
          readOnly: true
        {{- if $files }}
        - name: credentials
          mountPath: /etc/turnstone/credentials
          readOnly: true
        {{- end }}
        {{- if include "turnstone.tlsSecret" . }}
        - name: tls
          mountPath: /etc/turnstone/tls
          readOnly: true
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "turnstone.fullname" . }}
    {{- if $files }}
    - name: credentials
      secret:
        secretName: {{ include "turnstone.credentialsSecret" . }}
        {{- /* The default; podman kube play 4.3 wants it said. */}}
        optional: false
        defaultMode: 0440
        items:
          {{- $files | nindent 10 }}
    {{- end }}
    {{- with include "turnstone.tlsSecret" . }}
    - name: tls
      secret:
        secretName: {{ . }}
        optional: false
        defaultMode: 0440
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Environment: addresses and threads from the downward API, then what the values say, which wins. */}}
{{- define "turnstone.env" -}}
{{- if or .Values.externalAddress.perNode (has "node" .Values.externalAddress.discover) }}
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{- end }}
{{- with .Values.externalAddress.discover }}
- name: TURNSTONE_RELAY_DISCOVER
  value: {{ join "," . | quote }}
{{- end }}
{{- if .Values.externalAddress.all }}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: TURNSTONE_RELAY_ADDRESSES
  value: {{ include "turnstone.externalAddresses" . | quote }}
{{- end }}
{{- if and (dig "limits" "cpu" "" .Values.resources) (not (dig "listen" "threads" 0 .Values.config)) }}
- name: TURNSTONE_LISTEN_THREADS
  valueFrom:
    resourceFieldRef:
      containerName: turnstone
      resource: limits.cpu
      divisor: "1"
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "turnstone.externalAddresses" -}}
{{- $out := list -}}
{{- range .Values.externalAddress.all -}}
{{- $out = append $out (ternary . (printf "%s/$(POD_IP)" .) (or (contains "/" .) (contains ":" .))) -}}
{{- end -}}
{{- join "," $out -}}
{{- end -}}

{{/* With addresses for nodes, only these nodes: matchFields takes one name, and terms are alternatives. */}}
{{- define "turnstone.affinity" -}}
{{- $affinity := deepCopy .Values.affinity -}}
{{- if .Values.externalAddress.perNode -}}
{{- $terms := list -}}
{{- range $node, $_ := .Values.externalAddress.perNode -}}
{{- $terms = append $terms (dict "matchFields" (list (dict "key" "metadata.name" "operator" "In" "values" (list $node)))) -}}
{{- end -}}
{{- $mine := dict "nodeAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms)) -}}
{{- $affinity = mergeOverwrite $affinity $mine -}}
{{- end -}}
{{- if $affinity }}{{ toYaml $affinity }}{{ end -}}
{{- end -}}

{{- define "turnstone.spread" -}}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "turnstone.selector" . | fromYaml)) -}}
{{- $constraints := list -}}
{{- range .Values.topologySpreadConstraints -}}
{{- $constraints = append $constraints (merge (deepCopy .) $selector) -}}
{{- end -}}
{{- if and (not $constraints) (eq .Values.workload.kind "Deployment") -}}
{{- $constraints = list (merge (dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway") $selector) -}}
{{- end -}}
{{- with $constraints -}}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}
