#!/usr/bin/env python3
"""What Postern is made of: held against known holes, allowed licences and bans, and written down.

    supply-chain/check.py            checks Cargo.lock, what cargo knows of it, and docs/licences.md
    supply-chain/check.py licences   prints docs/licences.md
    supply-chain/check.py sbom       prints a bill of materials (CycloneDX 1.5, JSON); SOURCE_DATE_EPOCH is its time

Works without a network. The rules are in policy.toml, the known holes in advisories.toml.
"""
import datetime, json, os, pathlib, re, subprocess, sys, tomllib

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent
# What a release is built for; crates of other systems are in the lock file and not in it.
TARGET = "x86_64-unknown-linux-gnu"


def version_key(text):
    """Orders versions (SemVer 2.0.0, section 11, as far as versions of the lock file need it)."""
    plain, _, before = text.split("+")[0].partition("-")
    numbers = [int(part) for part in plain.split(".")]
    pieces = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in before.split(".")) if before else ()
    return tuple(numbers + [0] * (3 - len(numbers))), not before, pieces


def fits(version, requirement):
    """Whether a version meets a requirement as the advisories write them: `>= 1.2, < 2`, `^0.3.26`."""
    found = version_key(version)
    for part in requirement.split(","):
        sign, wanted = re.fullmatch(r"\s*(>=|<=|>|<|=|\^)\s*(\S+)\s*", part).groups()
        bound = version_key(wanted)
        if sign == "^":
            first = next((at for at, number in enumerate(bound[0]) if number), 2)
            ok = found >= bound and found[0][:first + 1] == bound[0][:first + 1]
        else:
            ok = {">=": found >= bound, "<=": found <= bound, ">": found > bound, "<": found < bound, "=": found == bound}[sign]
        if not ok:
            return False
    return True


def known_holes(packages, advisories, accepted):
    """Yields a sentence for each advisory that a package of the lock file falls under."""
    for advisory in advisories:
        for name, version in packages:
            sound = advisory.get("patched", []) + advisory.get("unaffected", [])
            if name == advisory["package"] and advisory["id"] not in accepted and not any(fits(version, r) for r in sound):
                yield f"{name} {version} falls under {advisory['id']}: {advisory['about']}"


def stale(packages, advisories, accepted):
    """An exception that excepts nothing any more hides the next one."""
    hit = {sentence.split()[4].rstrip(":") for sentence in known_holes(packages, advisories, ())}
    return [f"policy.toml accepts {name}, which nothing falls under any more" for name in accepted if name not in hit]


def is_allowed(expression, allowed):
    """Whether an SPDX expression can be met with the allowed licences alone; a slash is an old way to write OR."""
    words = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def either():
        value = both()
        while words and words[0] == "OR":
            words.pop(0)
            value = both() or value
        return value

    def both():
        value = one()
        while words and words[0] == "AND":
            words.pop(0)
            value = one() and value
        return value

    def one():
        word = words.pop(0)
        if word == "(":
            value = either()
            words.pop(0)
            return value
        if words and words[0] == "WITH":
            words.pop(0)
            word += " WITH " + words.pop(0)
        return word in allowed

    return either() and not words


def locked(path):
    """Packages of a lock file that come from a registry, and the sources of all."""
    lock = tomllib.loads(path.read_text())["package"]
    return [(p["name"], p["version"]) for p in lock if "source" in p], {p["source"] for p in lock if "source" in p}


def metadata():
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET]
    return json.loads(subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, check=True).stdout)


def shipped(known):
    """What is linked into the binary: neither macros nor what only builds or tests."""
    packages = {package["id"]: package for package in known["packages"]}
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    found, left = set(), [p["id"] for p in known["packages"] if p["name"] == "postern"]
    while left:
        current = left.pop()
        if current in found or any("proc-macro" in target["kind"] for target in packages[current]["targets"]):
            continue
        found.add(current)
        left += [d["pkg"] for d in nodes[current]["deps"] if any(kind["kind"] is None for kind in d["dep_kinds"])]
    return sorted((packages[each] for each in found), key=lambda p: (p["name"], version_key(p["version"])))


def licences(packages):
    lines = ["# Licences of what is in the binary", "",
             f"Written by `supply-chain/check.py licences`; `./test` holds it against `Cargo.lock`. {len(packages)} crates, linked for",
             f"`{TARGET}`. SQLite, which `libsqlite3-sys` carries, is in the public domain.", "", "| crate | version | licence |", "|---|---|---|"]
    lines += [f"| {p['name']} | {p['version']} | {p['license']} |" for p in packages]
    return "\n".join(lines) + "\n"


def sbom(packages, known, lock):
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.loads(lock.read_text())["package"]}
    linked = {package["id"] for package in packages}

    def ref(package):
        return f"pkg:cargo/{package['name']}@{package['version']}"
    by_id = {package["id"]: package for package in packages}

    def component(package):
        made = {"type": "library", "bom-ref": ref(package), "name": package["name"], "version": package["version"],
                "purl": ref(package), "licenses": [{"expression": package["license"].replace("/", " OR ")}]}
        checksum = checksums.get((package["name"], package["version"]))
        return made | ({"hashes": [{"alg": "SHA-256", "content": checksum}]} if checksum else {})
    top = next(package for package in packages if package["name"] == "postern")
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    time = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"timestamp": time, "component": component(top) | {"type": "application"}},
        "components": [component(package) for package in packages if package is not top],
        "dependencies": [{"ref": ref(by_id[node["id"]]), "dependsOn": sorted({ref(by_id[d["pkg"]]) for d in node["deps"] if d["pkg"] in linked})}
                         for node in known["resolve"]["nodes"] if node["id"] in linked],
    }, indent=1) + "\n"


def problems():
    policy = tomllib.loads((HERE / "policy.toml").read_text())
    advisories = tomllib.loads((HERE / "advisories.toml").read_text())["advisory"]
    accepted = policy["accepted"]
    packages, sources = locked(REPOSITORY / "Cargo.lock")
    fuzzed = dict(locked(REPOSITORY / "fuzz/Cargo.lock")[0])
    known = metadata()
    linked = shipped(known)
    yield from known_holes(packages, advisories, accepted)
    yield from stale(packages, advisories, accepted)
    yield from (f"{source} is another source than policy.toml allows" for source in sources - set(policy["sources"]))
    yield from (f"{name} {version}: {policy['banned'][name]}" for name, version in packages if name in policy["banned"])
    for package in known["packages"]:
        if not is_allowed(package["license"] or "none", policy["licences"]):
            yield f"{package['name']} {package['version']} has the licence {package['license']}, which policy.toml does not allow"
    if len(linked) > policy["most_crates"]:
        yield f"{len(linked)} crates are linked into the binary; policy.toml allows {policy['most_crates']}: is the new one worth it?"
    names = [package["name"] for package in linked]
    for name in sorted({name for name in names if names.count(name) > 1} - set(policy["twice"]) - set(policy["twice_for_age"])):
        yield f"{name} is linked into the binary in two versions, which policy.toml does not know"
    for name in ("age", "jsonwebtoken", "toml", "x509-parser"):
        if (name, fuzzed.get(name)) not in packages:
            yield f"fuzz/Cargo.lock has {name} {fuzzed.get(name)}, which is not what Cargo.lock has: what is fuzzed is what is shipped"
    if (REPOSITORY / "docs/licences.md").read_text() != licences(linked):
        yield "docs/licences.md is old: supply-chain/check.py licences > docs/licences.md"


def main(arguments):
    match arguments:
        case []:
            found = list(problems())
            print("\n".join(found) or "what Postern is made of is as supply-chain/policy.toml allows")
            return 1 if found else 0
        case ["licences"]:
            print(licences(shipped(metadata())), end="")
        case ["sbom"]:
            known = metadata()
            print(sbom(shipped(known), known, REPOSITORY / "Cargo.lock"), end="")
        case _:
            print(__doc__, file=sys.stderr)
            return 64
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
