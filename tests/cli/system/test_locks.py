"""gangerctl lock against a real context store: holders, those who wait, and commands that run under a lock."""

import json
import subprocess
import time
import unittest

from harness import PROGRAMS, Suite, normal, start

USAGE, NOT_FOUND, REFUSED, TIMED_OUT = 2, 4, 5, 124


class Locks(Suite):
    daemons = ("context",)

    def acquire(self, name, *words):
        fence = self.good("lock", "acquire", *words, name).strip()
        self.assertRegex(fence, r"\A\d+\Z")
        return fence

    def held(self, prefix):
        return [json.loads(line) for line in self.good("lock", "list", "--json", prefix).splitlines()]

    def test_a_lock_is_had_once_and_given_back(self):
        fence = self.acquire("once/a", "--as", "build7/claude1")
        errors = self.bad(REFUSED, "lock", "acquire", "once")
        self.assertIn('build7/claude1 holds "once/a"', errors)
        self.assertEqual(self.good("lock", "release", "once/a", fence), "")
        self.assertIn("was not held any more", self.bad(NOT_FOUND, "lock", "release", "once/a", fence))
        self.assertIn("not held any more", self.bad(REFUSED, "lock", "renew", "once/a", fence))

    def test_list_shows_who_holds_what(self):
        fence = self.acquire("list/a", "--as", "alice", "--shared", "--ttl", "5m")
        self.assertRegex(normal(self.good("lock", "list", "list/")),
                         rf"\ANAME MODE HELD FOR LOST IN WAITING FENCE HOLDER\nlist/a shared .* 0 {fence} alice\n\Z")
        self.assertEqual(self.held("list/")[0]["holder"]["agent_id"], "alice")
        self.assertEqual(self.good("lock", "list", "-q", "list/"), "list/a\n")

    def test_a_wait_that_is_over_says_who_holds_it(self):
        self.acquire("busy", "--as", "alice")
        self.assertIn('alice holds "busy"', self.bad(TIMED_OUT, "lock", "acquire", "--wait", "100ms", "busy"))

    def test_run_holds_the_lock_as_long_as_the_command_runs(self):
        done = self.run_words("lock", "run", "--as", "runner", "run/a", "--", f"{PROGRAMS}/gangerctl", "lock", "list",
                              "--json", "run/")
        self.assertEqual(done.status, 0, done)
        self.assertEqual(json.loads(done.output)["holder"]["agent_id"], "runner")
        self.assertEqual(self.held("run/"), [])
        self.assertEqual(self.run_words("lock", "run", "run/a", "--", "sh", "-c", "exit 7").status, 7)
        self.assertEqual(self.held("run/"), [])
        self.assertIn("cannot run", self.bad(127, "lock", "run", "run/a", "--", "/nonexistent/program"))
        self.assertEqual(self.held("run/"), [])

    def test_commands_under_one_lock_run_one_after_the_other(self):
        """Each writes its beginning and its end; between the two nobody else's stands."""
        path = f"{self.place.folder}/sections"
        script = f'echo "in $$" >> {path}; echo "out $$" >> {path}'
        running = [start(["lock", "run", "--as", f"h{i}", "sections", "--", "sh", "-c", script], self.place.environment)
                   for i in range(8)]
        for process in running:
            self.assertEqual(process.wait(60), 0)
        with open(path, encoding="utf-8") as file:
            words = file.read().split()
        self.assertEqual(len(words), 32)
        for i in range(0, 32, 4):
            self.assertEqual((words[i], words[i + 2], words[i + 1]), ("in", "out", words[i + 3]))

    def test_run_ends_the_command_when_the_lock_is_lost(self):
        process = start(["lock", "run", "--as", "loser", "--ttl", "1s", "lost", "--", "sleep", "600"],
                        self.place.environment, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while not self.held("lost") and time.monotonic() < deadline:
            pass
        self.good("lock", "release", "lost", str(self.held("lost")[0]["fence"]))
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, REFUSED)
        self.assertIn(b'the lock "lost" is lost', errors)

    def test_stats_show_the_worst_first(self):
        fence = self.acquire("stats/hot")
        self.bad(REFUSED, "lock", "acquire", "stats/hot")
        self.good("lock", "release", "stats/hot", fence)
        stats = {lock["name"]: lock for lock in map(json.loads, self.good("lock", "stats", "--json").splitlines())}
        self.assertEqual((stats["stats/hot"]["acquisitions"], stats["stats/hot"]["refused"]), (1, 1))
        self.assertIn("stats/hot", self.good("lock", "stats"))

    def test_names_and_numbers_that_are_none_are_refused(self):
        self.assertIn("no part between slashes may be empty", self.bad(USAGE, "lock", "acquire", "a//b"))
        self.bad(USAGE, "lock", "release", "a", "x")
        self.bad(USAGE, "lock", "acquire", "--ttl", "1ms", "a")
        self.bad(USAGE, "lock", "acquire")
        self.bad(USAGE, "lock", "run", "a")


if __name__ == "__main__":
    unittest.main()
