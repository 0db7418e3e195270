"""Budgets: what agents say that they have used is shown, ends at a bound, and goes on when that is raised."""

import json
import unittest

from harness import Suite
from self_connected import SelfConnected

NOT_FOUND, REFUSED = 4, 5
SUSPEND = 4


class Budgets(Suite):
    daemons = ("broker", "context")

    def agent(self):
        agent = SelfConnected(self.place.broker_endpoint, self.place.folder, self._testMethodName)
        self.addCleanup(agent.close)
        agent.register(1)
        return agent

    def submit_here(self, *words):
        return self.submit("--type", self._testMethodName[5:60], *words)

    def state(self, task):
        return json.loads(self.good("show", "--json", task))["state"]

    def use_up(self, agent, **usage):
        """Claims the next task, says that it has used so much, and gives it back as it is asked to."""
        task_id, fence = agent.claim(self._testMethodName[5:60])
        run = {"task_id": task_id, "fence": fence}
        _, answer = agent.call("Heartbeat", agent_id=agent.agent_id, incarnation=1, beats=[{**run, "usage": usage}])
        self.assertEqual(answer.replies[0].verdict, SUSPEND)
        agent.call("SuspendTask", reason="as asked", **run)

    def test_a_tree_that_has_used_up_its_budget_waits_until_that_is_raised(self):
        root = self.submit_here("--budget-dollars", "2.50", "--budget-tokens", "100000", "root")
        agent = self.agent()
        self.use_up(agent, micro_dollars=2510000, tokens=48200)
        child = self.submit_here("--parent", root, "child")
        self.assertEqual(self.good("budget", "show", child),
                         f"{root}: 2.51 of 2.50 dollars, 48,200 of 100,000 tokens, used up\n")
        shown = self.good("show", root)
        self.assertIn("used       2.51 dollars, 48,200 tokens\n", shown)
        self.assertIn(f"gangerctl budget set --dollars AMOUNT {root}", shown)
        self.assertIn(f", used up, of task {root}\n", self.good("show", child))
        for task in (root, child):
            self.assertIn(f"the budget of task {root} is used up: 2.51 of 2.50 dollars", self.good("why", task))
        self.assertIn("BUDGET_BREACHED", self.good("events"))
        self.bad(REFUSED, "resume", root)
        self.assertEqual(self.good("budget", "set", "--dollars", "5", root),
                         f"{root}: 2.51 of 5.00 dollars, 48,200 of 100,000 tokens\n")
        self.assertEqual((self.state(root), self.state(child)), ("READY", "READY"))
        self.assertIn("BUDGET_SET", self.good("events"))

    def test_a_budget_that_cancels_says_so(self):
        root = self.submit_here("--budget-tokens", "1000", "--on-breach", "cancel", "root")
        self.assertEqual(self.good("budget", "show", root),
                         f"{root}: 0.00 dollars, 0 of 1,000 tokens, then its tree is canceled\n")
        state = json.loads(self.good("budget", "set", "--json", "--on-breach", "suspend", root))
        self.assertEqual(state["budget"]["on_breach"], "SUSPEND_TREE")
        self.assertEqual(self.good("budget", "show", "-q", root), root + "\n")

    def test_tasks_without_a_budget_have_none_to_show_or_to_set(self):
        task = self.submit_here("x")
        self.bad(NOT_FOUND, "budget", "show", task)
        self.bad(REFUSED, "budget", "set", "--dollars", "1", task)


if __name__ == "__main__":
    unittest.main()
