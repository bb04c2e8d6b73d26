#!/usr/bin/python3
"""Checks the manifests of deploy/: every field against the part of the Kubernetes and compose schemas that is used here
(an unknown field, a wrong type, a missing one), then what belongs together: selectors, ports, volumes, limits, times.
usage: tests/deploy/manifests.py FILE...   ('-': standard input; a folder: every YAML below it that is a whole manifest)
Prints FILE: PATH: what is wrong; exit code 1 if there is something, 64 for wrong use."""
import os
import re
import sys

import yaml

# ---- schemas: a leaf is a function of a value that says what is wrong; a key that ends in ! must be there ----------------


def typed(name, *types):
    def check(value):
        good = isinstance(value, types) and (bool in types or not isinstance(value, bool))
        return None if good else f"expected {name}, not {value!r}"
    return check


def pattern(name, expression, maximum=253):
    def check(value):
        if isinstance(value, str) and re.fullmatch(expression, value) and len(value) <= maximum:
            return None
        return f"expected {name}, not {value!r}"
    return check


def one_of(*values):
    return lambda value: None if value in values else f"expected one of {', '.join(map(str, values))}, not {value!r}"


def between(least, most):
    def check(value):
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return None
        return f"expected an integer from {least} to {most}, not {value!r}"
    return check


class Map:
    """Keys that anybody may choose."""

    def __init__(self, key, value):
        self.key, self.value = key, value


class Either:
    def __init__(self, *schemas):
        self.schemas = schemas


TEXT = typed("text", str)
BOOL = typed("true or false", bool)
NUMBER = typed("a number", int, float)
LABEL = pattern("a DNS label", r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", 63)
NAME = pattern("a DNS name", r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
PORT_NAME = pattern("a port's name", r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", 15)
PORT = between(1, 65535)
PORT_OR_NAME = Either(PORT, PORT_NAME)
LABELS = Map(pattern("a label", r"([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?", 317),
             pattern("a label's value", r"([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?", 63))
QUANTITY = Either(pattern("a quantity like 500m or 512Mi", r"[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?"), between(0, 1 << 40))
PATH = pattern("an absolute path", r"/[^:]*", 4096)
IMAGE = pattern("an image with a tag that is not latest", r"[a-z0-9./:_-]+(:(?!latest$)[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})")
DURATION = pattern("a duration", r"[0-9]+(ms|s|m|h)")
METADATA = {"name!": NAME, "namespace": LABEL, "labels": LABELS, "annotations": Map(TEXT, TEXT)}
RESOURCE = Map(pattern("a resource", r"cpu|memory|ephemeral-storage|hugepages-(2Mi|1Gi)"), QUANTITY)
SECONDS = between(1, 3600)
ACTION = Either({"httpGet!": {"path!": PATH, "port!": PORT_OR_NAME, "scheme": one_of("HTTP", "HTTPS")}},
                {"exec!": {"command!": [TEXT]}}, {"tcpSocket!": {"port!": PORT_OR_NAME}})
TIMES = {"initialDelaySeconds": between(0, 3600), "periodSeconds": SECONDS, "timeoutSeconds": SECONDS,
         "failureThreshold": between(1, 1000), "successThreshold": between(1, 100)}


def probe():
    return Either(*({**kind, **TIMES} for kind in ACTION.schemas))


CONTAINER = {
    "name!": LABEL, "image!": IMAGE, "imagePullPolicy": one_of("Always", "IfNotPresent", "Never"), "restartPolicy": one_of("Always"),
    "command": [TEXT], "args": [TEXT],
    "env": [Either({"name!": pattern("a variable", r"[A-Z][A-Z0-9_]*"), "value!": TEXT},
                   {"name!": TEXT, "valueFrom!": {"secretKeyRef!": {"name!": NAME, "key!": TEXT}}})],
    "ports": [{"name!": PORT_NAME, "containerPort!": PORT, "protocol": one_of("TCP", "UDP")}],
    "startupProbe": probe(), "livenessProbe": probe(), "readinessProbe": probe(),
    "lifecycle": {"preStop": ACTION, "postStart": ACTION},
    "resources!": {"requests!": RESOURCE, "limits!": RESOURCE},
    "securityContext!": {"allowPrivilegeEscalation!": BOOL, "readOnlyRootFilesystem!": BOOL, "privileged": BOOL,
                         "runAsNonRoot": BOOL, "runAsUser": between(0, 1 << 31),
                         "capabilities!": {"drop!": [TEXT], "add": [TEXT]}},
    "volumeMounts": [{"name!": LABEL, "mountPath!": PATH, "readOnly": BOOL, "subPath": TEXT}],
}
VOLUME = Either({"name!": LABEL, "configMap!": {"name!": NAME, "optional": BOOL}},
                {"name!": LABEL, "emptyDir!": {"medium": one_of("", "Memory"), "sizeLimit": QUANTITY}},
                {"name!": LABEL, "persistentVolumeClaim!": {"claimName!": NAME, "readOnly": BOOL}})
POD = {
    "automountServiceAccountToken!": BOOL, "enableServiceLinks!": BOOL, "terminationGracePeriodSeconds!": between(0, 3600),
    "serviceAccountName": NAME,
    "securityContext!": {"runAsNonRoot!": BOOL, "runAsUser!": between(1, 1 << 31), "runAsGroup": between(1, 1 << 31),
                         "fsGroup": between(1, 1 << 31), "fsGroupChangePolicy": one_of("Always", "OnRootMismatch"),
                         "seccompProfile!": {"type!": one_of("RuntimeDefault", "Localhost"), "localhostProfile": TEXT}},
    "initContainers": [CONTAINER], "containers!": [CONTAINER], "volumes": [VOLUME],
}
SELECTOR = {"matchLabels": LABELS}
PEER = Either({"podSelector!": SELECTOR, "namespaceSelector": SELECTOR}, {"namespaceSelector!": SELECTOR},
              {"ipBlock!": {"cidr!": TEXT, "except": [TEXT]}})
POLICY_PORTS = [{"protocol": one_of("TCP", "UDP"), "port!": PORT_OR_NAME}]
KINDS = {
    "apps/v1 Deployment": {"metadata!": METADATA, "spec!": {
        "replicas": between(0, 1000), "revisionHistoryLimit": between(0, 100), "minReadySeconds": between(0, 3600),
        "strategy": Either({"type!": one_of("Recreate")}, {"type!": one_of("RollingUpdate"), "rollingUpdate": {
            "maxSurge": Either(between(0, 100), TEXT), "maxUnavailable": Either(between(0, 100), TEXT)}}),
        "selector!": SELECTOR, "template!": {"metadata!": {"labels!": LABELS, "annotations": Map(TEXT, TEXT)}, "spec!": POD}}},
    "v1 ConfigMap": {"metadata!": METADATA, "immutable": BOOL, "data!": Map(pattern("a key", r"[A-Za-z0-9._-]+"), TEXT)},
    "v1 Service": {"metadata!": METADATA, "spec!": {
        "type": one_of("ClusterIP", "NodePort", "LoadBalancer"), "clusterIP": TEXT, "selector!": LABELS,
        "ports!": [{"name!": PORT_NAME, "port!": PORT, "targetPort": PORT_OR_NAME, "protocol": one_of("TCP", "UDP")}]}},
    "networking.k8s.io/v1 NetworkPolicy": {"metadata!": METADATA, "spec!": {
        "podSelector!": SELECTOR, "policyTypes!": [one_of("Ingress", "Egress")],
        "ingress": [{"from!": [PEER], "ports!": POLICY_PORTS}], "egress": [{"to!": [PEER], "ports!": POLICY_PORTS}]}},
    "monitoring.coreos.com/v1 PodMonitor": {"metadata!": METADATA, "spec!": {
        "selector!": SELECTOR, "namespaceSelector": {"any": BOOL, "matchNames": [NAME]},
        "podMetricsEndpoints!": [{"port!": PORT_NAME, "path!": PATH, "interval": DURATION, "scrapeTimeout": DURATION,
                                  "relabelings!": [{"targetLabel!": one_of("job"), "replacement!": one_of("trove")}]}]}},
    "v1 PersistentVolumeClaim": {"metadata!": METADATA, "spec!": {
        "accessModes!": [one_of("ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany", "ReadOnlyMany")],
        "storageClassName": NAME, "volumeMode": one_of("Filesystem", "Block"), "resources!": {"requests!": {"storage!": QUANTITY}}}},
    "kustomize.config.k8s.io/v1beta1 Kustomization": {
        "resources!": [TEXT], "labels": [{"pairs!": LABELS, "includeSelectors": BOOL}], "patches": [{"path!": TEXT}],
        "images": [{"name!": TEXT, "newName": TEXT, "newTag": pattern("a tag that is not latest", r"(?!latest$)[\w.-]+"),
                    "digest": pattern("a digest", r"sha256:[0-9a-f]{64}")}]},
}
COMPOSE_SERVICE = {
    "image!": TEXT, "build": {"context!": TEXT, "args": Map(TEXT, TEXT), "target": TEXT}, "entrypoint": [TEXT], "command": [TEXT],
    "user!": pattern("a numeric user that is not root", r"[1-9][0-9]*(:[1-9][0-9]*)?"), "read_only!": BOOL, "cap_drop!": [TEXT],
    "security_opt!": [TEXT], "mem_limit!": pattern("bytes like 512m", r"[0-9]+[kmg]"), "cpus!": NUMBER, "pids_limit!": between(1, 1 << 20),
    "stop_grace_period": DURATION, "restart": one_of("no", "always", "on-failure", "unless-stopped"), "volumes": [TEXT],
    "ports": [pattern("ADDRESS:PORT:PORT", r"127\.0\.0\.1:[0-9]+:[0-9]+")], "environment": Map(TEXT, TEXT),
    "healthcheck": {"disable": BOOL, "test": [TEXT], "interval": DURATION, "timeout": DURATION, "retries": between(1, 100)},
    "network_mode": TEXT, "tmpfs": [TEXT],
    "depends_on": Map(NAME, {"condition!": one_of("service_started", "service_healthy", "service_completed_successfully")}),
}
COMPOSE = {"name": LABEL, "services!": Map(LABEL, COMPOSE_SERVICE), "volumes": Map(LABEL, lambda v: None if v is None else "expected nothing")}


def mistakes(schema, value, path):
    """Yields 'path: what'."""
    if isinstance(schema, Either):
        tries = [list(mistakes(s, value, path)) for s in schema.schemas]
        # Of the one that fits best, unless one fits.
        yield from min(tries, key=len)
    elif isinstance(schema, list):
        if not isinstance(value, list):
            yield f"{path}: expected a list, not {value!r}"
            return
        for i, item in enumerate(value):
            yield from mistakes(schema[0], item, f"{path}[{i}]")
    elif isinstance(schema, Map):
        if not isinstance(value, dict):
            yield f"{path}: expected a mapping, not {value!r}"
            return
        for key, item in value.items():
            yield from mistakes(schema.key, key, f"{path}.{key}")
            yield from mistakes(schema.value, item, f"{path}.{key}")
    elif isinstance(schema, dict):
        if not isinstance(value, dict):
            yield f"{path}: expected a mapping, not {value!r}"
            return
        known = {key.rstrip("!"): item for key, item in schema.items()}
        for key in schema:
            if key.endswith("!") and key[:-1] not in value:
                yield f"{path}.{key[:-1]}: is missing"
        for key, item in value.items():
            if key not in known:
                yield f"{path}.{key}: no such field"
            else:
                yield from mistakes(known[key], item, f"{path}.{key}")
    else:
        wrong = schema(value)
        if wrong:
            yield f"{path}: {wrong}"


# ---- what belongs together -------------------------------------------------------------------------------------------------

UNITS = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def amount(quantity):
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(quantity)).groups()
    return float(number) * UNITS[unit]


def twice(names):
    return sorted({name for name in names if names.count(name) > 1})


def container_mistakes(container, where, volumes, is_sidecar):
    context = container["securityContext"]
    if context["allowPrivilegeEscalation"] or not context["readOnlyRootFilesystem"] or context.get("privileged"):
        yield f"{where}.securityContext: more rights than the restricted profile gives, or a root that can be written"
    if context["capabilities"]["drop"] != ["ALL"] or context["capabilities"].get("add"):
        yield f"{where}.securityContext.capabilities: all are dropped, none is added"
    ports = {port["name"] for port in container.get("ports", [])}
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        port = container.get(kind, {}).get("httpGet", {}).get("port")
        if isinstance(port, str) and port not in ports:
            yield f"{where}.{kind}: no port of the container is called {port}"
    if is_sidecar:
        for kind in ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle"):
            if kind not in container:
                yield f"{where}.{kind}: is missing"
    for mount in container.get("volumeMounts", []):
        if mount["name"] not in volumes:
            yield f"{where}.volumeMounts: no volume of the pod is called {mount['name']}"
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    for resource in ("cpu", "memory"):
        if resource not in requests or resource not in limits:
            yield f"{where}.resources: {resource} is neither asked for nor limited"
    for resource, quantity in requests.items():
        if resource in limits and amount(quantity) > amount(limits[resource]):
            yield f"{where}.resources: more {resource} is asked for than allowed"
        # What is reserved at the start must be there; huge pages cannot be promised twice.
        if (resource.startswith("hugepages") or is_sidecar and resource == "memory") and limits.get(resource) != quantity:
            yield f"{where}.resources: {resource} is asked for and limited by the same amount"
    variables = [v["name"] for v in container.get("env", [])]
    for name in twice(variables):
        yield f"{where}.env: {name} is there twice"


def drain_ms(configuration):
    service = (yaml.safe_load(configuration) or {}).get("service", {})
    return service.get("drain_delay_ms", 0) + service.get("drain_timeout_ms", 10000)


def deployment_mistakes(document, by_kind):
    spec = document["spec"]
    pod = spec["template"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    where = f"Deployment {document['metadata']['name']}"
    if not spec["selector"].get("matchLabels", {}).items() <= labels.items() or not spec["selector"].get("matchLabels"):
        yield f"{where}.spec.selector: does not choose the pods of the template"
    if pod["automountServiceAccountToken"] or pod["enableServiceLinks"]:
        yield f"{where}: neither tokens nor variables of Services are for trove"
    if not pod["securityContext"]["runAsNonRoot"]:
        yield f"{where}.securityContext: runAsNonRoot is true"
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    containers = pod.get("initContainers", []) + pod["containers"]
    for name in twice([c["name"] for c in containers]) + twice([v["name"] for v in pod.get("volumes", [])]):
        yield f"{where}: {name} is there twice"
    for container in containers:
        is_sidecar = container.get("restartPolicy") == "Always"
        yield from container_mistakes(container, f"{where}.{container['name']}", volumes, is_sidecar)
    for container in pod["containers"]:
        if "restartPolicy" in container:
            yield f"{where}.{container['name']}.restartPolicy: only an init container has one of its own"
    used = {mount["name"] for c in containers for mount in c.get("volumeMounts", [])}
    for name in sorted(set(volumes) - used):
        yield f"{where}.volumes: nothing mounts {name}"
    maps = {m["metadata"]["name"]: m for m in by_kind.get("ConfigMap", [])}
    claims = {m["metadata"]["name"] for m in by_kind.get("PersistentVolumeClaim", [])}
    for volume in volumes.values():
        name = volume.get("configMap", {}).get("name")
        if name is not None and name not in maps:
            yield f"{where}.volumes: there is no ConfigMap {name}"
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim is not None and claim not in claims:
            yield f"{where}.volumes: there is no PersistentVolumeClaim {claim}"
        if claim is not None and spec.get("strategy", {}).get("type") != "Recreate":
            yield f"{where}.strategy: two pods cannot have one journal; expected Recreate"
        if name in maps:
            for key, text in maps[name]["data"].items():
                if drain_ms(text) >= pod["terminationGracePeriodSeconds"] * 1000:
                    yield f"{where}.terminationGracePeriodSeconds: {key} drains for {drain_ms(text)} ms, which is longer"
            for container in containers:
                for mount in container.get("volumeMounts", []):
                    wanted = [a for a in container.get("args", []) if a.startswith(mount["mountPath"] + "/")]
                    for argument in wanted if mount["name"] == volume["name"] else []:
                        if os.path.basename(argument) not in maps[name]["data"]:
                            yield f"{where}.{container['name']}.args: {argument} is not in ConfigMap {name}"


def together(documents):
    by_kind = {}
    for document in documents:
        by_kind.setdefault(document["kind"], []).append(document)
    deployments = by_kind.get("Deployment", [])
    pods = [(d["spec"]["template"]["metadata"]["labels"], d["spec"]["template"]["spec"]) for d in deployments]

    def ports_of(selector):
        chosen = [pod for labels, pod in pods if selector.items() <= labels.items()]
        if not chosen or not selector:
            return None
        return {p[key] for pod in chosen for c in pod.get("initContainers", []) + pod["containers"]
                for p in c.get("ports", []) for key in ("name", "containerPort")}

    for deployment in deployments:
        yield from deployment_mistakes(deployment, by_kind)
    users = [(f"Service {s['metadata']['name']}", s["spec"]["selector"],
              [p.get("targetPort", p["port"]) for p in s["spec"]["ports"]]) for s in by_kind.get("Service", [])]
    users += [(f"NetworkPolicy {n['metadata']['name']}", n["spec"]["podSelector"].get("matchLabels", {}),
               [p["port"] for rule in n["spec"].get("ingress", []) for p in rule["ports"]]) for n in by_kind.get("NetworkPolicy", [])]
    users += [(f"PodMonitor {m['metadata']['name']}", m["spec"]["selector"].get("matchLabels", {}),
               [e["port"] for e in m["spec"]["podMetricsEndpoints"]]) for m in by_kind.get("PodMonitor", [])]
    for who, selector, wanted in users:
        offered = ports_of(selector)
        if offered is None:
            yield f"{who}: its selector chooses no pod"
            continue
        for port in wanted:
            if port not in offered:
                yield f"{who}: the pods it chooses have no port {port}"


def compose_mistakes(document):
    services, volumes = document["services"], set(document.get("volumes", {}))
    for name, service in services.items():
        if not service["read_only"] or service["cap_drop"] != ["ALL"] or "no-new-privileges:true" not in service["security_opt"]:
            yield f"services.{name}: read_only, cap_drop ALL and no-new-privileges are for every service"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if not source.startswith((".", "/")) and source not in volumes:
                yield f"services.{name}.volumes: {source} is not below volumes"
        for other, how in service.get("depends_on", {}).items():
            if other not in services:
                yield f"services.{name}.depends_on: there is no service {other}"
            elif how["condition"] == "service_healthy" and services[other].get("healthcheck", {}).get("disable"):
                yield f"services.{name}.depends_on: {other} has no health check"
        mode = service.get("network_mode", "")
        if mode.startswith("service:"):
            if mode[8:] not in services:
                yield f"services.{name}.network_mode: there is no service {mode[8:]}"
            if service.get("ports"):
                yield f"services.{name}.ports: belong to {mode[8:]}, whose network it shares"


# ---- files -----------------------------------------------------------------------------------------------------------------


def files_of(arguments):
    for argument in arguments:
        if not os.path.isdir(argument):
            yield argument
            continue
        for folder, _, names in sorted(os.walk(argument)):
            patches = set()
            if "kustomization.yaml" in names:
                with open(os.path.join(folder, "kustomization.yaml"), encoding="utf-8") as file:
                    patches = {p.get("path") for p in (yaml.safe_load(file) or {}).get("patches", [])}
            # A patch is no whole manifest; what comes out of it is checked where kustomize is.
            yield from (os.path.join(folder, n) for n in sorted(names) if n.endswith(".yaml") and n not in patches)


def kustomization_mistakes(file, document):
    here = os.path.dirname(file)
    for name in document["resources"] + [p["path"] for p in document.get("patches", [])]:
        if not os.path.exists(os.path.join(here, name)):
            yield f"resources: there is no {name}"


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("--"):
        print(__doc__, file=sys.stderr)
        return 64
    wrong, whole, count = [], {}, 0
    for file in files_of(sys.argv[1:]):
        with sys.stdin if file == "-" else open(file, encoding="utf-8") as stream:
            documents = [d for d in yaml.safe_load_all(stream) if d is not None]
        if not documents:
            wrong.append(f"{file}: is empty")
        for document in documents:
            count += 1
            if "services" in document:
                found = list(mistakes(COMPOSE, document, "")) or list(compose_mistakes(document))
                wrong += [f"{file}: {what}" for what in found]
                continue
            kind = f"{document.get('apiVersion')} {document.get('kind')}"
            if kind not in KINDS:
                wrong.append(f"{file}: no schema of {kind}")
                continue
            content = {key: value for key, value in document.items() if key not in ("apiVersion", "kind")}
            found = list(mistakes(KINDS[kind], content, document["kind"]))
            if document["kind"] == "Kustomization":
                found = found or list(kustomization_mistakes(file, document))
            elif not found:
                whole.setdefault(os.path.dirname(file), []).append(document)
            wrong += [f"{file}: {what}" for what in found]
    if not wrong:
        for folder, documents in whole.items():
            # A folder without a Deployment adds to one that has it.
            if any(d["kind"] == "Deployment" for d in documents):
                wrong += [f"{folder or '-'}: {what}" for what in together(documents)]
    for what in wrong:
        print(what)
    print(f"manifests: {count} documents, {len(wrong)} to mend")
    return 1 if wrong or count == 0 else 0


sys.exit(main())
