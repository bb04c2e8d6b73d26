#!/usr/bin/python3
"""Compares an SPDX list with what is in the image. Standard input: lines 'package NAME VERSION', 'needs NAME' (packages of
the libraries that the programs load), 'sum SHA256 FILE', then a line 'sbom' and the list."""
import json
import re
import sys


def main():
    truth, _, text = sys.stdin.read().partition("\nsbom\n")
    packages, needed, sums = {}, set(), {}
    for line in truth.splitlines():
        kind, name, *rest = line.split()
        if kind == "package":
            packages[name] = rest[0]
        elif kind == "needs":
            needed.add(name)
        elif kind == "sum":
            sums["." + rest[0]] = name
    document = json.loads(text)
    wrong = []

    def must(condition, what):
        if not condition:
            wrong.append(what)

    must(len(packages) > 50 and len(needed) > 5 and len(sums) == 2, "the image told too little to compare with")
    for key, value in (("spdxVersion", "SPDX-2.3"), ("dataLicense", "CC0-1.0"), ("SPDXID", "SPDXRef-DOCUMENT")):
        must(document.get(key) == value, f"{key} is {document.get(key)!r}")
    must(re.fullmatch(r"https://\S+[0-9a-f]{32}", document["documentNamespace"]), "documentNamespace")
    must(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["creationInfo"]["created"]), "created")
    must(document["creationInfo"]["creators"], "creators")

    elements = document["packages"] + document["files"]
    names = [element["SPDXID"] for element in elements]
    must(len(names) == len(set(names)), "an SPDXID is there twice")
    for name in names:
        must(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", name), f"SPDXID {name}")
    known = set(names) | {"SPDXRef-DOCUMENT"}
    edges = set()
    for r in document["relationships"]:
        must({r["spdxElementId"], r["relatedSpdxElement"]} <= known, f"a relationship to what is not there: {r}")
        edges.add((r["spdxElementId"], r["relationshipType"], r["relatedSpdxElement"]))
    must(("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image") in edges, "nothing is described")

    listed = {}
    for package in document["packages"]:
        for key in ("name", "downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText", "versionInfo"):
            must(package.get(key), f"{package['SPDXID']} has no {key}")
        if not package["SPDXID"].startswith("SPDXRef-deb-"):
            continue
        listed[package["name"]] = package["versionInfo"]
        must(("SPDXRef-image", "CONTAINS", package["SPDXID"]) in edges, f"{package['name']} is contained in nothing")
        purl = package["externalRefs"][0]["referenceLocator"]
        must(re.fullmatch(r"pkg:deb/debian/[A-Za-z0-9.%-]+@[A-Za-z0-9.%~-]+\?arch=(amd64|arm64|all)&distro=trixie", purl),
             f"purl {purl}")
    must(listed == packages, f"packages differ: {sorted(set(listed.items()) ^ set(packages.items()))}")
    must(needed <= set(listed), f"libraries of packages that are not listed: {needed - set(listed)}")
    files = {f["fileName"]: {c["algorithm"]: c["checksumValue"] for c in f["checksums"]} for f in document["files"]}
    must({name: sums_of["SHA256"] for name, sums_of in files.items()} == sums, "hashes of the programs differ")
    must(all(len(sums_of["SHA1"]) == 40 for sums_of in files.values()), "SPDX wants a SHA1 of each file")

    for what in wrong:
        print("sbom: " + what)
    print(f"sbom: {len(listed)} Debian packages, {len(needed)} of them loaded by the programs, {len(files)} files")
    return 1 if wrong else 0


sys.exit(main())
