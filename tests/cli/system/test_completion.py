"""The bash completion, in a real bash: what Tab would offer."""

import os
import shlex
import subprocess
import unittest

from harness import PROGRAMS, Suite

SCRIPT = os.path.join(os.environ["GANGER_SOURCE"], "cli/completion/gangerctl.bash")


class Completion(Suite):
    daemons = ("broker", "context", "worker")

    def offers(self, *words, environment=None):
        """What is offered for the last of words."""
        line = shlex.quote(" ".join(["gangerctl", *words]))
        script = (f"source {shlex.quote(SCRIPT)}; COMP_LINE={line}; COMP_POINT=${{#COMP_LINE}}; _gangerctl; "
                  "printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = subprocess.run(["bash", "--norc", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**self.place.environment, "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
                                   **(environment or {})}, check=False, timeout=60)
        self.assertEqual(done.stderr, b"")
        return done.stdout.decode().split()

    def test_commands(self):
        self.assertEqual(self.offers("s"), ["submit", "show", "suspend", "status", "store"])
        self.assertIn("context", self.offers(""))
        self.assertEqual(self.offers("context", "g"), ["get"])
        self.assertEqual(self.offers("store", "b"), ["backup"])
        self.assertEqual(self.offers("--json", "ca"), ["cancel"])
        self.assertEqual(self.offers("help", "su"), ["submit", "suspend"])

    def test_options(self):
        self.assertEqual(self.offers("list", "--st"), ["--state"])
        self.assertEqual(self.offers("context", "put", "--exp"), ["--expect"])
        self.assertIn("--broker", self.offers("list", "--"))
        self.assertIn("--broker", self.offers("--br"))

    def test_ids_queues_types_states_and_keys_are_asked_for(self):
        ready = self.submit("--queue", "builds", "--delay", "1h", "x")
        canceled = self.submit("--delay", "1h", "x")
        self.good("cancel", canceled)
        self.good("context", "put", "docs/plan.md", "x")
        self.assertLessEqual({ready, canceled}, set(self.offers("show", "0000-")))
        self.assertIn(ready, self.offers("cancel", ""))
        self.assertNotIn(canceled, self.offers("cancel", ""))
        self.assertEqual(self.offers("retry", ""), [canceled])
        self.assertEqual(self.offers("list", "--queue", "b"), ["builds"])
        self.assertEqual(self.offers("submit", "--type", "s"), ["sh"])
        self.assertEqual(self.offers("list", "--state", "c"), ["completed", "canceled"])
        self.assertEqual(self.offers("context", "get", "docs/p"), ["docs/plan.md"])

    def test_daemons_that_are_named_before_are_those_that_are_asked(self):
        task_id = self.submit("--delay", "1h", "x")
        nowhere = {"GANGER_BROKER": "ipc:///nonexistent/broker.sock"}
        self.assertIn(task_id, self.offers("--broker", self.place.broker_endpoint, "show", "", environment=nowhere))
        self.assertEqual(self.offers("show", "", environment=nowhere), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
