{{- /* The image of a program: of the values `controller` or `agent`. No image is published, so there is none by default. */ -}}
{{- define "sallyport.image" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $image := (index $root.Values $name).image -}}
{{- if not $image.repository -}}
{{- fail (printf "Cannot tell which image to run: set %s.image.repository to where you pushed the %s image that you built (docs/images.md), as registry.example.com/sallyport-%s" $name $name $name) -}}
{{- end -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $root.Chart.AppVersion) -}}
{{- end }}

{{- /* Variables that say where traces go. */ -}}
{{- define "sallyport.traceEnvironment" -}}
{{- with .Values.traces.otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- /* Variables that every controller has; of Cilium's pods nothing where they are where Sallyport looks by itself. */ -}}
{{- define "sallyport.controllerEnvironment" -}}
{{- if ne .Values.cilium.namespace "kube-system" }}
- name: SALLYPORT_CILIUM_NAMESPACE
  value: {{ .Values.cilium.namespace | quote }}
{{- end }}
{{- if ne .Values.cilium.selector "k8s-app=cilium" }}
- name: SALLYPORT_CILIUM_SELECTOR
  value: {{ .Values.cilium.selector | quote }}
{{- end }}
{{- with .Values.notices.url }}
- name: SALLYPORT_NOTICE_URL
  value: {{ . | quote }}
{{- end }}
{{- include "sallyport.traceEnvironment" . }}
{{- end }}

{{- /* All variables of the CronJob. */ -}}
{{- define "sallyport.tickEnvironment" -}}
{{- include "sallyport.controllerEnvironment" . }}
{{- with .Values.tick.pushgateway }}
- name: SALLYPORT_PUSHGATEWAY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.controller.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* What a NetworkPolicy lets out to these URLs, and to who knows their names. Nothing else that the pods reach has a name. */ -}}
{{- define "sallyport.egress" -}}
{{- $ports := list -}}
{{- range without . "" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- $ports = append $ports $port -}}
{{- end -}}
{{- if $ports -}}
- ports:
    {{- range uniq $ports }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end -}}
{{- end }}
