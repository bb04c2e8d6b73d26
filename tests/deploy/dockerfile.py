#!/usr/bin/python3
"""Checks a Dockerfile against rules like those of hadolint (their numbers are said) and against what older builders do not
take. usage: tests/deploy/dockerfile.py DOCKERFILE TREE
TREE is the folder that it is built in. Prints FILE:LINE: what is wrong; exit code 1 if there is something, 64 for wrong use."""
import json
import os
import re
import sys


def instructions(text):
    """(line number, NAME, the rest with its continued lines joined, without comments)."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line, first = lines[at].strip(), at + 1
        at += 1
        if not line or line.startswith("#"):
            continue
        while line.endswith("\\") and at < len(lines):
            more = lines[at].strip()
            at += 1
            if not more.startswith("#"):
                line = line[:-1] + " " + more
        name, _, rest = line.partition(" ")
        yield first, name, rest.strip()


def words(rest):
    return [word for word in rest.split() if not word.startswith("--")]


def is_exec_form(rest):
    try:
        value = json.loads(rest)
    except ValueError:
        return False
    return isinstance(value, list) and value and all(isinstance(item, str) for item in value)


def is_ignored(path, patterns):
    return any(path == p or path.startswith(p.rstrip("/") + "/") for p in patterns)


KNOWN = "ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL RUN SHELL STOPSIGNAL USER VOLUME WORKDIR".split()


def run_mistakes(rest):
    if "<<" in rest:
        yield "a heredoc, which buildah 1.28 does not know"
    if re.match(r"--mount", rest):
        yield "RUN --mount, with which buildah 1.28 removes folders from the image"
    if re.search(r"\bsudo\b", rest):
        yield "sudo (DL3004)"
    if re.search(r"(^|&& |; )cd ", rest):
        yield "cd instead of WORKDIR (DL3003)"
    if re.search(r"(^|[^|])\|([^|]|$)", re.sub(r"'[^']*'|\"[^\"]*\"", "", rest)):
        yield "a pipe, whose first command may fail unseen (DL4006)"
    if re.search(r"\bapt (install|update|upgrade)", rest):
        yield "apt instead of apt-get (DL3027)"
    if re.search(r"\bapt-get\b.*\b(dist-upgrade|upgrade)\b", rest):
        yield "an upgrade, which no two builds share (DL3005)"
    if re.search(r"\bcurl\b|\bwget\b", rest):
        yield "a download beside the packages"
    if "apt-get" in rest:
        install = re.search(r"apt-get\s+(-\S+\s+)*install([^&]*)", rest)
        if install is None:
            yield "apt-get update without install in the same RUN (DL3009)"
        else:
            if "--no-install-recommends" not in install.group(2):
                yield "apt-get install without --no-install-recommends (DL3015)"
            if not re.search(r"(^|\s)(-y|-yy|-qq|--yes|-qy|-yq)\b", install.group(2)):
                yield "apt-get install that asks (DL3014)"
            if "update" not in rest:
                yield "apt-get install without update in the same RUN"
            if "deploy/packages" not in install.group(2) and "trove/packages" not in install.group(2):
                yield "packages that are not of deploy/packages"
        if "rm -rf /var/lib/apt/lists/*" not in rest:
            yield "package lists stay in the layer (DL3009)"


def mistakes(text, tree):
    stages, in_stage, ignored = [], {}, []
    environment, exposed, volumes = {}, set(), set()
    try:
        with open(os.path.join(tree, ".dockerignore"), encoding="utf-8") as file:
            ignored = [p.strip() for p in file if p.strip() and not p.startswith("#") and "*" not in p]
    except OSError:
        yield 1, "there is no .dockerignore beside it"
    if re.match(r"#\s*syntax\s*=", text):
        yield 1, "a syntax line, for which a registry must be reached"
    last = 1
    for line, name, rest in instructions(text):
        last = line
        if name == "ADD":
            yield line, "ADD instead of COPY (DL3020)"
            continue
        if name == "MAINTAINER":
            yield line, "MAINTAINER, which is a label now (DL4000)"
            continue
        if name not in KNOWN:
            yield line, f"{name} is no instruction in capital letters"
            continue
        if name == "FROM":
            image, *alias = words(rest)
            alias = alias[1] if len(alias) == 2 and alias[0].upper() == "AS" else None
            if image not in stages and not re.search(r":(?!latest$)[\w.-]+$|@sha256:", image):
                yield line, f"{image} without a tag of its own (DL3006, DL3007)"
            if image not in stages and image != "debian:trixie-slim":
                yield line, f"{image}; everything is built and shipped on debian:trixie-slim"
            if alias is None or alias in stages:
                yield line, "a stage without a name of its own (DL3024)"
            stages.append(alias)
            in_stage, environment, exposed, volumes = {}, {}, set(), set()
            continue
        if not stages and name != "ARG":
            yield line, f"{name} before FROM"
        if name in ("CMD", "ENTRYPOINT", "HEALTHCHECK", "STOPSIGNAL") and name in in_stage:
            yield line, f"{name} twice in one stage (DL4003, DL4004)"
        in_stage.setdefault(name, []).append((line, rest))
        if name == "RUN":
            for what in run_mistakes(rest):
                yield line, what
        elif name in ("CMD", "ENTRYPOINT") and not is_exec_form(rest):
            yield line, f"{name} in shell form: the shell would be process 1 and keep signals to itself (DL3025)"
        elif name == "HEALTHCHECK" and not is_exec_form(rest.partition("CMD ")[2]):
            yield line, "HEALTHCHECK without CMD in exec form"
        elif name == "WORKDIR" and not rest.startswith("/"):
            yield line, "WORKDIR that is no absolute path (DL3000)"
        elif name == "EXPOSE":
            for port in rest.split():
                exposed.add(port)
                if not port.isdigit() or not 0 < int(port) < 65536:
                    yield line, f"{port} is no port (DL3011)"
        elif name == "ENV":
            environment.update(pair.split("=", 1) for pair in rest.split() if "=" in pair)
        elif name == "VOLUME":
            volumes.update(json.loads(rest) if is_exec_form(rest) else rest.split())
        elif name == "COPY":
            stage = re.search(r"--from=(\S+)", rest)
            *sources, target = words(rest)
            if stage and stage.group(1) not in stages[:-1]:
                yield line, f"COPY --from={stage.group(1)}: no stage before this one is called so (DL3022)"
            if len(sources) > 1 and not target.endswith("/"):
                yield line, "COPY of several files to what does not end in / (DL3021)"
            if not stage:
                for source in sources:
                    if source != "." and not os.path.exists(os.path.join(tree, source)):
                        yield line, f"there is no {source} to copy"
                    elif is_ignored(source, ignored):
                        yield line, f"{source} is in .dockerignore"
    # ---- the last stage is the image
    users = in_stage.get("USER", [])
    if not users or not re.fullmatch(r"[1-9][0-9]*(:[1-9][0-9]*)?", users[-1][1]):
        yield last, "the image's user is not a number above 0 (DL3002)"
    for name in ("ENTRYPOINT", "HEALTHCHECK", "STOPSIGNAL", "EXPOSE", "VOLUME", "WORKDIR", "LABEL"):
        if name not in in_stage:
            yield last, f"the image has no {name}"
    listened = {port for key, value in environment.items() if key.startswith("TROVE_") for port in re.findall(r":(\d+)\b", value)}
    if listened != exposed:
        yield last, f"EXPOSE says {sorted(exposed)}, the environment listens on {sorted(listened)}"
    if "0.0.0.0" in environment.get("TROVE_ADMIN_LISTEN", "0.0.0.0"):
        yield last, "TROVE_ADMIN_LISTEN is not said, or for everybody"
    folders = set(re.findall(r"(?:ipc://|unix:)(/[^,\] ]*)/[^/,\] ]+", " ".join(environment.values())))
    folders.add(environment.get("TROVE_DATA_DIRECTORY", "/"))
    if folders != volumes:
        yield last, f"VOLUME says {sorted(volumes)}, the environment writes into {sorted(folders)}"
    label = " ".join(rest for _, rest in in_stage.get("LABEL", []))
    for key in ("title", "description", "licenses", "version", "created", "base.name"):
        if f"org.opencontainers.image.{key}=" not in label:
            yield last, f"no label org.opencontainers.image.{key}"


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 64
    with open(sys.argv[1], encoding="utf-8") as file:
        found = list(mistakes(file.read(), sys.argv[2]))
    for line, what in found:
        print(f"{sys.argv[1]}:{line}: {what}")
    return 1 if found else 0


sys.exit(main())
