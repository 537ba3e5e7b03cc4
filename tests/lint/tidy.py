#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-tidy over src/, several files at once.

By default the pure layers, and of the others what differs from the merge base with the main branch, without the static
analyzer, which takes longer than all the rest; --all takes every file and every check. A file that passed is not checked
again until it, a header of ours that it includes, .clang-tidy or the tool changes.

Most of the time goes into the headers of others, which each file sees anew. Files of one folder are therefore checked
together, as one text, unless they define the same name for themselves; what such a text fails to compile with is looked
at file by file.
"""
import bisect
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time

import layers
import tree

GROUP_FILES = 10
NOT_COMPILED = "clang-diagnostic-error"
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
    """What every file's result depends on besides what it includes."""
    digest = hashlib.sha256(subprocess.run([tool, "--version"], capture_output=True, check=True).stdout)
    digest.update((root / ".clang-tidy").read_bytes())
    return digest.digest()


def included(root, path, seen):
    """Adds the headers of ours that a file includes, and what they include, to `seen`."""
    for _, angled, quoted in layers.includes((root / path).read_text(encoding="utf-8")):
        candidates = [pathlib.Path("include", angled)] if angled else \
            [path.parent / quoted, pathlib.Path("src", layers.layer_of(path) or "", quoted)]
        for candidate in candidates:
            candidate = pathlib.Path(os.path.normpath(candidate))
            if candidate not in seen and (root / candidate).is_file():
                seen.add(candidate)
                included(root, candidate, seen)
    return seen


# At the left margin: a constant, a type, a function; where clang-format puts what a namespace holds.
DEFINED = re.compile(r"^(?:(?:inline |static )*const(?:expr)? [^=({;]*?\b(\w+)(?:\[\])?(?: =|\{)"
                     r"|(?:struct|class|enum class|enum|using|namespace) (\w+)\b(?!;)|\w[\w:<>,&*\[\] ]*?\b(\w+)\()", re.MULTILINE)


def own_names(text):
    """What a file defines in namespaces without a name; more than that does no harm."""
    blocks = re.findall(r"^namespace \{$(.*?)^\}  // namespace$", text, re.MULTILINE | re.DOTALL)
    return {name for block in blocks for match in DEFINED.findall(block) for name in match if name}


def arguments_of(entry):
    """A compile command without what names the one file."""
    words = shlex.split(entry["command"])
    words = words[next(i for i, word in enumerate(words) if word.startswith("-")):]
    if "-o" in words:
        del words[words.index("-o"):words.index("-o") + 2]
    return [word for word in words if word not in ("-c", entry["file"])]


def groups(root, sources, compiled):
    """Files of one folder that compile alike and get along, in lists."""
    out = []
    for path in sources:
        text = (root / path).read_text(encoding="utf-8")
        command = arguments_of(compiled[(root / path).resolve()])
        names = own_names(text)
        # A macro may be meant for the headers behind it, which another file has included before.
        alone = re.search(r"^#define", text, re.MULTILINE) is not None
        for group in out:
            if group["folder"] == path.parent and group["command"] == command and not alone and not group["alone"] and \
                    len(group["files"]) < GROUP_FILES and not names & group["names"]:
                break
        else:
            group = {"folder": path.parent, "command": command, "alone": alone, "files": [], "names": set()}
            out.append(group)
        group["files"].append(path)
        group["names"] |= names
    return out


class Checker:
    """Runs clang-tidy on groups; what passed leaves a file in the build folder."""

    def __init__(self, options, tool, compiled):
        self.root = options.root.resolve()
        self.compiled = compiled
        self.folder = options.build.resolve() / "tidy"
        self.passed = options.build.resolve() / "tidy-passed"
        for folder in (self.folder, self.passed):
            folder.mkdir(exist_ok=True)
        self.command = [tool, "--quiet", f"--config-file={self.root / '.clang-tidy'}",
                        "--extra-arg=-Wno-unknown-warning-option"]
        if not options.all:
            self.command.append("--checks=-clang-analyzer-*")
        self.shared = shared_digest(self.root, tool) + " ".join(self.command).encode()

    def key(self, path):
        """The file whose existence says that `path` passed as it is."""
        digest = hashlib.sha256(self.shared)
        for name in (path, *sorted(included(self.root, path, set()))):
            digest.update(str(name).encode() + (self.root / name).read_bytes())
        digest.update(json.dumps(arguments_of(self.compiled[self.root / path])).encode())
        return self.passed / digest.hexdigest()

    def run(self, files, command):
        """Checks files as one text; the findings as lines, nothing when all is well."""
        text, starts = "", []
        for path in files:
            starts.append(text.count("\n"))
            text += (self.root / path).read_text(encoding="utf-8")
        name = hashlib.sha256(" ".join(map(str, files)).encode()).hexdigest()[:12]
        joined = self.folder / f"{name}.cpp"
        joined.write_text(text, encoding="utf-8")
        result = subprocess.run([*self.command, str(joined), "--", *command, "-iquote", str(self.root / files[0].parent)],
                                capture_output=True, text=True, check=False, cwd=self.folder)
        if result.returncode == 0:
            return []

        def place(match):
            line = int(match.group(1))
            index = bisect.bisect_left(starts, line) - 1
            return f"{files[index]}:{line - starts[index]}:"
        output = re.sub(re.escape(str(joined)) + r":(\d+):", place, result.stdout + result.stderr)
        found = [line.replace(f"{self.root}/", "") for line in output.splitlines() if re.search(r": (error|warning):", line)]
        return found or [f"{files[0]}: clang-tidy failed: {output.strip()[-300:]}"]

    def check(self, group):
        """The findings in a group, and how long it took."""
        begun = time.monotonic()
        files = group["files"]
        found = self.run(files, group["command"])
        if len(files) > 1 and any(NOT_COMPILED in line for line in found):
            print(f"one by one: {' '.join(map(str, files))}", *found, sep="\n    ", flush=True)
            found = []
            for path in files:
                found += self.run([path], group["command"])
        if not found:
            for path in files:
                self.key(path).touch()
        return files, list(dict.fromkeys(found)), time.monotonic() - begun


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
    started = time.monotonic()
    checker = Checker(options, tool, compiled)
    due = [path for path in sources if not checker.key(path).exists()]
    done = len(sources) - len(due)
    print(f"[{done}/{len(sources)}] passed before", flush=True)
    problems = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for files, found, seconds in pool.map(checker.check, groups(options.root, due, compiled)):
            done += len(files)
            print(f"[{done}/{len(sources)}] {files[0].parent}: {' '.join(path.name for path in files)}: "
                  f"{'FAILED' if found else 'passed'} {seconds:.0f} s", *found, sep="\n    ", flush=True)
            problems += found
    tree.finish("tidy", list(dict.fromkeys(problems)), f"{len(sources)} files in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
