"""What a run that was given up came to all the same: kept, shown, and adopted by an operator."""

import json
import unittest

from harness import Suite
from self_connected import SelfConnected

NOT_FOUND, REFUSED = 4, 5


class Orphans(Suite):
    daemons = ("broker", "context")

    def agent(self, agent_id):
        agent = SelfConnected(self.place.broker_endpoint, self.place.folder, agent_id)
        self.addCleanup(agent.close)
        return agent

    def late_result(self, result):
        """A task that another agent has by the time that the first one's result comes: its id as gangerctl shows it, the
        fence of the first run, and the other agent with its run."""
        task = self.submit("--type", self._testMethodName, "x")
        first = self.agent(f"{self._testMethodName}/1")
        first.register(1)
        task_id, fence = first.claim(self._testMethodName)
        first.register(2)
        other = self.agent(f"{self._testMethodName}/2")
        _, present = other.claim(self._testMethodName)
        answer, _ = first.call("CompleteTask", task_id=task_id, fence=fence,
                               outcome={"result": result.encode(), "exit_status": -1})
        self.assertEqual(answer.reason, "STALE_FENCE")
        return task, fence, other, {"task_id": task_id, "fence": present}

    def test_a_late_result_is_kept_and_adopted(self):
        task, fence, other, run = self.late_result("forty-two")
        other.call("FailTask", final=True, **run)
        self.assertRegex(self.good("orphans", task), rf"\ATASK +FENCE .*\n{task} +{fence} +completed .*\n\Z")
        self.assertEqual(json.loads(self.good("orphans", "--json", task))["outcome"]["result"], "forty-two")
        self.assertIn("gangerctl orphans", self.good("show", task))
        self.assertIn("COMPLETED", self.good("adopt", task))
        shown = json.loads(self.good("show", "--json", task))
        self.assertEqual((shown["state"], shown["outcome"]["result"]), ("COMPLETED", "forty-two"))
        self.assertIn("ADOPT", self.good("history", task))
        self.assertEqual(self.good("orphans", task), "")

    def test_a_task_without_orphans_has_none_to_adopt(self):
        task = self.submit("--type", "nobody", "x")
        self.assertEqual(self.good("orphans", task), "")
        self.bad(NOT_FOUND, "adopt", task)
        self.assertNotIn("gangerctl orphans", self.good("show", task))

    def test_what_is_held_again_is_not_adopted(self):
        task, *_ = self.late_result("late")
        self.assertIn("cancel", self.bad(REFUSED, "adopt", task))


if __name__ == "__main__":
    unittest.main(verbosity=2)
