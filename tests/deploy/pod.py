#!/usr/bin/python3
"""The pod of deploy/kubernetes/base as one that `podman kube play` can run: podman 4 knows neither native sidecars, whose
init container would have to end, nor probes of HTTP without curl in the image, nor Deployments with these. So trove
becomes the first of two containers, without probes, hooks and the ports that no network is there for; all else stays.
usage: tests/deploy/pod.py IMAGE"""
import sys

import yaml

folder = "deploy/kubernetes/base/"


def read(name):
    with open(folder + name, encoding="utf-8") as file:
        return yaml.safe_load(file)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    deployment = read("deployment.yaml")
    template = deployment["spec"]["template"]
    spec = template["spec"]
    sidecars = spec.pop("initContainers")
    spec["containers"] = sidecars + spec["containers"]
    for container in spec["containers"]:
        for key in ("ports", "restartPolicy", "startupProbe", "livenessProbe", "readinessProbe", "lifecycle"):
            container.pop(key, None)
        container["image"] = sys.argv[1]
        container["imagePullPolicy"] = "Never"
        for kind in container["resources"].values():
            kind.pop("ephemeral-storage", None)
    spec["restartPolicy"] = "Never"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": deployment["metadata"]["name"], "labels": template["metadata"]["labels"]},
        "spec": spec,
    }
    yaml.safe_dump_all([read("configmap.yaml"), pod], sys.stdout, sort_keys=False)


main()
