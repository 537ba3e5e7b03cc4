#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-tidy over src/, several files at once.

By default the pure layers, and of the others what differs from the merge base with the main branch, without the static
analyzer, which takes longer than all the rest; --all takes every file and every check. A file that passed is not checked again until it, a header of ours, .clang-tidy or the tool changes.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import layers
import tree

MAIN_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


def add_options(parser):
    parser.add_argument("build", type=pathlib.Path, help="a build folder of clang with compile_commands.json")
    parser.add_argument("--all", action="store_true", help="every file of src/")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)


def changed(root):
    """The files that differ from the merge base with the main branch; nothing known is an empty set."""
    for branch in MAIN_BRANCHES:
        base = subprocess.run(["git", "-C", str(root), "merge-base", "HEAD", branch], capture_output=True, text=True,
                              check=False)
        if base.returncode == 0:
            names = subprocess.run(["git", "-C", str(root), "diff", "--name-only", base.stdout.strip()],
                                   capture_output=True, text=True, check=False)
            return set(names.stdout.splitlines())
    return set()


def commands(build):
    path = build / "compile_commands.json"
    if not path.is_file():
        tree.skip("tidy", f"no compile_commands.json in {build.name}")
    return {pathlib.Path(entry["file"]).resolve(): entry for entry in json.loads(path.read_text(encoding="utf-8"))}


def shared_digest(root, tool):
    """What every file's result depends on."""
    digest = hashlib.sha256(subprocess.run([tool, "--version"], capture_output=True, check=True).stdout)
    for path in tree.files(root):
        if path.name == ".clang-tidy" or (path.suffix in tree.CPP[1:] and path.parts[0] in ("src", "include")):
            digest.update(str(path).encode() + (root / path).read_bytes())
    return digest.digest()


def main():
    options = tree.arguments(__doc__, add_options)
    tool = shutil.which("clang-tidy") or tree.skip("tidy", "clang-tidy is not installed")
    compiled = commands(options.build.resolve())
    sources = [path for path in tree.files(options.root)
               if path.suffix == ".cpp" and path.parts[0] == "src" and (options.root / path).resolve() in compiled]
    if not options.all:
        differing = changed(options.root)
        sources = [path for path in sources if layers.layer_of(path) in layers.PURE or path.as_posix() in differing]
    if not sources:
        tree.skip("tidy", "no file of src/ is compiled")
    command = [tool, "-p", str(options.build), "--quiet", "--extra-arg=-Wno-unknown-warning-option"]
    if not options.all:
        command.append("--checks=-clang-analyzer-*")
    cache = options.build / "tidy-passed"
    cache.mkdir(exist_ok=True)
    shared = shared_digest(options.root, tool) + " ".join(command).encode()
    started = time.monotonic()

    def check(path):
        full = (options.root / path).resolve()
        key = hashlib.sha256(shared + full.read_bytes() + json.dumps(compiled[full], sort_keys=True).encode()).hexdigest()
        if (cache / key).exists():
            return path, True, "", 0.0
        begun = time.monotonic()
        result = subprocess.run([*command, str(full)], capture_output=True, text=True, check=False)
        if result.returncode == 0:
            (cache / key).touch()
        return path, result.returncode == 0, result.stdout + result.stderr, time.monotonic() - begun

    problems = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done, (path, good, output, seconds) in enumerate(pool.map(check, sources), 1):
            print(f"[{done}/{len(sources)}] {path} {'passed' if good else 'FAILED'} {seconds:.0f} s", flush=True)
            if not good:
                found = [line.replace(f"{options.root.resolve()}/", "") for line in output.splitlines()
                         if re.search(r": (error|warning):", line)]
                problems += list(dict.fromkeys(found)) or [f"{path}: clang-tidy failed: {output.strip()[-300:]}"]
    tree.finish("tidy", problems, f"{len(sources)} files in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
