#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each lint passes a clean small tree, and fails when one violation is planted in it."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
HEAD = "// SPDX-License-Identifier: Apache-2.0\n"
GUARD = HEAD + "#pragma once\n"
CLEAN = {
    "include/turnstone/base/bytes.hpp": GUARD + "\n#include <cstdint>\n",
    "include/turnstone/turn/options.hpp": GUARD + "\n#include <chrono>\n\n#include <turnstone/base/bytes.hpp>\n",
    "include/turnstone/turn/server.hpp": GUARD + "\n#include <turnstone/base/bytes.hpp>\n"
                                                 "#include <turnstone/turn/options.hpp>\n",
    "src/turn/table.hpp": GUARD + "\n#include <vector>\n",
    "src/turn/server.cpp": HEAD + '#include <turnstone/turn/server.hpp>\n\n#include "table.hpp"\n\n'
                                  "int answer() { return 42; }\n",
    "src/config/load.cpp": HEAD + "#include <yaml-cpp/yaml.h>\n\n#include <turnstone/turn/options.hpp>\n",
    "tests/lib/clean.sh": "#!/usr/bin/env bash\n# SPDX-License-Identifier: Apache-2.0\nprintf '%s\\n' \"$1\"\n",
}


def long_function(lines):
    return HEAD + "int grown(int x) noexcept {\n" + "  ++x;\n" * (lines - 3) + "  return x;\n}\n"


class Tree(unittest.TestCase):
    """A clean tree in a temporary folder."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name, text in CLEAN.items():
            self.plant(name, text)
        shutil.copy(HERE.parents[1] / ".clang-format", self.root)

    def plant(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def lint(self, name, *arguments):
        result = subprocess.run([sys.executable, HERE / f"{name}.py", "--root", self.root, *arguments],
                                capture_output=True, text=True, check=False)
        return result.returncode, result.stdout + result.stderr

    def passes(self, name, *arguments):
        status, output = self.lint(name, *arguments)
        self.assertEqual(status, 0, output)

    def fails(self, name, *arguments, saying):
        status, output = self.lint(name, *arguments)
        self.assertEqual(status, 1, output)
        self.assertIn(saying, output)


class Layers(Tree):
    def include(self, path, name, saying):
        with self.subTest(path=path, name=name):
            self.plant(path, HEAD + f"#include {name}\n")
            self.fails("layers", saying=saying)
            (self.root / path).unlink()

    def test_clean(self):
        self.passes("layers")

    def test_upward_and_sideways(self):
        self.include("src/base/up.cpp", "<turnstone/stun/message.hpp>", "base may not include stun")
        self.include("src/stun/side.cpp", "<turnstone/auth/nonce.hpp>", "stun may not include auth")
        self.include("src/signal/side.cpp", "<turnstone/turn/server.hpp>", "signal may not include turn")
        self.include("include/turnstone/turn/up.hpp", "<turnstone/net/shard.hpp>", "turn may not include net")
        self.include("src/config/machinery.cpp", "<turnstone/turn/server.hpp>", "only its options.hpp")
        self.include("src/metrics/machinery.cpp", "<turnstone/turn/options.hpp>", "only its counters.hpp")
        self.include("src/net/settings.cpp", "<turnstone/config/config.hpp>", "net may not include config")

    def test_leaves(self):
        self.include("include/turnstone/auth/options.hpp", "<turnstone/auth/nonce.hpp>", "is a leaf")
        self.include("include/turnstone/net/counters.hpp", "<boost/asio.hpp>", "is a leaf")

    def test_pure_layers(self):
        for name in ("mutex", "thread", "atomic", "iostream", "fstream", "random"):
            self.include("src/turn/impure.cpp", f"<{name}>", "turn is a pure layer")
        for name in ("boost/asio.hpp", "boost/beast/core.hpp", "openssl/ssl.h", "sys/socket.h", "netinet/in.h",
                     "yaml-cpp/yaml.h", "prometheus/registry.h", "unistd.h", "pthread.h", "time.h"):
            self.include("src/base/impure.cpp", f"<{name}>", "base may not include")
            self.include("src/dialect/impure.cpp", f"<{name}>", "dialect may not include")

    def test_third_party(self):
        self.include("src/turn/json.cpp", "<nlohmann/json.hpp>", "turn may not include")
        self.include("src/turn/digest.cpp", "<openssl/sha.h>", "turn may not include")
        self.include("src/admin/server.cpp", "<boost/asio.hpp>", "admin may not include")
        self.include("src/net/log.cpp", "<spdlog/spdlog.h>", "net may not include")

    def test_private_headers(self):
        self.include("src/auth/reach.cpp", '"../turn/table.hpp"', "leaves src/auth")
        self.include("include/turnstone/turn/reach.hpp", '"table.hpp"', "a public header includes <...> only")

    def test_spelling_and_comments(self):
        self.include("src/turn/spaced.cpp", " <mutex> // why not", "pure layer")
        self.plant("src/turn/comment.cpp", HEAD + "// #include <mutex>\n/*\n#include <thread>\n*/\n")
        self.passes("layers")

    def test_unknown_layer(self):
        self.plant("src/misc/thing.cpp", HEAD)
        self.fails("layers", saying="no layer misc")

    def test_document(self):
        table = (HERE.parents[1] / "docs/architecture.md").read_text(encoding="utf-8")
        self.plant("docs/architecture.md", table)
        self.passes("layers")
        changed = [line.replace("| base, stun |", "| base |") for line in table.splitlines()]
        self.plant("docs/architecture.md", "\n".join(changed))
        self.fails("layers", saying="the row of auth")


class Symbols(Tree):
    def archive(self, body, layer="turn"):
        build = self.root / "build/x"
        build.mkdir(parents=True, exist_ok=True)
        source = build / "planted.cpp"
        source.write_text(body, encoding="utf-8")
        subprocess.run(["g++", "-std=c++20", "-c", str(source), "-o", str(build / "planted.o")], check=True)
        subprocess.run(["ar", "rcs", str(build / f"libts_{layer}.a"), str(build / "planted.o")], check=True)
        return build

    def setUp(self):
        super().setUp()
        if not all(map(shutil.which, ("g++", "ar", "nm"))):
            self.skipTest("no compiler here")

    def test_clean(self):
        self.passes("symbols", self.archive("#include <cstring>\nunsigned long f(const char* s) { return strlen(s); }\n"
                                            "namespace ts { void send(int); }\nvoid g() { ts::send(1); }\n"))

    def test_violations(self):
        for body, symbol in (
                ("#include <ctime>\nvoid f(timespec* t) { clock_gettime(CLOCK_MONOTONIC, t); }", "clock_gettime"),
                ("#include <ctime>\nlong f() { return time(nullptr); }", "time"),
                ("#include <chrono>\nauto f() { return std::chrono::steady_clock::now(); }", "steady_clock::now()"),
                ("#include <sys/socket.h>\nint f() { return socket(AF_INET, SOCK_DGRAM, 0); }", "socket"),
                ("#include <sys/socket.h>\nlong f() { return send(1, nullptr, 0, 0); }", "send"),
                ("#include <mutex>\nstd::mutex m;\nvoid f() { m.lock(); }", "pthread_"),
                ("#include <iostream>\nvoid f() { std::cout << 1; }", "std::cout"),
                ("#include <cstdio>\nvoid f(int n) { std::printf(\"%d\", n); }", "printf"),
                ("#include <random>\nunsigned f() { return std::random_device{}(); }", "std::random_device"),
                ("extern \"C\" void* SSL_new(void*);\nvoid* f() { return SSL_new(nullptr); }", "SSL_new")):
            with self.subTest(symbol=symbol):
                self.fails("symbols", self.archive(body), saying=symbol)

    def test_missing_library(self):
        self.plant("src/stun/message.cpp", HEAD)
        self.fails("symbols", self.archive("extern int x;\nint f() { return x; }"), saying="libts_stun.a is not built")


class Sizes(Tree):
    def test_clean(self):
        self.plant("src/turn/big.cpp", long_function(120))
        self.passes("sizes")

    def test_functions(self):
        bodies = {
            "plain": long_function(121),
            "constructor": HEAD + "struct A {\n  A() : x{1}, y(2) {\n" + "    ++x;\n" * 120 + "  }\n  int x, y;\n};\n",
            "member": HEAD + "namespace ts {\nclass B {\n  auto f() const -> int {\n" + "    g();\n" * 120
                      + "    return 1;\n  }\n};\n}\n",
            "braces in text": HEAD + "void f() {\n  g(\"}\", '}');  // }\n" + "  h();\n" * 120 + "}\n",
            "nested": HEAD + "void f(int x) {\n  if (x) {\n    auto l = [&] {\n" + "      ++x;\n" * 120 + "    };\n  }\n}\n",
            "test": HEAD + "TEST(A, B) {\n" + "  ++x;\n" * 120 + "}\n",
        }
        for name, body in bodies.items():
            with self.subTest(name=name):
                self.plant("src/turn/big.cpp", body)
                self.fails("sizes", saying="at most 120")

    def test_tables_are_no_functions(self):
        self.plant("src/turn/table.cpp", HEAD + "constexpr int kTable[] = {\n" + "    1,\n" * 300 + "};\n")
        self.passes("sizes")

    def test_files(self):
        self.plant("src/turn/long.cpp", HEAD + "int x;\n" * 800)
        self.fails("sizes", saying="at most 800")
        self.plant("src/turn/long.cpp", HEAD + "// Generated from the registry.\n" + "int x;\n" * 800)
        self.passes("sizes")


class Format(Tree):
    def setUp(self):
        super().setUp()
        if not all(map(shutil.which, ("clang-format", "shellcheck"))):
            self.skipTest("no clang-format or no shellcheck here")

    def test_clean(self):
        self.passes("format")

    def test_violations(self):
        for path, text, saying in (
                ("src/turn/a.cpp", HEAD + "int   x ;\n", "should be clang-formatted"),
                ("src/turn/a.cpp", "int x;\n", "SPDX"),
                ("tests/a.py", "print(1)\n", "SPDX"),
                ("deploy/start", "#!/bin/sh\ntrue\n", "SPDX"),
                ("tests/a.sh", "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\ncd $1\nrm -r $2/*\n", "SC2"),
                ("tests/a.sh", "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\ncat /" + "work/x\n", "one machine"),
                ("docs/a.md", "See `/tmp/" + "build-x`.\n", "one machine"),
                ("docs/a.md", "no end", "no newline"),
                ("deploy/a.yaml", "# SPDX-License-Identifier: Apache-2.0\na: 1 \n", "white space"),
                ("src/web/a.js", HEAD + "x();\r\n", "carriage return")):
            with self.subTest(path=path, saying=saying):
                self.plant(path, "")
                (self.root / path).write_bytes(text.encode())
                self.fails("format", saying=saying)
                (self.root / path).unlink()


class Conformance(Tree):
    LIST = "# a head\n8656-7.2-1\tMUST\ta taken five-tuple is 437\n8656-7.2-2\tMAY\ta quota is 486\n"
    TAG = "// RFC 8656 §7.2 MUST: a taken five-tuple is 437\n"
    TEST = "TEST_F(Allocate, Twice) {}\n"

    def setUp(self):
        super().setUp()
        self.plant("tests/conformance/requirements.tsv", self.LIST)
        (self.root / "docs").mkdir()
        self.tagged(self.TAG + self.TEST)
        self.passes("conformance", "--write")

    def tagged(self, text):
        self.plant("tests/machine/a_test.cpp", HEAD + text)

    def table(self):
        return (self.root / "docs/rfc-conformance.md").read_text(encoding="utf-8")

    def test_the_table_tells_tests_from_gaps(self):
        self.assertIn("| a taken five-tuple is 437 | [Allocate.Twice](../tests/machine/a_test.cpp) |", self.table())
        self.assertIn("| a quota is 486 | **no test** |", self.table())

    def test_forms_of_tags(self):
        for tag in ("// RFC 8656 §7.2 MUST: in other words (#1)\n", "// RFC 8656 §7.2 MUST: a taken\n// five-tuple is 437\n",
                    self.TAG + "// RFC 8656 §7.2 MAY: a quota is 486\n",
                    "// RFC 8656 §7.2 MAY: a\n// quota is 486 RFC 8656 §7.2 MUST: a taken five-tuple\n// is 437\n"):
            with self.subTest(tag=tag):
                self.tagged(tag + self.TEST)
                self.passes("conformance", "--write")
                self.assertIn("[Allocate.Twice]", self.table())

    def test_violations(self):
        for text, saying in (
                ("// RFC 8656 §7.2 MUST: something else\n" + self.TEST, "not in tests/conformance"),
                ("// RFC 8656 §7.2 MUST: what (#9)\n" + self.TEST, "not in tests/conformance"),
                ("// RFC 8656 §7.2 SHOULD: a taken five-tuple is 437\n" + self.TEST, "the level is MUST"),
                ("// RFC 8656 §7.2 MUST a taken five-tuple is 437\n" + self.TEST, "nearly a tag"),
                (self.TAG + "\n" + "int x;\n" + self.TEST, "above no test"),
                (self.TAG, "above no test"),
                (self.TAG + "TEST(Allocate, DISABLED_Twice) {}\n", "disabled"),
                (self.TEST, "differs from the tags")):
            with self.subTest(saying=saying):
                self.tagged(text)
                self.fails("conformance", saying=saying)

    def test_adopting(self):
        self.tagged("// RFC 8656 §7.2 MUST: something else\n" + self.TEST)
        self.passes("conformance", "--adopt")
        self.assertIn("| 3 | MUST | something else | [Allocate.Twice]", self.table())
        self.passes("conformance")


class Examples(Tree):
    def page(self, text):
        self.plant("docs/page.md", text)

    def test_marked(self):
        self.page("# Page\n\n<!-- run -->\n\n    turnstone check\n\n<!-- not run: it needs a cluster -->\n```sh\nhelm test x\n```\n\n"
                  "<!-- run by tests/lib/clean.sh -->\n```console\n$ true\n```\n\nA list:\n\n- one\n\n    of two paragraphs\n\n"
                  "```yaml\ncurl: yes\n```\n")
        self.passes("examples")

    def test_not_marked(self):
        for text in ("    turnstone check\n", "Text:\n\n    (umask 077; openssl rand -hex 32)\n", "```sh\ntrue\n```\n", "```\n$ turnstone man\n```\n",
                     "<!-- run -->\n\nA paragraph takes the mark away.\n\n    ./deploy/quickstart\n", "<!-- not run: -->\n```sh\ntrue\n```\n",
                     "<!-- run -->\n```sh\ntrue\n```\n\n```sh\nfalse\n```\n"):
            with self.subTest(text=text):
                self.page(text)
                self.fails("examples", saying="does a test run this?")
        self.page("<!-- run by tests/gone -->\n```sh\ntrue\n```\n")
        self.fails("examples", saying="there is no tests/gone")


class Tidy(Tree):
    def setUp(self):
        super().setUp()
        if not shutil.which("clang-tidy"):
            self.skipTest("no clang-tidy here")
        shutil.copy(HERE.parents[1] / ".clang-tidy", self.root)
        self.build = self.root / "build/x"
        self.build.mkdir(parents=True)
        self.entries = []

    def compiled(self, name, text):
        """Plants a file that the build folder knows."""
        source = self.root / name
        self.plant(name, text)
        self.entries.append({"directory": str(self.build), "file": str(source), "command": f"clang++ -std=c++20 -c {source}"})
        (self.build / "compile_commands.json").write_text(json.dumps(self.entries), encoding="utf-8")

    def test_violation(self):
        self.compiled("src/turn/planted.cpp", HEAD + "int f(const int* p) { return p ? *p : 0; }\n")
        self.passes("tidy", str(self.build))
        self.plant("src/turn/planted.cpp", HEAD + "unsigned f(unsigned* p) { return sizeof(sizeof(p)); }\n")
        self.fails("tidy", str(self.build), saying="bugprone-sizeof-expression")

    def test_violation_in_a_header(self):
        self.plant("src/turn/own.hpp", HEAD + "#pragma once\nint f();\n")
        self.compiled("src/turn/planted.cpp", HEAD + '#include "own.hpp"\nint f() { return 0; }\n')
        self.passes("tidy", str(self.build))
        self.plant("src/turn/own.hpp", HEAD + "#pragma once\ninline unsigned f(unsigned* p) { return sizeof(sizeof(p)); }\n")
        self.fails("tidy", str(self.build), saying="src/turn/own.hpp:3:")

    def test_files_that_are_checked_together(self):
        bad = "\nunsigned g(unsigned* p) { return sizeof(sizeof(p)); }\n"
        self.compiled("src/turn/a.cpp", HEAD + "static int own(int x) { return x; }\nint a(int x) { return own(x); }\n")
        self.compiled("src/turn/b.cpp", HEAD + bad)
        self.fails("tidy", str(self.build), saying="src/turn/b.cpp:3:")
        # The same name in a namespace of its own: apart. As a static function, which is not looked for: one by one.
        for other in ("namespace {\nint own(int x) { return x; }\n}  // namespace\n", "static int own(int x) { return x; }\n"):
            self.compiled("src/turn/c.cpp", HEAD + other + "int c(int x) { return own(x); }\n")
            self.fails("tidy", str(self.build), saying="src/turn/b.cpp:3:")
            self.plant("src/turn/b.cpp", HEAD + "\n")
            self.passes("tidy", str(self.build))
            self.plant("src/turn/b.cpp", HEAD + bad)


if __name__ == "__main__":
    unittest.main()
