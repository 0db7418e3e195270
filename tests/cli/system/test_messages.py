"""gangerctl message against a real context store: sending, waiting, answering, broadcasting."""

import json
import subprocess
import unittest

from harness import Suite, normal, start

USAGE, TIMED_OUT = 2, 124


class Messages(Suite):
    daemons = ("context",)

    def send(self, *words):
        number = self.good("message", "send", *words).strip()
        self.assertRegex(number, r"\A\d+\Z")
        return number

    def receive(self, *words):
        return [json.loads(line) for line in self.good("message", "receive", "--json", *words).splitlines()]

    def test_a_message_is_read_until_it_is_acknowledged(self):
        number = self.send("--as", "alice", "build7/claude1", "which branch?")
        self.assertRegex(normal(self.good("message", "receive", "build7/claude1")),
                         rf"\A{number} from alice, <span> ago: which branch\?\n\Z")
        self.assertEqual(self.good("message", "receive", "-q", "agents/build7/claude1"), f"{number}\n")
        self.assertEqual(len(self.receive("--ack", "build7/claude1")), 1)
        self.assertEqual(self.good("message", "receive", "build7/claude1"), "")

    def test_an_answer_names_its_question(self):
        question = self.send("--as", "alice", "bob", "ready?")
        self.send("--as", "bob", "--reply-to", question, "alice", "yes")
        answer = self.receive("alice")[0]
        self.assertEqual((str(answer["reply_to"]), answer["body"]), (question, "yes"))

    def test_a_broadcast_is_read_once_by_each(self):
        number = self.send("everyone", "deploys stop at noon")
        for reader in ("r1", "r2"):
            self.assertEqual(len(self.receive("everyone", "--as", reader)), 1)
        self.good("message", "ack", "--as", "r1", "everyone", number)
        self.assertEqual(self.receive("everyone", "--as", "r1"), [])
        self.assertEqual(len(self.receive("everyone", "--as", "r2")), 1)

    def test_inside_an_agent_the_mailbox_is_its_own(self):
        self.send("build9/codex1", "for you")
        inside = {"GANGER_AGENT_ID": "build9/codex1", "GANGER_TASK_ID": "0000-0001", "GANGER_FENCE": "7"}
        self.assertIn("for you", self.good("message", "receive", environment=inside))
        sent = self.good("message", "send", "carol", "from an agent", environment=inside).strip()
        sender = next(m for m in self.receive("carol") if str(m["number"]) == sent)["sender"]
        self.assertEqual((sender["agent_id"], sender["task_id"], sender["fence"]), ("build9/codex1", "0000-0001", 7))

    def test_who_waits_gets_what_comes(self):
        waiting = start(["message", "receive", "--wait", "60s", "--ack", "late"], self.place.environment,
                        stdout=subprocess.PIPE)
        self.send("late", "here it is")
        output, _ = waiting.communicate(timeout=60)
        self.assertEqual(waiting.returncode, 0)
        self.assertIn(b"here it is", output)

    def test_a_wait_for_nothing_times_out(self):
        result = self.run_words("message", "receive", "--wait", "100ms", "nobody")
        self.assertEqual((result.status, result.output, result.errors), (TIMED_OUT, "", ""))

    def test_list_shows_the_mailboxes_with_messages(self):
        self.send("tasks/0000-01K3", "note")
        self.assertRegex(normal(self.good("message", "list", "tasks/")),
                         r"\AMAILBOX MESSAGES SIZE LAST\ntasks/0000-01K3 1 4 B \d+\n\Z")
        self.assertEqual(self.good("message", "list", "-q", "tasks/"), "tasks/0000-01K3\n")

    def test_what_is_no_mailbox_or_number_is_refused(self):
        self.assertIn("a mailbox is needed", self.bad(USAGE, "message", "receive"))
        self.bad(USAGE, "message", "send", "types/a/b", "x")
        self.bad(USAGE, "message", "send", "alice")
        self.bad(USAGE, "message", "ack", "everyone", "x")
        self.bad(USAGE, "message", "send", "--ttl", "1ms", "alice", "x")


if __name__ == "__main__":
    unittest.main(verbosity=2)
