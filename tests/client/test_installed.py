#!/usr/bin/python3
"""What `cmake --install` puts into a system is enough for a program of somebody else's: pkg-config finds the library,
the example in its header compiles and links, and nothing but public names can be seen in it."""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import unittest

OPTIONS = None


def run(arguments, **more):
    return subprocess.run(arguments, check=True, capture_output=True, text=True, **more).stdout


def header_example():
    with open(os.path.join(OPTIONS.source, "client/ganger.h"), encoding="utf-8") as file:
        comment = file.read().split("*/")[0]
    lines = re.findall(r"^ \*     (.*)$", comment, re.MULTILINE)
    return "\n".join(["#include <ganger/ganger.h>", "#include <err.h>", "#include <inttypes.h>", "#include <stdio.h>",
                      "int main(void)", "{"] + lines + ["return 0;", "}"])


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="ganger-installed-")
        cls.root = os.path.join(cls.directory.name, "root")
        run(["cmake", "--install", os.path.join(OPTIONS.build, "client")], env=dict(os.environ, DESTDIR=cls.root))
        cls.libraries = os.path.join(cls.root + OPTIONS.prefix, OPTIONS.libdir)
        packages = os.path.join(cls.libraries, "pkgconfig")
        flags = run(["pkg-config", "--define-variable=prefix=" + cls.root + OPTIONS.prefix, "--cflags", "--libs",
                     "libganger"], env=dict(os.environ, PKG_CONFIG_PATH=packages)).split()
        cls.flags = flags + (["-fsanitize=" + OPTIONS.flags] if OPTIONS.flags else [])

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def build(self, source, compiler, *more):
        program = os.path.join(self.directory.name, "program")
        path = program + ".c"
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        run([compiler, "-Wall", "-Wextra", "-Werror", *more, path, "-o", program, *self.flags])
        return program

    def test_the_example_in_the_header_compiles_and_says_what_is_wrong_without_a_broker(self):
        source = header_example().replace("5000", "10")
        environment = dict(os.environ, LD_LIBRARY_PATH=self.libraries,
                           GANGER_BROKER="ipc://" + self.directory.name + "/none.sock")
        done = subprocess.run([self.build(source, OPTIONS.compiler)], env=environment, capture_output=True, text=True,
                              check=False, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no broker answers at ipc://", done.stderr)

    def test_only_public_names_can_be_seen(self):
        library = os.path.join(self.libraries, "libganger.so.0")
        names = [line.split()[-1] for line in run(["nm", "-D", "--defined-only", library]).splitlines()]
        self.assertIn("ganger_open@@LIBGANGER_0", names)
        self.assertIn("ganger__v1__tasks__descriptor@@LIBGANGER_0", names)
        self.assertEqual([name for name in names if not re.match(r"(ganger_|LIBGANGER_0)", name)], [])

    def test_every_call_that_the_header_declares_is_there(self):
        with open(os.path.join(OPTIONS.source, "client/ganger.h"), encoding="utf-8") as file:
            header = file.read()
        names = {"ganger_" + name for name in re.findall(r"^GANGER_DECLARE_CALL\((\w+),", header, re.MULTILINE)}
        names |= set(re.findall(r"^[a-z].*?\b(ganger_\w+)\(", header, re.MULTILINE)) - {"ganger_reply_fn"}
        library = os.path.join(self.libraries, "libganger.so.0")
        present = {line.split()[-1].split("@")[0] for line in run(["nm", "-D", "--defined-only", library]).splitlines()}
        self.assertGreater(len(names), 40)
        self.assertEqual(names - present, set())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("--source", "--build", "--prefix", "--libdir", "--compiler"):
        parser.add_argument(name, required=True)
    parser.add_argument("--flags", default="")
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)
