"""Tasks that wait for others, trees of tasks, and what is done to many of them at once."""

import json
import unittest

from harness import Suite

FAILED, USAGE, NOT_FOUND, REFUSED = 1, 2, 4, 5


class Jobs(Suite):
    def setUp(self):
        self.queue = self.id().rsplit(".", 1)[1][5:60]

    def submit_here(self, *words, **more):
        return self.submit("--queue", self.queue, "--type", "nobody", *words, **more)

    def task(self, task_id):
        return json.loads(self.good("show", "--json", task_id))

    def count(self, state):
        return len(self.good("list", "-q", "--queue", self.queue, "--state", state).splitlines())

    def test_a_task_waits_for_others_and_fails_with_them(self):
        first, second = self.submit_here("a"), self.submit_here("b")
        waiting = self.submit_here("--after", f"{first},{second}", "c")
        canceled = self.submit_here("--after", first, "--after-failure", "cancel", "d")
        runs = self.submit_here("--after", first, "--after-failure", "run", "e")
        self.assertEqual(self.task(waiting)["state"], "BLOCKED")
        self.assertIn("waits for 2 of them", self.good("show", waiting))
        self.good("cancel", first)
        self.assertEqual(self.task(waiting)["state"], "FAILED")
        self.assertEqual(self.task(waiting)["outcome"]["message"], f"it depends on task {first}, which is CANCELED")
        self.assertEqual(self.task(canceled)["state"], "CANCELED")
        self.assertEqual(self.task(runs)["state"], "READY")
        self.bad(NOT_FOUND, "submit", "--after", "0000-ZZZZ", "x")

    def test_a_tree_is_listed_and_canceled_as_a_whole(self):
        root = self.submit_here("root")
        child = self.submit_here("--parent", root, "child")
        leaf = self.submit_here("--child", "leaf", environment={"GANGER_TASK_ID": child})
        self.assertEqual(self.good("list", "-q", "--parent", root), child + "\n")
        shown = self.good("show", child)
        self.assertIn(root, shown)
        self.assertIn(leaf, shown)
        out = self.good("cancel", "--cascade", "--wait", root).splitlines()
        self.assertEqual(out[0], f"{root} CANCELED")
        self.assertRegex(out[1], r"\A\S+ CANCEL_CHILDREN DONE, 2 of 2 tasks\Z")
        self.assertEqual(self.task(leaf)["state"], "CANCELED")
        self.bad(REFUSED, "submit", "--parent", root, "late")

    def test_many_are_counted_first_and_canceled_retried_and_purged_with_yes(self):
        self.submit_here("--each", "--title", "t", stdin=b"x\n" * 2500)
        here = ["--queue", self.queue]
        self.assertIn("2,500 tasks in all; nothing was changed", self.good("cancel", *here))
        self.assertEqual(self.count("ready"), 2500)
        out = self.good("cancel", *here, "--yes", "--wait", "--reason", "not today")
        self.assertRegex(out, r"\A\S+ CANCEL_TASKS DONE, 2,500 of 2,500 tasks\n\Z")
        self.assertEqual(self.count("canceled"), 2500)
        self.assertEqual(self.good("retry", "-q", *here, "--state", "canceled"), "2500\n")
        self.good("retry", *here, "--state", "canceled", "--yes", "--wait")
        self.assertEqual(self.count("ready"), 2500)
        self.good("cancel", *here, "--yes", "--wait")
        self.assertIn("0 tasks in all", self.good("purge", *here, "--state", "canceled", "--older-than", "1d"))
        job = json.loads(self.good("purge", *here, "--state", "canceled", "--yes", "--wait", "--json"))
        self.assertEqual((job["state"], job["done"], job["order"]["kind"]), ("JOB_DONE", 2500, "PURGE_TASKS"))
        self.assertEqual(self.count("canceled"), 0)
        listed = [json.loads(line) for line in self.good("jobs", "--json").splitlines()]
        self.assertIn(job["job_id"], [each["job_id"] for each in listed])
        self.assertIn("not today", self.good("jobs"))
        self.assertIn(job["job_id"], self.good("jobs", job["job_id"]))
        self.bad(REFUSED, "jobs", "--cancel", job["job_id"])
        self.bad(NOT_FOUND, "jobs", "--wait", "0000-ZZZZ")


if __name__ == "__main__":
    unittest.main()
