{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{- define "turnstone.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "turnstone.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "turnstone.labels" -}}
{{- $labels := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63)
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service -}}
{{- toYaml (merge (include "turnstone.selector" . | fromYaml) $labels .Values.commonLabels) -}}
{{- end -}}

{{- define "turnstone.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "turnstone.serviceAccount" -}}
{{- if .Values.serviceAccount.name -}}
{{ .Values.serviceAccount.name }}
{{- else -}}
{{ ternary (include "turnstone.fullname" .) "default" .Values.serviceAccount.create }}
{{- end -}}
{{- end -}}

{{- define "turnstone.tlsSecret" -}}
{{- if .Values.tls.existingSecret -}}
{{ .Values.tls.existingSecret }}
{{- else if .Values.tls.certManager.enabled -}}
{{ include "turnstone.fullname" . }}-tls
{{- end -}}
{{- end -}}

{{/* What the server's configuration says about ports and features, as YAML, with the server's defaults. */}}
{{- define "turnstone.facts" -}}
{{- $config := .Values.config -}}
{{- $listen := default dict $config.listen -}}
{{- $relay := default dict $config.relay -}}
{{- $signaling := default dict $config.signaling -}}
{{- $auth := default dict $config.auth -}}
{{- $tls := default 5349 $listen.tls_port -}}
{{- $range := splitList "-" (default "49152-65535" $relay.ports) -}}
{{- $relayOn := dig "enabled" true $relay -}}
{{- $signalingOn := dig "enabled" true $signaling -}}
{{- $keys := .Values.credentials.keys -}}
{{- $mine := not .Values.credentials.existingSecret -}}
{{- $given := or .Values.credentials.secrets .Values.credentials.users .Values.credentials.jwtSecrets $auth.secrets_file
  $auth.users_file $auth.jwt_secrets_file $auth.hook_url $config.dev -}}
{{- $token := or .Values.credentials.signalingToken $signaling.token_file $signaling.open $config.dev -}}
stun: {{ int (default 3478 $listen.port) }}
tls: {{ int $tls }}
dtls: {{ int (default $tls $listen.dtls_port) }}
http: {{ int (default 8080 $listen.http_port) }}
udp: {{ dig "udp" true $listen }}
tcp: {{ dig "tcp" true $listen }}
tlsOn: {{ not (not (or (include "turnstone.tlsSecret" .) $listen.tls_cert_file $listen.tls_self_signed $config.dev)) }}
relay: {{ $relayOn }}
relayTcp: {{ dig "tcp" true $relay }}
relayLow: {{ first $range | trim }}
relayHigh: {{ last $range | trim }}
signaling: {{ $signalingOn }}
metrics: {{ dig "metrics" "enabled" true $config }}
makeSecrets: {{ and $mine .Values.credentials.generate $relayOn (not $given) }}
makeToken: {{ and $mine .Values.credentials.generate $signalingOn (not $token) }}
secretsKey: {{ if not $mine }}{{ quote $keys.secrets }}{{ else if or .Values.credentials.secrets (and .Values.credentials.generate $relayOn (not $given)) }}secrets{{ else }}""{{ end }}
usersKey: {{ if not $mine }}{{ quote $keys.users }}{{ else if .Values.credentials.users }}users{{ else }}""{{ end }}
jwtSecretsKey: {{ if not $mine }}{{ quote $keys.jwtSecrets }}{{ else if .Values.credentials.jwtSecrets }}jwt-secrets{{ else }}""{{ end }}
tokenKey: {{ if not $mine }}{{ quote $keys.signalingToken }}{{ else if or .Values.credentials.signalingToken (and .Values.credentials.generate $signalingOn (not $token)) }}signaling-token{{ else }}""{{ end }}
clusterKey: {{ if not $mine }}{{ quote $keys.clusterSecret }}{{ else if .Values.credentials.clusterSecret }}cluster-secret{{ else }}""{{ end }}
redisKey: {{ if not $mine }}{{ quote $keys.redisPassword }}{{ else if .Values.credentials.redisPassword }}redis-password{{ else }}""{{ end }}
hookKey: {{ if not $mine }}{{ quote $keys.hookToken }}{{ else if .Values.credentials.hookToken }}hook-token{{ else }}""{{ end }}
service: {{ eq (toString .Values.service.enabled) "auto" | ternary (not .Values.workload.hostNetwork) (eq (toString .Values.service.enabled) "true") }}
{{- end -}}

{{/* The files of the credentials' Secret: key of the Secret → file, as YAML. */}}
{{- define "turnstone.credentialFiles" -}}
{{- $facts := include "turnstone.facts" . | fromYaml -}}
{{- range $key := list $facts.secretsKey $facts.usersKey $facts.jwtSecretsKey $facts.tokenKey $facts.hookKey $facts.clusterKey $facts.redisKey }}
{{- if $key }}
- key: {{ $key }}
  path: {{ $key }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "turnstone.credentialsSecret" -}}
{{- default (printf "%s-credentials" (include "turnstone.fullname" .)) .Values.credentials.existingSecret -}}
{{- end -}}

{{/* The server's configuration: what the chart mounts, under what `config` says. */}}
{{- define "turnstone.config" -}}
{{- $facts := include "turnstone.facts" . | fromYaml -}}
{{- $auth := dict -}}
{{- $signaling := dict -}}
{{- $listen := dict -}}
{{- $folder := "/etc/turnstone/credentials/" -}}
{{- with $facts.secretsKey }}{{ $_ := set $auth "secrets_file" (print $folder .) }}{{ end -}}
{{- with $facts.usersKey }}{{ $_ := set $auth "users_file" (print $folder .) }}{{ end -}}
{{- with $facts.jwtSecretsKey }}{{ $_ := set $auth "jwt_secrets_file" (print $folder .) }}{{ end -}}
{{- with $facts.hookKey }}{{ $_ := set $auth "hook_token_file" (print $folder .) }}{{ end -}}
{{- with $facts.tokenKey }}{{ $_ := set $signaling "token_file" (print $folder .) }}{{ end -}}
{{- $redis := dict -}}
{{- with $facts.clusterKey }}{{ $_ := set $redis "cluster_secret_file" (print $folder .) }}{{ end -}}
{{- with $facts.redisKey }}{{ $_ := set $redis "password_file" (print $folder .) }}{{ end -}}
{{- if $redis }}{{ $_ := set $signaling "redis" $redis }}{{ end -}}
{{- if include "turnstone.tlsSecret" . -}}
{{- $_ := set $listen "tls_cert_file" "/etc/turnstone/tls/tls.crt" -}}
{{- $_ := set $listen "tls_key_file" "/etc/turnstone/tls/tls.key" -}}
{{- end -}}
{{- $out := dict -}}
{{- if $auth }}{{ $_ := set $out "auth" $auth }}{{ end -}}
{{- if $signaling }}{{ $_ := set $out "signaling" $signaling }}{{ end -}}
{{- if $listen }}{{ $_ := set $out "listen" $listen }}{{ end -}}
{{- $_ := set $out "shutdown" (dict "drain_timeout" (printf "%ds" (int .Values.drain.timeoutSeconds))) -}}
{{- toYaml (mergeOverwrite $out (deepCopy .Values.config)) -}}
{{- end -}}

{{/* What cannot work is refused here, with what to do. */}}
{{- define "turnstone.validate" -}}
{{- $facts := include "turnstone.facts" . | fromYaml -}}
{{- $daemon := eq .Values.workload.kind "DaemonSet" -}}
{{- if and $daemon (or .Values.autoscaling.enabled .Values.keda.enabled) }}
{{- fail "autoscaling and keda scale a Deployment: a DaemonSet has one pod a node (workload.kind)" }}
{{- end }}
{{- if or (has $facts.http (list $facts.stun $facts.tls)) (eq $facts.stun $facts.tls) (eq $facts.stun $facts.dtls) }}
{{- fail "config.listen: port, tls_port, dtls_port and http_port must differ here, so that a Service can name them; service.ports may say the same number" }}
{{- end }}
{{- if and .Values.autoscaling.enabled .Values.keda.enabled }}
{{- fail "autoscaling and keda are two autoscalers for one Deployment: enable one of them" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- fail "serviceMonitor and podMonitor would scrape each pod twice: enable one of them" }}
{{- end }}
{{- if and (or .Values.serviceMonitor.enabled .Values.podMonitor.enabled) (not $facts.metrics) }}
{{- fail "a monitor without metrics: config.metrics.enabled is false" }}
{{- end }}
{{- if lt (int .Values.terminationGracePeriodSeconds) (add (int .Values.drain.preStopSeconds) (int .Values.drain.timeoutSeconds) 10 | int) }}
{{- fail "terminationGracePeriodSeconds must be at least 10 more than drain.preStopSeconds and drain.timeoutSeconds together: Kubernetes would kill the server" }}
{{- end }}
{{- if hasKey (default dict .Values.config.shutdown) "drain_timeout" }}
{{- fail "config.shutdown.drain_timeout: use drain.timeoutSeconds, which must fit terminationGracePeriodSeconds" }}
{{- end }}
{{- $many := or $daemon .Values.autoscaling.enabled .Values.keda.enabled (gt (int .Values.workload.replicas) 1) }}
{{- $fixed := dig "relay" "addresses" list .Values.config }}
{{- if and (or .Values.externalAddress.all $fixed) $many }}
{{- fail "externalAddress.all and config.relay.addresses are one address for all pods, and peers' data would come to any of them: use one replica, or externalAddress.perNode" }}
{{- end }}
{{- if and .Values.externalAddress.all .Values.externalAddress.perNode }}
{{- fail "externalAddress: all or perNode, not both" }}
{{- end }}
{{- if and .Values.externalAddress.perNode (not .Values.workload.hostNetwork) }}
{{- fail "externalAddress.perNode names addresses of nodes: it needs workload.hostNetwork" }}
{{- end }}
{{- if and (or .Values.externalAddress.all .Values.externalAddress.perNode) $fixed }}
{{- fail "config.relay.addresses and externalAddress say the same thing: use one of them" }}
{{- end }}
{{- if and .Values.externalAddress.discover (or .Values.externalAddress.all .Values.externalAddress.perNode $fixed) }}
{{- fail "externalAddress.discover is for when addresses are not known: use it alone, or all, perNode or config.relay.addresses" }}
{{- end }}
{{- if and .Values.externalAddress.discover (not .Values.workload.hostNetwork) }}
{{- fail "externalAddress.discover finds the node's address, which reaches the pod on the node's network only: it needs workload.hostNetwork" }}
{{- end }}
{{- if and (has "node" .Values.externalAddress.discover) (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
{{- fail "externalAddress.discover: node lets the service account read Nodes: make one (serviceAccount.create), or name one of yours" }}
{{- end }}
{{- if and (has "stun" .Values.externalAddress.discover) (not (dig "relay" "discover_stun" "" .Values.config)) }}
{{- fail "externalAddress.discover: stun needs config.relay.discover_stun, such as stun:stun.example.org:3478" }}
{{- end }}
{{- if and .Values.tls.existingSecret .Values.tls.certManager.enabled }}
{{- fail "tls: existingSecret or certManager, not both" }}
{{- end }}
{{- if and .Values.tls.certManager.enabled (or (not .Values.tls.certManager.issuerRef.name) (not .Values.tls.certManager.dnsNames)) }}
{{- fail "tls.certManager needs issuerRef.name and dnsNames" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- fail "ingress needs a host" }}
{{- end }}
{{- if and .Values.gateway.enabled (not (or .Values.gateway.udpParentRefs .Values.gateway.tcpParentRefs)) }}
{{- fail "gateway needs udpParentRefs or tcpParentRefs" }}
{{- end }}
{{- end -}}

{{/* Of the cluster, so that releases in two namespaces do not meet. */}}
{{- define "turnstone.nodeReader" -}}
{{- $name := include "turnstone.fullname" . -}}
{{- printf "%s-%s-nodes-%s" .Release.Namespace $name (printf "%s/%s" .Release.Namespace $name | sha256sum | trunc 8) -}}
{{- end -}}
