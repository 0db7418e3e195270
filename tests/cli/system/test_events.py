"""history and events of gangerctl against real daemons."""

import json
import os
import pwd
import signal
import subprocess
import unittest

from harness import Suite, normal, start

NOT_FOUND, REFUSED, TIMED_OUT, INTERRUPTED = 4, 5, 124, 130


def who_am_i():
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


class Following:
    """gangerctl events -f, and the events that it has printed."""

    def __init__(self, suite, *words):
        self.suite = suite
        self.process = start(["events", "-f", "--json", *words], suite.place.environment, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)

    def next(self):
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors.decode()


class Events(Suite):
    def setUp(self):
        self.queue = f"q{self._testMethodName[5:45]}"

    def submit_here(self, *words):
        return self.submit("--queue", self.queue, *words)

    def test_history_is_a_table_that_says_what_happened_and_who_did_it(self):
        task_id = self.submit_here("x")
        self.good("cancel", "--reason", "not today", task_id)
        self.good("retry", task_id)
        me = who_am_i()
        self.assertEqual(normal(self.good("history", task_id)),
                         "TIME WHAT STATE RUN WHO WHY\n"
                         f"<time> SUBMIT READY - {me} \n"
                         f"<time> CANCEL READY -> CANCELED - {me} not today\n"
                         f"<time> RETRY CANCELED -> READY - {me} \n".replace(" \n", "\n"))

    def test_history_answers_with_json_and_with_revisions(self):
        task_id = self.submit_here("x")
        self.good("cancel", task_id)
        submitted, canceled = lines(self.good("history", "--json", task_id))
        self.assertEqual((submitted["kind"], submitted["from"], submitted["to"]),
                         ("SUBMIT", "TASK_STATE_UNSPECIFIED", "READY"))
        self.assertEqual(canceled["previous"], submitted["revision"])
        self.assertEqual(canceled["task_id"], task_id)
        self.assertEqual(canceled["subject"], f"default/{self.queue}")
        self.assertEqual(self.good("history", "-q", task_id),
                         f"{submitted['revision']}\n{canceled['revision']}\n")

    def test_history_of_a_task_that_is_not_there_is_not_found(self):
        self.bad(NOT_FOUND, "history", "ZZZZ-ZZZZ")

    def test_history_goes_over_pages(self):
        task_id = self.submit_here("x")
        for _ in range(55):
            self.good("cancel", task_id)
            self.good("retry", task_id)
        self.assertEqual(len(self.good("history", "-q", task_id).splitlines()), 111)

    def test_events_of_the_last_hour_are_a_table(self):
        task_id = self.submit_here("x")
        self.assertEqual(normal(self.good("events", "--queue", self.queue)),
                         f"TIME ON WHAT STATE RUN WHO WHY\n<time> {task_id} SUBMIT READY - {who_am_i()}\n")

    def test_events_can_be_narrowed_down(self):
        first = self.submit_here("x")
        second = self.submit_here("--namespace", "acme", "x")
        self.good("cancel", first)
        events = lines(self.good("events", "--json", "--queue", self.queue))
        self.assertEqual([event["task_id"] for event in events], [first, second, first])
        self.assertEqual(len(lines(self.good("events", "--json", "--task", first))), 2)
        self.assertEqual(len(lines(self.good("events", "--json", "--task", first, "--since", "5m"))), 2)
        self.assertEqual(len(lines(self.good("events", "--json", "--queue", self.queue, "--namespace", "acme"))), 1)
        since = str(events[2]["revision"])
        self.assertEqual(len(lines(self.good("events", "--json", "--queue", self.queue, "--since", since))), 1)
        self.assertEqual(self.good("events", "--since", str(events[2]["revision"] + 1), "--queue", self.queue), "")

    def test_a_revision_that_the_store_has_not_come_to_is_refused(self):
        errors = self.bad(REFUSED, "events", "--since", "1000000")
        self.assertIn("another one, or an older copy", errors)

    def test_following_shows_what_comes_until_ctrl_c(self):
        self.submit_here("before")
        following = Following(self, "--queue", self.queue, "--since", "1h")
        self.assertEqual(following.next()["kind"], "SUBMIT")
        task_id = self.submit_here("x")
        self.assertEqual(following.next()["task_id"], task_id)
        self.good("cancel", "--reason", "enough", task_id)
        event = following.next()
        self.assertEqual((event["kind"], event["why"], event["who"]), ("CANCEL", "enough", who_am_i()))
        status, errors = following.stop()
        self.assertEqual(status, INTERRUPTED)
        self.assertIn("gangerctl events -f --since ", errors)

    def test_following_ends_after_its_timeout(self):
        self.bad(TIMED_OUT, "events", "-f", "--timeout", "300ms", "--task", self.submit_here("x"))

    def test_following_goes_on_after_a_killed_broker_and_misses_nothing(self):
        first = self.submit_here("x")
        following = Following(self, "--queue", self.queue, "--since", "1h")
        self.assertEqual(following.next()["task_id"], first)
        self.place.broker.process.kill()
        self.place.broker.process.wait()
        self.place.broker.start()
        task_ids = [self.submit_here("x") for _ in range(3)]
        self.assertEqual([following.next()["task_id"] for _ in range(3)], task_ids)
        self.assertEqual(following.stop()[0], INTERRUPTED)


class Trimmed(Suite):
    daemons = ("broker",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.place.broker.stop()
        with open(f"{cls.place.folder}/empty.conf", "w", encoding="utf-8") as file:
            file.write("[broker]\nevents_max = 1000\n")
        cls.place.broker.start()

    def test_what_is_not_kept_any_more_is_told(self):
        task_id = self.submit("x")
        for _ in range(3):
            self.good("submit", "--each", "-q", stdin=b"x\n" * 1000)
        self.good("submit", "x")
        result = self.run_words("history", task_id)
        self.assertEqual(result.errors, "gangerctl: what was before is not kept any more\n", result)
        result = self.run_words("events", "--since", "1")
        self.assertEqual(result.status, 0)
        self.assertRegex(result.errors, r"\Agangerctl: events before revision \d+ are not kept any more\n\Z")
        first = lines(self.good("events", "--since", "1", "--json"))
        self.assertEqual(first[0]["gap_revision"], first[1]["revision"])


class WithWorker(Suite):
    daemons = ("broker", "context", "worker")

    def test_history_and_show_tell_of_all_runs_and_their_agents(self):
        task_id = self.submit("--type", "sh", "--max-attempts", "2", "--backoff", "10ms", "echo nothing >&2; exit 3")
        self.await_state(task_id, "FAILED")
        events = lines(self.good("history", "--json", task_id))
        claims = [event for event in events if event["kind"] == "CLAIM"]
        self.assertEqual(len(claims), 2)
        self.assertTrue(claims[0]["who"].startswith("w1"), claims[0])
        failures = [event for event in events if event["kind"] == "FAIL"]
        self.assertEqual([event["to"] for event in failures], ["SCHEDULED", "FAILED"])
        self.assertIn("exit status 3", failures[0]["why"])
        shown = normal(self.good("show", task_id))
        self.assertRegex(shown, rf"\n earlier run {claims[0]['fence']} by w1/sh\d: FAIL <span> ago, exit status 3")


if __name__ == "__main__":
    unittest.main(verbosity=2)
