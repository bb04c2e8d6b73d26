#!/usr/bin/python3
"""A service of deploy/compose.yaml as the arguments of `podman run`, one a line, so that it can be tried where there is no
compose: the image, its command and all that is taken from it. Ports and depends_on are left to the caller.
usage: tests/deploy/compose.py SERVICE IMAGE NETWORK"""
import json
import sys

import yaml


def unescaped(text):
    return text.replace("$$", "$")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    name, image, network = sys.argv[1:]
    with open("deploy/compose.yaml", encoding="utf-8") as file:
        service = yaml.safe_load(file)["services"][name]
    mode = service.get("network_mode", "")
    arguments = ["--network", "container:" + mode[8:] if mode.startswith("service:") else network, "--user", service["user"],
                 "--memory", service["mem_limit"], "--cpus", str(service["cpus"]), "--pids-limit", str(service["pids_limit"])]
    arguments += ["--read-only"] if service["read_only"] else []
    for capability in service["cap_drop"]:
        arguments += ["--cap-drop", capability]
    for option in service["security_opt"]:
        arguments += ["--security-opt", option.removesuffix(":true")]
    for volume in service.get("volumes", []):
        arguments += ["-v", volume]
    if service.get("healthcheck", {}).get("disable"):
        arguments.append("--no-healthcheck")
    else:
        arguments += ["--health-interval", "disable"]
    if "entrypoint" in service:
        arguments += ["--entrypoint", json.dumps(service["entrypoint"])]
    # A line of its own for each: what holds line ends is quoted for the shell that reads it.
    for argument in arguments + [image] + [unescaped(word) for word in service.get("command", [])]:
        print("'" + argument.replace("'", "'\\''") + "'")


main()
