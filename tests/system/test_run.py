"""`./dev run --once`: the main job with real daemons and real agents, on folders made for it.

usage: test_run.py BUILD_FOLDER (named like its preset)
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PRESET = os.path.basename(os.path.abspath(sys.argv.pop(1)))
PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN = os.path.join(PROJECT, "build", "run", PRESET)

GOOD = "#include <stdio.h>\n\nint main(void)\n{\n    return puts(\"hello\") < 0;\n}\n"
BAD = "#include \"no-such-header.h\"\n"
LEAKY = "#include <stdlib.h>\n\nint leak(void)\n{\n    char *p = malloc(1);\n    *p = 1;\n    return *p;\n}\n"


def write(folder, name, content):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def start(folder, *options):
    return subprocess.Popen([f"{PROJECT}/dev", "run", "--preset", PRESET, *options, folder], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def table(output):
    """The rows by what FILE says, each a list of words."""
    lines = output.split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith("TASK "))
    starts = [match.start() for match in re.finditer(r"\S+", lines[first])]
    names = lines[first].split()
    rows = {}
    for line in lines[first + 1:]:
        if not line:
            break
        words = re.split(r"\s{2,}", line)
        rows.setdefault(words[2], []).append(dict(zip(names, words)))
    return rows


def processes_of_this_run():
    """Who still knows of this run: by arguments, or by a working folder below it."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                arguments = file.read().decode(errors="replace").split("\0")
            place = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            continue
        if place.startswith(RUN) or any(f"{RUN}/" in argument for argument in arguments):
            found.append(f"{pid} {arguments[0]}")
    return found


def pids():
    try:
        with open(f"{RUN}/pids", encoding="utf-8") as file:
            return {name: int(pid) for name, pid in (line.split() for line in file)}
    except FileNotFoundError:
        return {}


class Run(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="ganger-run-")
        self.folder = os.path.join(self.temporary.name, "sources")
        self.addCleanup(self.temporary.cleanup)

    def finish(self, process, within_s=240):
        try:
            output, _ = process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            process.terminate()
            output, _ = process.communicate()
            self.fail(f"not done after {within_s} s:\n{output}")
        self.assertEqual(processes_of_this_run(), [], output)
        return output

    def test_reviews_a_folder_and_leaves_nothing_behind(self):
        write(self.folder, "good.c", GOOD)
        write(self.folder, "bad.c", BAD)
        write(self.folder, "leaky.c", LEAKY)
        write(self.folder, "deep/er/header.h", "int twice(int number);\n")
        write(self.folder, "notes.md", "three words here\nand three more\n")
        write(self.folder, "it's; a \"file\" `x` $(y).txt", "one\n")
        write(self.folder, "image.bin", b"\0\1\2\3")
        write(self.folder, "empty.c", "")

        process = start(self.folder, "--once")
        output = self.finish(process)
        self.assertEqual(process.returncode, 0, output)

        rows = table(output)
        self.assertNotIn("image.bin", rows)
        self.assertNotIn("empty.c", rows)
        expected = {
            "bad.c": ("compile", "FAILED", "2"),
            "good.c": ("compile", "COMPLETED", "1"),
            "leaky.c": ("compile", "COMPLETED", "1"),
            "deep/er/header.h": ("lint", "COMPLETED", "1"),
            "notes.md": ("count", "COMPLETED", "1"),
            "it's; a \"file\" `x` $(y).txt": ("count", "COMPLETED", "1"),
            "broken.c": ("compile", "FAILED", "2"),
        }
        for file, (agent_type, state, tries) in expected.items():
            with self.subTest(file):
                found = [(row["TYPE"], row["STATE"], row["TRIES"]) for row in rows.get(file, [])]
                self.assertIn((agent_type, state, tries), found, output)
        moody = [row for of_file in rows.values() for row in of_file if row["TYPE"] == "moody"]
        self.assertEqual([(row["STATE"], row["TRIES"]) for row in moody], [("COMPLETED", "2")], output)
        self.assertIn("2 lines, 6 words", rows["notes.md"][0]["RESULT"])
        self.assertNotEqual(rows["leaky.c"][0]["RESULT"], "remarks: 0", output)
        self.assertIn("0 not as they should", output)

        with open(f"{RUN}/outputs/{rows['leaky.c'][0]['TASK']}.txt", encoding="utf-8") as file:
            self.assertIn("-Wanalyzer", file.read())

    def test_finishes_when_each_daemon_is_killed_meanwhile(self):
        for number in range(40):
            write(self.folder, f"source{number}.c", GOOD)
        before = pids()
        process = start(self.folder, "--once")
        killed = []
        deadline = time.monotonic() + 120
        for name in ("ganger-worker", "ganger-contextd", "ganger-broker"):
            while process.poll() is None and time.monotonic() < deadline:
                pid = pids().get(name)
                if pid is not None and pid != before.get(name):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(name)
                    break
                time.sleep(0.02)
        output = self.finish(process)
        self.assertEqual(process.returncode, 0, output)
        self.assertEqual(len(killed), 3, output)
        self.assertIn("42 tasks", output)
        self.assertIn("0 not as they should", output)
        for name in killed:
            self.assertIn(f"{name} ended with SIGKILL and was started again", output)

    def test_stays_until_it_is_told_to_end(self):
        write(self.folder, "notes.md", "hello\n")
        process = start(self.folder)
        lines = []
        while not lines or "gangerctl status" not in lines[-1]:
            line = process.stdout.readline()
            self.assertNotEqual(line, "", "".join(lines))
            lines.append(line)
        exports = dict(re.findall(r"export (\w+)=(\S+)", "".join(lines)))
        status = subprocess.run([f"{PROJECT}/build/{PRESET}/bin/gangerctl", "status"], env={**os.environ, **exports},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
        process.send_signal(signal.SIGINT)
        output = self.finish(process)
        self.assertEqual(status.returncode, 0, status.stdout)
        self.assertEqual(process.returncode, 0, output)

    def test_says_what_is_wrong_with_its_arguments(self):
        for words, wanted in ((["--what"], "no option --what"), (["/no/such/folder"], "is no folder")):
            with self.subTest(words):
                result = subprocess.run([f"{PROJECT}/dev", "run", *words], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(wanted, result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
