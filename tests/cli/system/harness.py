"""Real daemons and the real gangerctl, for the suites beside this file.

The daemons live in one temporary directory and are children of the suite. Commands run with a bounded time; every
result is checked for crashes and sanitizers, whatever else a test looks at.
"""

import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

PROGRAMS = os.environ["GANGER_PROGRAMS"]
sys.path.insert(0, os.environ["GANGER_FLEET"])

from fleet import Daemon  # noqa: E402  (the folder above is where it lives)

COMMAND_WITHIN_S = 60

WORKER_CONFIG = """
[worker]
name = w1
slots = 4

[agent sh]
command = /bin/sh -c
input = argument
environment = PATH

[agent missing]
command = /nonexistent/program
environment = PATH
"""

# What differs from run to run, and what stands for it in expected outputs.
NORMAL = [
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "<time>"),
    (re.compile(r"\b\d+(\.\d)?(ms|s)\b( ago)?"), r"<span>\3"),
    (re.compile(r"[ \t]+"), " "),
]


def normal(text):
    """text with its times taken out and its columns set together."""
    for pattern, replacement in NORMAL:
        text = pattern.sub(replacement, text)
    return text


class Result:
    """What one gangerctl did."""

    def __init__(self, words, status, output, errors):
        self.words = words
        self.status = status
        self.output = output
        self.errors = errors

    def __str__(self):
        return f"gangerctl {' '.join(map(repr, self.words))}: {self.status}\n{self.output!r}\n{self.errors!r}"


class Place:
    """A temporary directory with endpoints in it, and the daemons that were started there."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="ganger-cli-")
        self.broker_endpoint = f"ipc://{self.folder}/broker.sock"
        self.context_endpoint = f"ipc://{self.folder}/context.sock"
        self.environment = {
            "PATH": os.environ["PATH"], "TZ": "UTC", "LC_ALL": "C.UTF-8", "TERM": "xterm",
            "GANGER_BROKER": self.broker_endpoint, "GANGER_CONTEXT": self.context_endpoint,
        }
        self.environment.update((name, os.environ[name]) for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
                                if name in os.environ)
        with open(f"{self.folder}/empty.conf", "w", encoding="utf-8"):
            pass
        with open(f"{self.folder}/worker.conf", "w", encoding="utf-8") as file:
            file.write(WORKER_CONFIG)
        self.broker = self._daemon("broker", "--set", f"broker.listen={self.broker_endpoint}",
                                   "--set", f"broker.store={self.folder}/broker")
        self.context = self._daemon("contextd", "--set", f"context.listen={self.context_endpoint}",
                                    "--set", f"context.store={self.folder}/context")
        self.worker = self._daemon("worker", "--set", f"worker.state={self.folder}/worker",
                                   "--set", f"worker.shim={PROGRAMS}/ganger-shim", config="worker.conf")

    def _daemon(self, name, *arguments, config="empty.conf"):
        program = f"ganger-{name}"
        return Daemon(program, [f"{PROGRAMS}/{program}", "--config", f"{self.folder}/{config}", *arguments],
                      self.environment, self.folder, self.folder)

    def remove(self):
        stopped = [daemon.stop() for daemon in (self.worker, self.broker, self.context)]
        shutil.rmtree(self.folder, ignore_errors=True)
        if not all(stopped):
            raise AssertionError("a daemon did not stop when it was asked to")


def start(words, environment, **streams):
    """gangerctl as a process of its own."""
    return subprocess.Popen([f"{PROGRAMS}/gangerctl", *words], env=environment, **streams)


class Suite(unittest.TestCase):
    """One place for all tests of a class. daemons names those that run."""

    daemons = ("broker", "context")
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.place = Place()
        cls.addClassCleanup(cls.place.remove)
        for name in cls.daemons:
            getattr(cls.place, name).start()

    def run_words(self, *words, stdin=b"", environment=None):
        """Runs gangerctl to its end; neither a signal nor a sanitizer may end it."""
        done = subprocess.run([f"{PROGRAMS}/gangerctl", *words], env={**self.place.environment, **(environment or {})},
                              input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              timeout=COMMAND_WITHIN_S)
        result = Result(words, done.returncode, done.stdout.decode("utf-8", "surrogateescape"),
                        done.stderr.decode("utf-8", "surrogateescape"))
        self.assert_sound(result)
        return result

    def assert_sound(self, result):
        self.assertGreaterEqual(result.status, 0, result)
        self.assertNotIn("runtime error", result.errors, result)
        self.assertNotIn("Sanitizer", result.errors, result)

    def good(self, *words, **more):
        """The output of a command that does what it should, with nothing on stderr."""
        result = self.run_words(*words, **more)
        self.assertEqual((result.status, result.errors), (0, ""), result)
        return result.output

    def bad(self, status, *words, errors=None, **more):
        """The messages of a command that refuses: the status, nothing on stdout, something on stderr."""
        result = self.run_words(*words, **more)
        self.assertEqual((result.status, result.output), (status, ""), result)
        self.assertTrue(result.errors.startswith("gangerctl: "), result)
        if errors is not None:
            self.assertEqual(result.errors, errors, result)
        return result.errors

    def submit(self, *words, **more):
        return self.good("submit", *words, **more).strip()

    def await_state(self, task_id, state):
        """Until the task is in this state, bounded."""
        deadline = time.monotonic() + COMMAND_WITHIN_S
        while time.monotonic() < deadline:
            if f'"state":"{state}"' in self.good("show", "--json", task_id):
                return
            time.sleep(0.05)
        self.fail(f"{task_id} is not {state}: {self.good('show', task_id)}")


class Terminal:
    """gangerctl on a terminal of its own."""

    def __init__(self, environment, *words, columns=80):
        self.words = words
        self.text = ""
        self._status = None
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            size = struct.pack("HHHH", 24, columns, 0, 0)
            import fcntl  # pylint: disable=import-outside-toplevel
            fcntl.ioctl(1, termios.TIOCSWINSZ, size)
            os.execve(f"{PROGRAMS}/gangerctl", ["gangerctl", *words], environment)

    def read_until(self, done):
        """Reads until done(text) or the end of the program."""
        deadline = time.monotonic() + COMMAND_WITHIN_S
        while not done(self.text):
            ready, _, _ = select.select([self._fd], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"{self.words}: not within {COMMAND_WITHIN_S} s: {self.text!r}")
            try:
                piece = os.read(self._fd, 65536)
            except OSError:
                piece = b""  # Linux says EIO when the other side is gone.
            if not piece:
                return
            self.text += piece.decode("utf-8", "replace")

    def press(self, keys):
        os.write(self._fd, keys)

    def end(self):
        """Its exit status and all that it showed."""
        self.read_until(lambda text: False)
        os.close(self._fd)
        _, status = os.waitpid(self._pid, 0)
        if os.WIFSIGNALED(status):
            raise AssertionError(f"{self.words} died of {signal.Signals(os.WTERMSIG(status)).name}: {self.text}")
        return os.WEXITSTATUS(status), self.text.replace("\r\n", "\n")
