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
