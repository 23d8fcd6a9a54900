"""What was probably meant by a field of other formats: Compose, Kubernetes, docker run."""

from collections.abc import Mapping

_CMD = "docker: {cmd: [app, --flag]}"
_PROBE = "probe: {type: http, port: 8080, path: /health}"
_RESOURCES = "resources: {cpu: 250, memory: 512}, in thousandths of a core and MiB"
_INSIDE = "it is a field of a task, as in tasks: [{id: main, "

FOREIGN_FIELDS: Mapping[str, Mapping[str, str]] = {
    "Service": {
        "image": _INSIDE + "docker: {image: nginx:1.27}}]",
        "containers": "write tasks: [{id: main, docker: {image: nginx:1.27}}]",
        "environment": _INSIDE + "env: {NAME: value}}]",
        "env": _INSIDE + "env: {NAME: value}}]",
        "ports": _INSIDE + "ports: [{port: 8080}]}]",
        "command": _INSIDE + _CMD + "}]",
        "replicas": "write autoScale: {minReplicas: 2, maxReplicas: 2}",
        "deploy": "write autoScale: {minReplicas: 2, maxReplicas: 2}",
        "networks": "leave it out: whitelists and upstreams say who may call whom",
        "depends_on": "leave it out: services start in any order, and find each other by name",
    },
    "Task": {
        "image": "write docker: {image: nginx:1.27}",
        "environment": "write env: {NAME: value}",
        "command": f"write {_CMD}",
        "cmd": f"write {_CMD}",
        "args": f"write {_CMD}",
        "entrypoint": f"write {_CMD}",
        "healthcheck": f"write {_PROBE}",
        "readinessProbe": f"write {_PROBE}",
        "livenessProbe": f"write {_PROBE}",
        "cpu": f"write {_RESOURCES}",
        "memory": f"write {_RESOURCES}",
        "mem_limit": f"write {_RESOURCES}",
        "imagePullPolicy": "write docker: {image: nginx:1.27, imagePullPolicy: always}",
        "expose": "write ports: [{port: 8080}]",
        "envFrom": "write secrets: [id], of a secret of type env",
        "depends_on": "leave it out: services start in any order, and find each other by name",
    },
    "Resources": {"limits": f"write {_RESOURCES}", "requests": f"write {_RESOURCES}"},
    "Docker": {
        "command": "write cmd: [app, --flag]",
        "args": "write cmd: [app, --flag]",
        "tag": "write it behind the image, as in image: nginx:1.27",
    },
    "AutoScale": {
        "minReplicaCount": "write minReplicas: 0",
        "maxReplicaCount": "write maxReplicas: 10",
        "cooldownPeriod": "write coolDownInterval: 120",
        "replicas": "write minReplicas: 2 and maxReplicas: 2",
        "freezeAfter": "write sleep: {freezeAfter: 60}",
        "stopAfter": "write sleep: {stopAfter: 900}",
        "awake": "write sleep: {awake: [{start: 0 8 * * 1-5, end: 0 18 * * 1-5}]}",
    },
    "Port": {
        "containerPort": "write port: 8080",
        "targetPort": "write port: 8080, the number that the task listens on",
        "hostPort": "leave it out: an ingress route leads in from outside",
        "published": "leave it out: an ingress route leads in from outside",
    },
    "IngressRoute": {
        "host": "write source: {hosts: [shop.example.com]}",
        "hosts": "write source: {hosts: [shop.example.com]}",
        "methods": "write source: {methods: [GET]}",
        "url": "write source: {url: /api}",
        "path": "write source: {url: /api}",
        "rewrite": "write source: {rewrite: /}",
    },
    "IngressSource": {"path": "write url: /api"},
    "Route": {
        "port": "write source: {port: 8080}",
        "protocol": "write source: {protocol: http, port: 8080}",
    },
    "Secret": {
        "stringData": "write data: {NAME: value}",
        "value": "write data: {NAME: value}",
        "values": "write data: {NAME: value}",
    },
}
"""By the model's name and the field's: the end of a sentence."""

EXAMPLES: Mapping[str, str] = {
    "Port": "{port: 8080}",
    "HostPort": "{port: 5432}",
    "Docker": "{image: nginx:1.27}",
    "Peer": "{projectId: shop, service: api}",
    "Resources": "{cpu: 250, memory: 512}",
    "Probe": "{type: http, port: 8080, path: /health}",
    "AutoScale": "{minReplicas: 2, maxReplicas: 2}",
    "Sleep": "{freezeAfter: 60, stopAfter: 900}",
    "AwakeHours": "{start: 0 8 * * 1-5, end: 0 18 * * 1-5, timezone: Europe/Berlin}",
    "Trigger": "{type: active-requests, metadata: {target: '50'}}",
    "IngressTarget": "{host: api.shop.svc.cluster.local, port: 8080}",
    "IngressSource": "{hosts: [shop.example.com], url: /}",
}
"""An object of a model, by its name."""


def example(model: str, given: object) -> str:
    """With the number that was given, where that is what a port is."""
    if model == "Port" and isinstance(given, int) and not isinstance(given, bool):
        return f"{{port: {given}}}" if 1 <= given <= 65_535 else EXAMPLES[model]
    if model == "Port" and isinstance(given, str):
        number = given.rpartition(":")[2].partition("/")[0]
        if number.isascii() and number.isdigit() and len(number) <= 5:
            outside = ", and an ingress route leads in from outside" if ":" in given else ""
            return f"{{port: {int(number)}}}{outside}"
    if model == "Docker" and isinstance(given, str) and len(given) <= 60:
        return f"{{image: {given}}}"
    return EXAMPLES.get(model, "")
