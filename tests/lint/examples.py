#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Examples lint: every block of shell commands in the documents says in a comment before it whether a test runs it.

  <!-- run -->                  tests/site/run_quickstarts does, as it stands
  <!-- run by tests/… -->       another test does
  <!-- not run: the reason -->
"""
import dataclasses
import re

import tree

MARK = re.compile(r"<!-- (run|run by (\S+)|not run: \S.*) -->$")
FENCE = re.compile(r"^( *)(```+|~~~+) *([\w-]*)")
SHELL = ("sh", "bash", "shell", "console")
# How a line begins that is a command, in a block that does not say what it is.
COMMAND = re.compile(
    r"(?:\$ |\()?(?:sudo )?(?:(?:export|umask) \w|(?:turnstone|docker|podman|kubectl|helm|cmake|ninja|cpack|apt|apt-get|systemctl|curl|openssl|"
    r"npm|git|tc|redis-cli|turnload|signload|turnutils_\w+|gst-launch-1\.0|(?:\./)?(?:deploy|tests)/[\w/-]+)(?: |$))")


@dataclasses.dataclass
class Block:
    line: int
    mark: str | None
    kind: str | None  # what the fence says; None: indented
    lines: list[str]

    def is_shell(self):
        return self.kind in SHELL or (not self.kind and any(COMMAND.match(line) for line in self.lines))

    def script(self):
        """What a shell is to run: of a console, what is behind its prompts."""
        if not any(line.startswith("$ ") for line in self.lines):
            return "\n".join(self.lines) + "\n"
        return "".join(line[2:] + "\n" for line in self.lines if line.startswith("$ "))


def blocks(text):
    """The code blocks of a page, in order."""
    lines, at, mark = text.split("\n"), 0, None
    while at < len(lines):
        line, end = lines[at], at + 1
        fence = FENCE.match(line)
        if fence:
            while end < len(lines) and not lines[end].strip().startswith(fence.group(2)):
                end += 1
            yield Block(at + 1, mark, fence.group(3), [one[len(fence.group(1)):] for one in lines[at + 1:end]])
            mark, end = None, end + 1
        elif line.startswith("    ") and line.strip() and (at == 0 or not lines[at - 1].strip()):
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            yield Block(at + 1, mark, None, [one[4:] for one in "\n".join(lines[at:end]).rstrip().split("\n")])
            mark = None
        elif line.strip():
            found = MARK.match(line.strip())
            mark = found.group(1) if found else None
        at = end


def wrong(root, block):
    """What is wrong with a block's mark; nothing for one that is no shell's."""
    if not block.is_shell():
        return ""
    if block.mark is None:
        return "does a test run this? Before it: <!-- run -->, <!-- run by FILE --> or <!-- not run: why -->"
    name = block.mark.removeprefix("run by ")
    return f"there is no {name}" if name != block.mark and not (root / name).is_file() else ""


def main():
    root = tree.arguments(__doc__).root
    problems, count = [], 0
    for path in tree.files(root):
        if path.suffix != ".md":
            continue
        for block in blocks(tree.text_of(root / path) or ""):
            count += block.is_shell()
            said = wrong(root, block)
            if said:
                problems.append(f"{path}:{block.line}: {said}")
    tree.finish("examples", problems, f"{count} blocks of shell commands")


if __name__ == "__main__":
    main()
