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

{{- /* Variables that say where Cilium's pods are; nothing where they are where Sallyport looks by itself. */ -}}
{{- define "sallyport.ciliumEnvironment" -}}
{{- if ne .Values.cilium.namespace "kube-system" }}
- name: SALLYPORT_CILIUM_NAMESPACE
  value: {{ .Values.cilium.namespace | quote }}
{{- end }}
{{- if ne .Values.cilium.selector "k8s-app=cilium" }}
- name: SALLYPORT_CILIUM_SELECTOR
  value: {{ .Values.cilium.selector | quote }}
{{- end }}
{{- end }}

{{- /* All variables of the CronJob. */ -}}
{{- define "sallyport.tickEnvironment" -}}
{{- include "sallyport.ciliumEnvironment" . }}
{{- with .Values.tick.pushgateway }}
- name: SALLYPORT_PUSHGATEWAY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.controller.env }}
{{ toYaml . }}
{{- end }}
{{- end }}
