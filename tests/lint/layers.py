#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Include lint: which layer may include what (the table in docs/architecture.md, mirrored below)."""
import dataclasses
import re

import tree

PURE = ("base", "stun", "auth", "turn", "signal", "dialect")
ALL = PURE + ("config", "net", "metrics", "admin", "offload", "app")


# Boost's hash tables are to us what the standard library's are.
CONTAINERS = ("boost/container/deque.hpp", "boost/unordered/", "boost/unordered_map.hpp", "boost/unordered_set.hpp")


@dataclasses.dataclass(frozen=True)
class Layer:
    """What the files of a layer may include besides the layer itself and the standard library."""
    layers: tuple = ()
    leaves: str = ""        # this public header of any layer
    third_party: tuple = ()  # prefixes of <...> names; CONTAINERS are everybody's
    not_these: tuple = ()   # prefixes taken out of third_party again
    system: bool = False    # POSIX and Linux headers


TABLE = {
    "base": Layer(third_party=("openssl/", "boost/", "unictype.h", "uninorm.h", "unistr.h"),
                  not_these=("boost/asio", "boost/beast", "openssl/ssl", "openssl/tls", "openssl/dtls", "openssl/bio",
                             "openssl/rand", "boost/thread", "boost/atomic", "boost/lockfree", "boost/interprocess",
                             "boost/fiber", "boost/chrono", "boost/process", "boost/filesystem", "boost/log")),
    "stun": Layer(layers=("base",)),
    "auth": Layer(layers=("base", "stun"), third_party=("nlohmann/",)),
    "turn": Layer(layers=("base", "stun", "auth")),
    "signal": Layer(layers=("base", "auth")),
    "dialect": Layer(layers=("base", "signal"), third_party=("nlohmann/",)),
    "config": Layer(layers=("base",), leaves="options.hpp", third_party=("yaml-cpp/",), system=True),
    "net": Layer(layers=PURE, third_party=("boost/", "openssl/"), system=True),
    "metrics": Layer(layers=("base",), leaves="counters.hpp", third_party=("prometheus/",)),
    "admin": Layer(layers=("base", "config", "metrics"), third_party=("nlohmann/",)),
    "offload": Layer(layers=("base", "turn"), third_party=("bpf/",), system=True),
    # app composes: besides the table's CLI11 and spdlog it may name what the layers below hand out.
    "app": Layer(layers=ALL, third_party=("CLI/", "spdlog/", "fmt/", "nlohmann/", "boost/asio", "boost/system",
                                          "openssl/"), system=True),
}

# Standard headers that a pure layer may not include: threads, clocks of the C library, files, streams, chance.
IMPURE = {
    "mutex", "shared_mutex", "thread", "atomic", "condition_variable", "future", "semaphore", "latch", "barrier",
    "stop_token", "iostream", "fstream", "istream", "ostream", "syncstream", "filesystem", "random", "csignal", "cstdio",
    "ctime", "print",
}
# The C library's names that are standard headers without being C++'s spelling: never in our own code.
C_SPELLED = {"assert.h", "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "locale.h", "math.h", "setjmp.h",
             "stddef.h", "stdint.h", "stdlib.h", "string.h", "wchar.h"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:<([^>\n]+)>|"([^"\n]+)")', re.MULTILINE)
STANDARD = re.compile(r"^[a-z_0-9]+$")
COMMENT = re.compile(r"//[^\n]*|/\*(?:.|\n)*?\*/")


def layer_of(path):
    parts = path.parts
    if parts[:2] == ("include", "turnstone") and len(parts) > 3:
        return parts[2]
    if parts[0] == "src" and len(parts) > 2 and parts[1] not in ("cmake", "web"):
        return parts[1]
    return None


def includes(text):
    """Yields (line number, <name> or None, "name" or None)."""
    without = COMMENT.sub(lambda match: "\n" * match.group(0).count("\n"), text)
    for match in INCLUDE.finditer(without):
        yield without.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def check_angled(path, layer, name):
    """Why a file may not include <name>; nothing when it may."""
    rule = TABLE[layer]
    leaf = path.parts[0] == "include" and path.name in ("options.hpp", "counters.hpp")
    if name.startswith("turnstone/"):
        other, _, header = name[len("turnstone/"):].partition("/")
        if other not in TABLE:
            return f"no layer {other}"
        if leaf and other != "base":
            return f"{path.name} is a leaf: it includes only base"
        if other == layer or other in rule.layers or (rule.leaves and header == rule.leaves):
            return None
        return f"{layer} may not include {other}" + (f" (only its {rule.leaves})" if rule.leaves else "")
    if STANDARD.match(name):
        if layer in PURE and name in IMPURE:
            return f"{layer} is a pure layer: no <{name}>"
        return None
    if leaf:
        return f"{path.name} is a leaf: it includes only base and the standard library"
    if name in C_SPELLED:
        return f"<{name}>: use C++'s spelling"
    if name.startswith(CONTAINERS):
        return None
    if name.startswith(rule.third_party) and not (rule.not_these and name.startswith(rule.not_these)):
        return None
    if rule.system and re.match(r"^([a-z_0-9]+\.h|(sys|net|netinet|arpa|linux|asm)/[a-z_0-9./-]+\.h)$", name):
        return None
    return f"{layer} may not include <{name}>" + (" (a pure layer)" if layer in PURE else "")


def check_quoted(root, path, layer, name):
    """Why a file may not include "name"; nothing when it may."""
    if path.parts[0] == "include":
        return f'"{name}": a public header includes <...> only'
    for folder in (path.parent, tree.pathlib.Path("src") / layer):
        target = (root / folder / name)
        if target.is_file():
            resolved = target.resolve().relative_to(root.resolve())
            if resolved.parts[:2] == ("src", layer):
                return None
            return f'"{name}" leaves src/{layer}; other layers are included as <turnstone/...>'
    return f'"{name}" is no file of src/{layer}'


def check_documented(root):
    """The table in the document and the table here are the same."""
    document = root / "docs/architecture.md"
    if not document.is_file():
        return
    rows = {}
    for line in document.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and cells[0] in TABLE:
            rows[cells[0]] = cells[2]
    for layer, rule in TABLE.items():
        if layer not in rows:
            yield f"docs/architecture.md: no row for layer {layer}"
            continue
        words = set(re.findall(r"[a-z_]+(?:\.hpp)?", rows[layer]))
        named = {word for word in words if word in TABLE}
        if "all" in words:
            named |= set(PURE) if "pure" in words else set(ALL)
        leaves = next((word for word in words if word.endswith(".hpp")), "")
        if named != set(rule.layers) or leaves != rule.leaves:
            yield f"docs/architecture.md: the row of {layer} and tests/lint/layers.py differ"


def main():
    options = tree.arguments(__doc__)
    problems, count = list(check_documented(options.root)), 0
    for path in tree.files(options.root):
        layer = layer_of(path)
        if layer is None or path.suffix not in tree.CPP:
            continue
        if layer not in TABLE:
            problems.append(f"{path}: no layer {layer}")
            continue
        count += 1
        for line, angled, quoted in includes(tree.text_of(options.root / path) or ""):
            why = check_angled(path, layer, angled) if angled else check_quoted(options.root, path, layer, quoted)
            if why:
                problems.append(f"{path}:{line}: {why}")
    tree.finish("layers", problems, f"{count} files")


if __name__ == "__main__":
    main()
