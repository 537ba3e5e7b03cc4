#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Format lint: clang-format, the licence line, shellcheck, whitespace, no path of somebody's machine."""
import concurrent.futures
import os
import re
import shutil
import subprocess

import tree

LICENCE = "SPDX-License-Identifier: Apache-2.0"
LICENSED = tree.CPP + (".py", ".sh", ".js", ".mjs", ".cjs", ".ts", ".css", ".html", ".cmake", ".yaml", ".yml", ".service",
                       ".in")
LICENSED_NAMES = ("CMakeLists.txt", "Dockerfile", "Containerfile", "Makefile", ".clang-tidy")
NO_TEXT = re.compile(r"(^|/)(corpus|testdata|vectors/data|vendor)/|\.(json|lock|svg|pem|crt|key|csv|txt)$")
MACHINE_PATHS = re.compile(r"(?<![\w.~$}-])(?:/" + r"work/|/tmp/" + r"build-|/root/\." + r"|/home/(?!\w*\$)[a-z]\w*/)")


def is_script(path, text):
    return text.startswith("#!") and re.search(r"\b(ba|da)?sh\b", text.split("\n", 1)[0]) is not None


def texts(root):
    """The tree's text files: {path: text}."""
    read = ((path, tree.text_of(root / path)) for path in tree.files(root))
    return {path: text for path, text in read if text is not None}


def whitespace(path, text):
    if NO_TEXT.search(path.as_posix()) or tree.is_generated(text):
        return
    if text and not text.endswith("\n"):
        yield f"{path}: no newline at the end"
    for number, line in enumerate(text.split("\n"), 1):
        if line.endswith("\r"):
            yield f"{path}:{number}: a carriage return"
            return
        if line != line.rstrip() and path.suffix != ".md":
            yield f"{path}:{number}: white space at the end of the line"


def licence(path, text):
    # inputs; somebody else's work under a licence of its own; what an operator copies
    if "/corpus/" in path.as_posix() or "/vendor/" in path.as_posix() or path.parts[0] == "config":
        return
    if path.suffix in LICENSED or path.name in LICENSED_NAMES or text.startswith("#!"):
        if not any(LICENCE in line for line in text.splitlines()[:4]):
            yield f"{path}: no line \"{LICENCE}\" at the head"


def machine_paths(path, text):
    if "/corpus/" in path.as_posix():
        return
    for number, line in enumerate(text.split("\n"), 1):
        found = MACHINE_PATHS.search(line)
        if found:
            yield f"{path}:{number}: a path of one machine: {found.group(0)}"


def run_tool(root, command, paths):
    """Runs a checker over the files, several at once; yields its complaints."""
    size = max(1, min(20, len(paths) // (os.cpu_count() or 1) + 1))
    batches = [paths[i:i + size] for i in range(0, len(paths), size)]

    def run(batch):
        return subprocess.run([*command, *map(str, batch)], cwd=root, capture_output=True, text=True, check=False)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(run, batches):
            if result.returncode != 0:
                yield (result.stdout + result.stderr).strip() or f"{command[0]} failed"


def misformatted(outputs):
    """clang-format's complaints, one line a file."""
    counts = {}
    for line in "\n".join(outputs).splitlines():
        match = re.match(r"(.+?):\d+:\d+: (?:error|warning): (.*)", line)
        if match:
            counts.setdefault(match.group(1), []).append(match.group(0))
        elif not counts:
            counts.setdefault("clang-format", []).append(line)
    for path, found in counts.items():
        yield f"{found[0]} ({len(found)} places; clang-format -i {path})"


def main():
    options = tree.arguments(__doc__)
    problems, missing = [], []
    found = texts(options.root)
    for path, text in found.items():
        problems += [*whitespace(path, text), *licence(path, text), *machine_paths(path, text)]
    sources = [path for path, text in found.items() if path.suffix in tree.CPP and not tree.is_generated(text)]
    scripts = [path for path, text in found.items() if is_script(path, text) or path.suffix == ".sh"]
    if not sources or shutil.which("clang-format"):
        problems += misformatted(run_tool(options.root, ["clang-format", "--dry-run", "-Werror"], sources))
    else:
        missing.append("clang-format")
    if not scripts or shutil.which("shellcheck"):
        problems += run_tool(options.root, ["shellcheck", "-x", "--severity=warning"], scripts)
    else:
        missing.append("shellcheck")
    if missing and not problems:
        tree.skip("format", f"not installed: {', '.join(missing)}")
    tree.finish("format", problems, f"{len(found)} files, {len(sources)} of C++, {len(scripts)} shell scripts")


if __name__ == "__main__":
    main()
