#!/usr/bin/python3
"""The client in docs/protocol.md is run as it stands there, against a real broker, and its tables are held against the
sources."""
import argparse
import glob
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

OPTIONS = None
LINES_MAX = 60


def document():
    with open(os.path.join(OPTIONS.source, "docs/protocol.md"), encoding="utf-8") as file:
        return file.read()


def example():
    return re.search(r"^```python\n(.*?)^```$", document(), re.MULTILINE | re.DOTALL).group(1)


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class ProtocolDocument(unittest.TestCase):
    def test_the_client_is_at_most_sixty_lines(self):
        self.assertLessEqual(len(example().splitlines()), LINES_MAX)

    def test_every_reason_that_a_daemon_gives_is_in_the_table(self):
        text = document()
        missing = {}
        for path in glob.glob(os.path.join(OPTIONS.source, "**/*.c"), recursive=True):
            relative = os.path.relpath(path, OPTIONS.source)
            # A main.c only says why a daemon does not start.
            if not relative.startswith(("broker/", "contextd/", "common/rpc/")) or relative.endswith("main.c"):
                continue
            with open(path, encoding="utf-8") as file:
                for reason in re.findall(r'STATUS_[A-Z_]+,\s*"([A-Z_]+)"', file.read()):
                    if not re.search(rf"`(\w+/)?{reason}`", text) and reason not in OPTIONS.internal:
                        missing[reason] = relative
        self.assertEqual(missing, {}, "docs/protocol.md does not explain these reasons")

    def test_every_kind_of_event_is_in_the_table(self):
        with open(os.path.join(OPTIONS.source, "broker/core/event.c"), encoding="utf-8") as file:
            kinds = re.findall(r'^    \[\w+\] = \{"([A-Z_]+)"', file.read(), re.MULTILINE)
        self.assertGreater(len(kinds), 20)
        table = "\n".join(re.findall(r"^\| `[A-Z_`, ]+` \|.*$", document(), re.MULTILINE))
        self.assertEqual([kind for kind in kinds if f"`{kind}`" not in table], [])

    def test_the_client_submits_claims_starts_and_completes_a_task(self):
        if not os.path.exists(OPTIONS.broker):
            self.fail("there is no broker at " + OPTIONS.broker)
        with tempfile.TemporaryDirectory(prefix="ganger-protocol-") as directory:
            protos = glob.glob(os.path.join(OPTIONS.source, "proto/ganger/v1/*.proto"))
            subprocess.run([OPTIONS.protoc, "-I", os.path.join(OPTIONS.source, "proto"), "--python_out=" + directory]
                           + protos, check=True)
            self.run_against_broker(directory)

    def run_against_broker(self, directory):
        socket = os.path.join(directory, "broker.sock")
        with open(os.path.join(directory, "broker.conf"), "w", encoding="utf-8"):
            pass
        broker = subprocess.Popen([OPTIONS.broker, "--config", os.path.join(directory, "broker.conf"),
                                   "--set", "broker.listen=ipc://" + socket,
                                   "--set", "broker.store=" + os.path.join(directory, "store")])
        try:
            self.assertTrue(wait_for(lambda: os.path.exists(socket) or broker.poll() is not None))
            self.assertIsNone(broker.poll(), "the broker has ended")
            environment = dict(os.environ, GANGER_BROKER="ipc://" + socket, PYTHONPATH=directory)
            client = subprocess.run([sys.executable, "-c", example()], env=environment, cwd=directory, timeout=60,
                                    check=False, capture_output=True, text=True)
            self.assertEqual(client.returncode, 0, client.stderr)
            self.assertRegex(client.stdout, r"^submitted \d+\nCOMPLETED HELLO\n$")
        finally:
            broker.terminate()
            self.assertEqual(broker.wait(timeout=20), 0, "the broker ends as asked")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", required=True)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--protoc", required=True)
    parser.add_argument("--internal", nargs="*", default=[], help="reasons that never cross the wire")
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)
