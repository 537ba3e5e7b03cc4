# SPDX-License-Identifier: Apache-2.0
"""What the lints share: the files of the tree, C++ without comments and strings, the report."""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED_EXIT = 77
CPP = (".cpp", ".hpp", ".h", ".cc", ".ipp")
NO_SOURCE = {"build", ".git", ".cache", ".ccache", "node_modules", "__pycache__"}


def arguments(description, add=None):
    """The options that each lint takes: --root, and what `add` adds."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="the tree to look at")
    if add:
        add(parser)
    return parser.parse_args()


def files(root):
    """The relative paths of the tree's own files: tracked or not ignored; without git, all outside of build folders."""
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, check=False)
    top = subprocess.run(["git", "-C", str(root), "rev-parse", "--show-toplevel"], capture_output=True, check=False)
    if listed.returncode == 0 and pathlib.Path(top.stdout.decode().strip()).resolve() == root.resolve():
        paths = {pathlib.Path(name) for name in listed.stdout.decode().split("\0") if name}
    else:
        paths = {path.relative_to(root) for path in root.rglob("*")}
        paths = {path for path in paths if not any(part in NO_SOURCE or part.startswith("build-") for part in path.parts)}
    return sorted(path for path in paths if (root / path).is_file() and not (root / path).is_symlink())


def text_of(path):
    """The file's text, or nothing when it is binary."""
    data = path.read_bytes()
    return None if b"\0" in data else data.decode("utf-8", errors="replace")


def is_generated(text):
    """Generated files say so in their first five lines."""
    return any(re.search(r"\bgenerated\b", line, re.IGNORECASE) for line in text.splitlines()[:5])


TOKEN = re.compile(r'''R"(?P<delimiter>[^()\\\s]{0,16})\((?:.|\n)*?\)(?P=delimiter)"'''
                   r'''|//(?:\\\n|[^\n])*|/\*(?:.|\n)*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+\'''')


def bare(text):
    """C++ with comments and literals blanked; every line keeps its number."""
    def blank(match):
        token = match.group(0)
        lines = "\n" * token.count("\n")
        return lines if token.startswith("/") else '""' + lines if token[0] in '"R' else "0" + lines
    return TOKEN.sub(blank, text)


def finish(name, problems, summary):
    """Prints the problems and ends the process."""
    for problem in problems:
        print(problem)
    print(f"{name}: {summary}; {len(problems)} problem{'' if len(problems) == 1 else 's'}")
    sys.exit(1 if problems else 0)


def skip(name, reason):
    """Ends the process as skipped; the last line is the reason."""
    print(f"{name}: {reason}")
    sys.exit(SKIPPED_EXIT)
