"""What operators do with gangerctl: queues, agents, the store."""

import getpass
import json
import os
import re
import shutil
import time
import unittest

from harness import COMMAND_WITHIN_S, Suite

FAILED, USAGE, NOT_FOUND, REFUSED = 1, 2, 4, 5


class Queues(Suite):
    daemons = ("broker",)

    def test_a_paused_queue_takes_no_tasks_and_says_so(self):
        user = getpass.getuser()
        self.assertEqual(self.good("queue", "pause", "builds", "--reason", "the disk is moved"),
                         f"builds: paused in and out by {user}: the disk is moved\n")
        self.assertIn("the disk is moved", self.bad(REFUSED, "submit", "--queue", "builds", "x"))
        self.assertIn("paused in and out", self.good("queues"))
        self.assertEqual(self.good("queue", "resume", "--in", "builds"),
                         f"builds: paused out by {user}: the disk is moved\n")
        self.submit("--queue", "builds", "x")
        self.assertEqual(self.good("queue", "resume", "builds"), "builds: as any queue\n")
        self.assertNotIn("OPERATORS SAY", self.good("queues"))

    def test_settings_are_added_one_by_one_and_taken_back(self):
        self.assertEqual(self.good("queue", "set", "--length-max", "1", "acme/few"), "acme/few: at most 1\n")
        self.assertEqual(self.good("queue", "set", "--run-timeout", "1h", "acme/few"),
                         "acme/few: at most 1, run timeout 1h00m\n")
        self.assertEqual(self.good("queue", "set", "--priority", "2", "acme/few"),
                         "acme/few: at most 1, priority 2, run timeout 1h00m\n")
        task = json.loads(self.good("show", "--json", self.submit("--namespace", "acme", "--queue", "few", "x")))
        self.assertEqual((task["spec"]["priority"], task["spec"]["run_timeout_ms"]), (2, 3600000))
        self.assertIn("takes no more than 1", self.run_words("submit", "--namespace", "acme", "--queue", "few", "x").errors)
        self.good("queue", "set", "--length-max", "0", "acme/few")
        self.assertEqual(self.good("queue", "set", "-q", "--priority", "0", "--run-timeout", "0", "acme/few"), "acme/few\n")
        self.assertEqual(json.loads(self.good("queue", "resume", "--json", "acme/few"))["length_max"], 0)

    def test_tasks_that_wait_are_moved(self):
        first, second, ended = (self.submit("--queue", "slow", text) for text in ("a", "b", "c"))
        self.good("cancel", ended)
        self.assertEqual(self.good("move", "--to-queue", "fast", first), f"{first} in fast\n")
        result = self.run_words("move", "--to-queue", "fast", second, ended)
        self.assertEqual((result.status, result.output), (REFUSED, f"{second} in fast\n"))
        self.assertIn(f"cannot move {ended}", result.errors)
        self.assertEqual(len(self.good("list", "-q", "--queue", "fast").splitlines()), 2)
        outcome = json.loads(self.good("move", "--json", "--to-queue", "slow", first))
        self.assertEqual((outcome["task_id"], outcome["status"]), (first, 0))
        self.bad(USAGE, "move", first)
        self.bad(USAGE, "move", "--to-queue", "fast")

    def test_wrong_words_are_refused(self):
        self.bad(USAGE, "queue", "pause")
        self.bad(USAGE, "queue", "pause", "not a name")
        self.bad(USAGE, "queue", "set", "--priority", "10", "builds")
        self.bad(USAGE, "queue", "set", "builds")


class Agents(Suite):
    daemons = ("broker", "context", "worker")

    def await_agents(self, condition):
        deadline = time.monotonic() + COMMAND_WITHIN_S
        while time.monotonic() < deadline:
            agents = [json.loads(line) for line in self.good("agents", "--json").splitlines()]
            if condition({agent["agent_id"]: agent for agent in agents}):
                return
            time.sleep(0.05)
        self.fail(self.good("agents"))

    def test_a_draining_worker_finishes_its_run_and_takes_no_other(self):
        self.await_agents(lambda agents: "w1" in agents)
        running = self.submit("--type", "sh", "sleep 2; echo done")
        self.await_state(running, "RUNNING")
        self.assertEqual(self.good("agent", "drain", "w1", "--reason", "a new kernel"), "w1 gets no new runs\n")
        waiting = self.submit("--type", "sh", "echo done")
        self.await_state(running, "COMPLETED")
        self.assertIn(f"draining by {getpass.getuser()}: a new kernel; sh 0/4", self.good("agents"))
        self.assertIn('"state":"READY"', self.good("show", "--json", waiting))
        self.assertEqual(self.good("agent", "drain", "--off", "-q", "w1"), "w1\n")
        self.await_state(waiting, "COMPLETED")
        self.assertNotIn("draining", self.good("agents"))

    def test_a_killed_worker_ends_its_run_and_gives_the_task_back(self):
        self.await_agents(lambda agents: "w1" in agents)
        running = self.submit("--type", "sh", f"echo $$ >> {self.place.folder}/pids; test -e {self.place.folder}/go || sleep 600")
        self.await_state(running, "RUNNING")
        self.assertIn("--yes", self.bad(USAGE, "agent", "kill", "w1"))
        told = json.loads(self.good("agent", "kill", "--json", "--yes", "--reason", "it runs wild", "w1"))
        self.assertEqual(told["released"] + told["told"], 1)
        deadline = time.monotonic() + COMMAND_WITHIN_S
        while json.loads(self.good("show", "--json", running))["state"] not in ("READY", "SCHEDULED"):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        task = json.loads(self.good("show", "--json", running))
        self.assertEqual((task["attempts"], task["crashes"], task["interruptions"]), (0, 0, 1))
        self.assertIn("killed by", self.good("agents"))
        with open(f"{self.place.folder}/go", "w", encoding="utf-8"):
            pass
        self.good("agent", "drain", "--off", "w1")
        self.await_state(running, "COMPLETED")

    def test_an_agent_that_is_not_known_may_be_drained(self):
        self.good("agent", "drain", "nobody")
        self.assertRegex(self.good("agents"), r"nobody +- +0 +- +never +- +draining")
        self.assertEqual(json.loads(self.good("agent", "drain", "--off", "--json", "nobody")),
                         {"agent_id": "nobody", "draining": False})
        self.bad(NOT_FOUND, "agent", "drain", "--off", "nobody")


class Limits(Suite):
    daemons = ("broker",)

    def limit(self, name):
        return json.loads(self.good("limit", "list", "--json", name))

    def test_what_is_set_is_added_one_by_one_shown_and_deleted(self):
        self.assertEqual(self.good("limit", "set", "--max-running", "4", "anthropic"), "anthropic: at most 4 at once\n")
        self.assertEqual(self.good("limit", "set", "--rate", "60/1m", "anthropic"),
                         "anthropic: at most 4 at once, 60 per 1m00s\n")
        self.assertRegex(self.good("limit", "set", "--pause", "10m", "--reason", "out of quota", "anthropic"),
                         rf"60 per 1m00s, paused until .* by {getpass.getuser()}: out of quota\n\Z")
        self.assertEqual(self.good("limit", "set", "--resume", "anthropic"),
                         "anthropic: at most 4 at once, 60 per 1m00s\n")
        self.assertEqual(self.good("limit", "set", "--rate", "0", "anthropic"), "anthropic: at most 4 at once\n")
        self.assertEqual(self.good("limit", "delete", "anthropic"), "anthropic: no bound\n")
        self.assertEqual(self.good("limit", "list", "anthropic"), "")
        self.bad(NOT_FOUND, "limit", "delete", "anthropic")

    def test_tasks_name_limits_and_wait_behind_them(self):
        self.good("limit", "set", "--pause", "1h", "repo:acme/web")
        task_id = self.submit("--limit", "repo:acme/web", "--limit", "openai", "--fairness-key", "alice", "x")
        spec = json.loads(self.good("show", "--json", task_id))["spec"]
        self.assertEqual((spec["limits"], spec["fairness_key"]), (["openai", "repo:acme/web"], "alice"))
        self.assertIn("repo:acme/web", self.good("show", task_id))
        limit = self.limit("repo:acme/web")
        self.assertEqual((limit["ready"], limit["lanes"], limit["running"]), (1, 1, 0))
        self.assertIn("repo:acme/web", self.good("limit", "list"))
        self.assertFalse(self.limit("openai")["is_set"])

    def test_why_names_everything_that_holds_a_task_up(self):
        self.good("limit", "set", "--pause", "1h", "--reason", "out of quota", "google")
        task_id = self.submit("--type", "gemini", "--limit", "google", "x")
        text = self.good("why", task_id)
        self.assertRegex(text, rf"\A{task_id} READY, submitted .* ago\n"
                               rf"  limit google is paused by {getpass.getuser()}: out of quota, until [\d :-]+\n"
                               r"  no agent that runs type gemini has registered\n\Z")
        reasons = json.loads(self.good("why", "--json", task_id))["reasons"]
        self.assertEqual([reason["kind"] for reason in reasons], ["LIMIT_PAUSED", "NO_AGENT"])
        self.assertEqual(self.good("why", "-q", task_id).splitlines()[1], "no agent that runs type gemini has registered")
        self.good("cancel", task_id)
        self.assertIn("it does not wait: it is CANCELED", self.good("why", task_id))
        self.bad(NOT_FOUND, "why", "9999")

    def test_wrong_words_are_refused(self):
        self.bad(USAGE, "limit", "set", "anthropic")
        self.bad(USAGE, "limit", "set", "--max-running", "1", "not a name")
        self.bad(USAGE, "limit", "set", "--max-running", "1000001", "anthropic")
        self.bad(USAGE, "limit", "set", "--rate", "60", "anthropic")
        self.bad(USAGE, "limit", "set", "--rate", "60/2d", "anthropic")
        self.bad(USAGE, "limit", "set", "--pause", "367d", "anthropic")
        self.bad(USAGE, "submit", "--limit", "not a name", "x")
        self.bad(USAGE, "submit", *("--limit", "a") * 5, "x")
        self.bad(USAGE, "submit", "--fairness-key", "k" * 64, "x")


class Store(Suite):
    daemons = ("broker",)

    def test_a_backup_is_made_once(self):
        path = f"{self.place.folder}/backup"
        self.submit("x")
        self.assertRegex(self.good("store", "backup", path),
                         rf"\A{re.escape(path)}: \d+ rows, .*B, revision \d+ of epoch 0\n\Z")
        self.assertTrue(os.path.exists(path))
        self.assertIn("already", self.bad(REFUSED, "store", "backup", path))
        self.assertIn("from / on", self.bad(USAGE, "store", "backup", "relative"))
        other = json.loads(self.good("store", "backup", "--json", f"{path}2"))
        self.assertEqual((other["done"], len(other["store_id"])), (True, 32))
        self.assertEqual(self.good("store", "backup", "-q", f"{path}3"), f"{path}3\n")

    def test_a_whole_store_has_no_problems(self):
        self.submit("x")
        self.assertRegex(self.good("store", "check"), r"\A\d+ tasks, 0 problems\n\Z")
        self.assertEqual(json.loads(self.good("store", "check", "--json"))["named"], [])

    def test_the_epoch_is_raised_for_those_who_mean_it(self):
        self.assertIn("--yes", self.bad(USAGE, "store", "raise-epoch"))
        epoch = int(self.good("store", "raise-epoch", "-q", "--yes"))
        self.assertEqual(self.good("store", "raise-epoch", "--yes"), f"epoch {epoch + 1} from now on\n")


class RolledBack(Suite):
    """Fault 20: an old file of the store takes the place of the present one."""

    daemons = ("broker", "context", "worker")

    def test_a_store_that_was_rolled_back_by_hand_is_found_out_by_its_worker(self):
        data = f"{self.place.folder}/broker/data.mdb"
        self.await_state(self.submit("--type", "sh", "true"), "COMPLETED")
        self.assertTrue(self.place.broker.stop())
        shutil.copy(data, f"{self.place.folder}/old")
        self.place.broker.start()
        lost = self.submit("--type", "sh", "true")
        self.await_state(lost, "COMPLETED")
        self.assertTrue(self.place.broker.stop())
        shutil.copy(f"{self.place.folder}/old", data)
        self.place.broker.start()
        deadline = time.monotonic() + COMMAND_WITHIN_S
        while "nothing is handed out" not in self.good("status"):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        again = self.submit("--type", "sh", "true")
        self.assertEqual(again, lost, "the old store gives its ids anew")
        self.good("store", "raise-epoch", "--yes")
        self.await_state(again, "COMPLETED")
        self.assertNotIn("nothing is handed out", self.good("status"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
