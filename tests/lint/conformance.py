#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/rfc-conformance.md: what the standards ask of a server, beside the tests that show it.

A tag is a comment on the lines directly above a test: `// RFC 8656 §7.2 MUST: a five-tuple in use is 437`, in Python
and JavaScript `# RFC ...` and `// RFC ...`. It names a requirement of tests/conformance/requirements.tsv by its exact
words, or ends with its number in the section: `(#2)`. Without an option the table is compared with the tags; --write
writes it; --adopt first adds what tags ask for and the list lacks.
"""
import collections
import pathlib
import re
import sys

import tree

LIST = pathlib.Path("tests/conformance/requirements.tsv")
TABLE = pathlib.Path("docs/rfc-conformance.md")
LEVELS = ("MUST", "SHOULD", "MAY")

Requirement = collections.namedtuple("Requirement", "rfc section number level text")
Tag = collections.namedtuple("Tag", "rfc section level text test where")

COMMENT = {".cpp": "//", ".mjs": "//", ".js": "//", ".py": "#", "": "#"}
TAG = re.compile(r"RFC (\d+) §([0-9A-Z][0-9A-Z.]*) (MUST|SHOULD|MAY)(?: NOT)?: (\S.*)$")
FORMATTED = re.compile(r" (?=RFC \d+ §[0-9A-Z][0-9A-Z.]* (?:MUST|SHOULD|MAY)(?: NOT)?: )")  # clang-format joins lines
ALMOST = re.compile(r"RFC \d+,? (?:§|section )\S+,? (?:MUST|SHOULD|MAY)\b", re.IGNORECASE)
TESTS = {
    ".cpp": re.compile(r"(?:TYPED_)?TEST(?:_[FP])?\(\s*(\w+)\s*,\s*(\w+)\s*\)"),
    ".mjs": re.compile(r"(?:await )?(?:test|it|t\.test)\(\s*(['\"`])(.+?)\1"),
    ".py": re.compile(r"(?:async )?def (\w+)\("),
}
TESTS[".js"], TESTS[""] = TESTS[".mjs"], TESTS[".py"]
NUMBERED = re.compile(r"\s*\(#(\d+)\)$")
DISABLED = re.compile(r"(?:^|\.)DISABLED_")


def section_key(section):
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in section.split(".")]


def order(requirement):
    return (int(requirement.rfc), section_key(requirement.section), requirement.number)


def read_list(root, problems):
    """The requirements by (RFC, section, number)."""
    out, texts = {}, set()
    for number, line in enumerate((root / LIST).read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        where = f"{LIST}:{number}"
        fields = line.split("\t")
        identity = re.fullmatch(r"(\d+)-([0-9A-Z.]+)-(\d+)", fields[0])
        if len(fields) != 3 or identity is None or fields[1] not in LEVELS or not fields[2].strip():
            problems.append(f"{where}: not id, level and requirement, separated by tabs")
            continue
        key = (identity[1], identity[2], int(identity[3]))
        if key in out or (key[:2], fields[2]) in texts:
            problems.append(f"{where}: there already")
            continue
        texts.add((key[:2], fields[2]))
        out[key] = Requirement(*key, fields[1], fields[2])
    return out


def test_name(path, match):
    if path.suffix == ".cpp":
        return f"{match[1]}.{match[2]}"
    return match[2] if path.suffix in (".mjs", ".js") else match[1]


def tags_of(path, text, problems):
    """The tags of one file with the tests below them."""
    mark, test = COMMENT[path.suffix], TESTS[path.suffix]
    pending = []  # [match, whole text, line]

    def drop(why):
        for match, _, number in pending:
            problems.append(f"{path}:{number}: {why}: RFC {match[1]} §{match[2]}")
        pending.clear()

    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.startswith(mark):
            for words in FORMATTED.split(bare.lstrip("/#").strip()):
                match = TAG.match(words)
                if match:
                    pending.append([match, match[4], number])
                elif ALMOST.match(words):
                    problems.append(f"{path}:{number}: nearly a tag; it is \"RFC n §x.y MUST|SHOULD|MAY: text\"")
                elif pending:  # a long tag goes on
                    pending[-1][1] += " " + words
            continue
        if not pending or bare.startswith("@"):  # a decorator stands between
            continue
        match = test.match(bare)
        if not match:
            drop("a tag above no test")
            continue
        name = test_name(path, match)
        if DISABLED.search(name):
            drop("a tag above a disabled test")
        for tag, words, at in pending:
            yield Tag(tag[1], tag[2], tag[3], words, name, f"{path}:{at}")
        pending = []
    drop("a tag above no test")


def read_tags(root, problems):
    tags = []
    for path in tree.files(root):
        if path.parts[0] != "tests" or path.suffix not in COMMENT or path.parts[1] in ("lib", "lint", "conformance"):
            continue
        text = tree.text_of(root / path)
        if text is None or (path.suffix == "" and not text.startswith("#!/usr/bin/env python3")):
            continue
        tags += tags_of(path, text, problems)
    return tags


def named(tag, requirements):
    """The requirement that a tag names, or nothing."""
    numbered = NUMBERED.search(tag.text)
    if numbered:
        return requirements.get((tag.rfc, tag.section, int(numbered[1])))
    return next((r for r in requirements.values()
                 if (r.rfc, r.section, r.text) == (tag.rfc, tag.section, tag.text)), None)


def adopt(root, tags, requirements):
    """Adds what tags name by words of their own."""
    added = []
    for tag in tags:
        if named(tag, requirements) or NUMBERED.search(tag.text):
            continue
        number = 1 + max((r.number for r in requirements.values() if (r.rfc, r.section) == (tag.rfc, tag.section)),
                         default=0)
        new = Requirement(tag.rfc, tag.section, number, tag.level, tag.text)
        requirements[(tag.rfc, tag.section, number)] = new
        added.append(new)
    if added:
        path = root / LIST
        head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
        rows = [f"{r.rfc}-{r.section}-{r.number}\t{r.level}\t{r.text}" for r in sorted(requirements.values(), key=order)]
        path.write_text("\n".join(head + rows) + "\n", encoding="utf-8")
    return added


def join(tags, requirements, problems):
    """The names of the tests by requirement."""
    shown = collections.defaultdict(set)
    for tag in tags:
        requirement = named(tag, requirements)
        if requirement is None:
            problems.append(f"{tag.where}: not in {LIST}: RFC {tag.rfc} §{tag.section}: {tag.text}")
        elif requirement.level != tag.level:
            problems.append(f"{tag.where}: the level is {requirement.level}, not {tag.level}")
        else:
            shown[requirement].add((pathlib.Path(tag.where.rsplit(":", 1)[0]), tag.test))
    return shown


def render(requirements, shown):
    rows = sorted(requirements.values(), key=order)
    tested = [r for r in rows if shown.get(r)]
    lines = [
        "<!-- Generated by tests/lint/conformance.py --write from tags in the tests; do not edit. -->",
        "# What the standards ask, and the tests that show it", "",
        "Requirements that concern a server, in our words, from `tests/conformance/requirements.tsv`; a plain statement of",
        "what a server does counts as MUST. The tests are those that carry a tag with the requirement, as",
        "`// RFC 8656 §7.2 MUST: …` above the test. \"no test\" says that no test carries one: it may still hold.", "",
        "| RFC | MUST | SHOULD | MAY | with a test |", "|---|---|---|---|---|"]
    for rfc in sorted({r.rfc for r in rows}, key=int):
        mine = [r for r in rows if r.rfc == rfc]
        counts = " | ".join(str(sum(r.level == level for r in mine)) for level in LEVELS)
        lines.append(f"| {rfc} | {counts} | {sum(r in shown for r in mine)} of {len(mine)} |")
    lines += ["", f"{len(tested)} of {len(rows)} requirements have a test.", "",
              "| RFC | § | # | level | requirement | tests |", "|---|---|---|---|---|---|"]
    for r in rows:
        tests = ", ".join(f"[{name}](../{path})" for path, name in sorted(shown.get(r, ()), key=lambda s: (s[1], s[0])))
        text = r.text.replace("|", "\\|")
        lines.append(f"| {r.rfc} | {r.section} | {r.number} | {r.level} | {text} | {tests or '**no test**'} |")
    return "\n".join(lines) + "\n"


def main():
    def options(parser):
        parser.add_argument("--write", action="store_true", help="write the table")
        parser.add_argument("--adopt", action="store_true", help="add requirements that tags name and the list lacks")
        parser.add_argument("--check", action="store_true", help="compare the table with the tags (the default)")

    arguments = tree.arguments(__doc__.splitlines()[0], options)
    root, problems = arguments.root, []
    if not (root / LIST).is_file():
        tree.skip("conformance", f"no {LIST}")
    requirements = read_list(root, problems)
    tags = read_tags(root, problems)
    if arguments.adopt:
        for r in adopt(root, tags, requirements):
            print(f"adopted: {r.rfc}-{r.section}-{r.number} {r.level}: {r.text}")
    shown = join(tags, requirements, problems)
    table = render(requirements, shown)
    if (arguments.write or arguments.adopt) and not problems:
        (root / TABLE).write_text(table, encoding="utf-8")
    elif not (root / TABLE).is_file() or (root / TABLE).read_text(encoding="utf-8") != table:
        problems.append(f"{TABLE}: differs from the tags; tests/lint/conformance.py --write")
    tree.finish("conformance", problems, f"{len(requirements)} requirements, {len(shown)} with a test, {len(tags)} tags")


if __name__ == "__main__":
    sys.exit(main())
