"""Every command of gangerctl against real daemons: what it prints, and how it ends."""

import json
import signal
import subprocess
import unittest

from harness import PROGRAMS, Suite, normal, start

FAILED, USAGE, NOT_FOUND, REFUSED, TIMED_OUT, INTERRUPTED = 1, 2, 4, 5, 124, 130


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


class WithoutWorker(Suite):
    """Tasks wait and nobody takes them, so that every state is as the test made it."""

    def setUp(self):
        """Queues of its own for each test."""
        self.queue = f"q{self._testMethodName[5:45]}"

    def submit_here(self, *words, **more):
        return self.submit("--queue", self.queue, *words, **more)

    def list_here(self, *words):
        return self.good("list", "--queue", self.queue, *words)

    def task(self, task_id):
        return json.loads(self.good("show", "--json", task_id))

    def test_submit_prints_the_id_and_keeps_every_option(self):
        task_id = self.submit_here(
            "--type", "claude", "--namespace", "acme", "--title", "a title", "--priority", "2", "--label", "a=1",
            "--label", "b=", "--delay", "1h", "--run-timeout", "2h", "--max-attempts", "7", "--backoff", "3s",
            "--backoff-max", "4m", "--retention", "5d", "--content-type", "text/markdown", "--expires-in", "2h",
            "--start-timeout", "9s", "--max-crashes", "8", "--max-deliveries", "9", "--non-retryable", "exit-2",
            "--non-retryable", "oom", "--key", "a key", "--on-lost", "hold", "the payload")
        self.assertRegex(task_id, r"\A[0-9A-Z]{4}-[0-9A-Z]{4}\Z")
        task = self.task(task_id)
        self.assertEqual(task["task_id"], task_id)
        self.assertEqual(task["state"], "SCHEDULED")
        self.assertGreater(task["due_in_ms"], 3500000)
        spec = task["spec"]
        self.assertAlmostEqual(spec.pop("expires_at_ms"), task["submitted_ms"] + 7200000, delta=60000)
        expected = {
            "namespace": "acme", "queue": self.queue, "agent_type": "claude", "title": "a title",
            "payload": "the payload", "content_type": "text/markdown",
            "labels": [{"key": "a", "value": "1"}, {"key": "b", "value": ""}], "priority": 2,
            "run_timeout_ms": 7200000, "max_attempts": 7, "backoff_ms": 3000, "backoff_max_ms": 240000,
            "retention_ms": 432000000, "start_timeout_ms": 9000, "max_crashes": 8, "max_deliveries": 9,
            "non_retryable": ["exit-2", "oom"], "idempotency_key": "a key", "on_lost": "HOLD"}
        self.assertEqual({name: spec[name] for name in expected}, expected)

    def test_a_task_waits_for_a_date(self):
        task = self.task(self.submit_here("--not-before", "2100-01-01T00:00:00Z", "x"))
        self.assertEqual((task["state"], task["spec"]["not_before_ms"]), ("SCHEDULED", 4102444800000))

    def test_a_key_is_one_task_however_often_it_is_submitted(self):
        first = self.submit_here("--key", self.queue, "x")
        self.assertEqual(self.submit_here("--key", self.queue, "again"), first)
        (again,) = lines(self.submit_here("--json", "--key", self.queue, "x"))
        self.assertEqual((again["task_id"], again["existing"]), (first, True))
        result = self.run_words("submit", "--queue", self.queue, "--key", self.queue, "--on-conflict", "reject", "x")
        self.assertEqual(result.status, REFUSED)
        self.assertIn(f"task {first} has it, which is READY", result.errors)
        second = self.submit_here("--key", self.queue, "--on-conflict", "replace", "x")
        self.assertEqual(self.task(first)["cancel_reason"], f"replaced by task {second}")

    def test_update_changes_what_is_named(self):
        task_id = self.submit_here("--title", "old", "--priority", "7", "payload")
        self.assertEqual(self.good("update", "--priority", "1", "--title", "new", "--label", "a=1", task_id),
                         f"{task_id} READY\n")
        spec = self.task(task_id)["spec"]
        self.assertEqual((spec["priority"], spec["title"], spec["labels"], spec["payload"]),
                         (1, "new", [{"key": "a", "value": "1"}], "payload"))
        self.assertEqual(self.good("update", "--delay", "1h", task_id), f"{task_id} SCHEDULED\n")
        self.good("update", "--file", "-", "--expires-in", "3h", task_id, stdin=b"better")
        self.assertEqual(self.task(task_id)["spec"]["payload"], "better")
        revision = self.task(task_id)["revision"]
        self.good("update", "--expect", str(revision), "--max-attempts", "5", task_id)
        stale = self.run_words("update", "--expect", str(revision), "--max-attempts", "6", task_id)
        self.assertEqual(stale.status, REFUSED)
        nothing = self.run_words("update", task_id)
        self.assertEqual(nothing.status, USAGE)
        self.assertIn("there is nothing to do", nothing.errors)

    def test_a_task_that_waits_too_long_expires_and_can_be_retried(self):
        task_id = self.submit_here("--expires-in", "1s", "x")
        self.assertEqual(self.run_words("wait", "-q", task_id).status, FAILED)
        self.assertEqual(self.task(task_id)["state"], "EXPIRED")
        self.assertIn("its time was over", self.good("show", task_id))
        self.assertEqual(self.good("retry", task_id), f"{task_id} READY\n")

    def test_what_nobody_holds_cannot_be_suspended_and_what_is_not_suspended_not_resumed(self):
        task_id = self.submit_here("x")
        self.assertEqual(self.run_words("suspend", task_id).status, REFUSED)
        self.assertEqual(self.run_words("resume", task_id).status, REFUSED)

    def test_a_delay_may_last_366_days(self):
        task = self.task(self.submit_here("--delay", "366d", "x"))
        self.assertEqual(task["state"], "SCHEDULED")
        self.assertAlmostEqual(task["due_in_ms"], 366 * 86400000, delta=60000)

    def test_submit_takes_the_payload_from_a_file_and_from_stdin(self):
        path = f"{self.place.folder}/payload"
        with open(path, "wb") as file:
            file.write(b"from a file\nsecond line\n")
        task = self.task(self.submit_here("--file", path))
        self.assertEqual(task["spec"]["payload"], "from a file\nsecond line\n")
        self.assertEqual(task["spec"]["title"], "from a file")
        for words in (["-"], ["--file", "-"]):
            task = self.task(self.submit_here(*words, stdin=b"from stdin"))
            self.assertEqual(task["spec"]["payload"], "from stdin")

    def test_a_payload_that_is_not_text_comes_back_byte_for_byte(self):
        payload = bytes(range(256))
        spec = self.task(self.submit_here("-", stdin=payload))["spec"]
        self.assertEqual(spec["payload_base64"], __import__("base64").b64encode(payload).decode())
        self.assertEqual(spec["content_type"], "application/octet-stream")
        self.assertEqual(spec["title"], "")

    def test_the_largest_payload_is_taken(self):
        self.assertEqual(self.task(self.submit_here("-", stdin=b"x" * 65536))["spec"]["payload"], "x" * 65536)

    def test_an_empty_payload_is_one(self):
        self.assertEqual(self.task(self.submit_here(""))["spec"]["payload"], "")

    def test_each_line_is_a_task_and_its_title_can_name_it(self):
        out = self.submit_here("--each", "--title", "review {}", stdin="a.c\n\nb.c\r\nü.c".encode())
        tasks = [self.task(task_id) for task_id in out.splitlines()]
        self.assertEqual([task["spec"]["payload"] for task in tasks], ["a.c", "b.c", "ü.c"])
        self.assertEqual([task["spec"]["title"] for task in tasks], ["review a.c", "review b.c", "review ü.c"])

    def test_no_line_is_no_task_and_no_error(self):
        result = self.run_words("submit", "--each", stdin=b"\n\n")
        self.assertEqual((result.status, result.output), (0, ""))
        self.assertEqual(result.errors, "gangerctl: there was no line, so nothing was submitted\n")

    def test_many_lines_go_in_batches_below_the_limits_of_the_wire(self):
        out = self.submit_here("--each", stdin=b"".join(b"%d\n" % number for number in range(2500)))
        task_ids = out.splitlines()
        self.assertEqual(len(set(task_ids)), 2500)
        self.assertEqual(task_ids, sorted(task_ids))
        self.assertEqual(len(self.list_here("-q").splitlines()), 2500)

    def test_large_lines_go_in_batches_below_the_limits_of_the_wire(self):
        line = b"x" * 65536 + b"\n"
        self.assertEqual(len(self.submit_here("--each", stdin=line * 40).splitlines()), 40)

    def test_a_line_that_is_too_long_is_named_and_what_came_before_is_submitted(self):
        result = self.run_words("submit", "--queue", self.queue, "--each", stdin=b"a\nb\n" + b"x" * 65537 + b"\nc\n")
        self.assertEqual(result.status, USAGE)
        self.assertEqual(len(result.output.splitlines()), 2)
        self.assertIn("line 3 is too long\n  a payload has at most 65536 bytes; 2 tasks were submitted", result.errors)

    def test_lines_are_submitted_as_they_come(self):
        process = start(["submit", "--queue", self.queue, "--each"], self.place.environment, stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE)
        process.stdin.write(b"first\n")
        process.stdin.flush()
        first = process.stdout.readline().decode().strip()
        self.assertEqual(self.task(first)["spec"]["payload"], "first")
        rest, _ = process.communicate(b"second\n", timeout=60)
        self.assertEqual((process.returncode, len(rest.splitlines())), (0, 1))

    def test_submit_answers_with_json(self):
        outcomes = lines(self.submit_here("--json", "--each", stdin=b"a\nb\n"))
        self.assertEqual([sorted(outcome) for outcome in outcomes],
                         [["existing", "message", "reason", "retry_after_ms", "status", "task_id"]] * 2)

    def test_list_is_a_table_with_the_newest_first(self):
        first = self.submit_here("--type", "lint", "--title", "first", "x")
        second = self.submit_here("--delay", "2h", "--namespace", "acme", "second title")
        self.good("cancel", "--reason", "not needed", first)
        expected = (f"ID QUEUE TYPE STATE TRIES AGE AGENT TITLE WHY\n"
                    f"{second} acme/{self.queue} any SCHEDULED 0/3 <span> - second title due in 1h59m\n"
                    f"{first} {self.queue} lint CANCELED 0/3 <span> - first not needed\n")
        self.assertEqual(normal(self.list_here()), expected)

    def test_list_filters(self):
        ready = self.submit_here("--type", "lint", "--label", "a=1", "--label", "b=2", "x")
        canceled = self.submit_here("--type", "test", "--label", "a=1", "--namespace", "acme", "x")
        self.good("cancel", canceled)
        rows = [
            (["--state", "ready"], [ready]), (["--state", "canceled"], [canceled]),
            (["--state", "READY,Canceled"], [canceled, ready]), (["--state", "failed"], []),
            (["--state", "ready", "--state", "canceled"], [canceled, ready]),
            (["--type", "lint"], [ready]), (["--type", "none"], []), (["--namespace", "acme"], [canceled]),
            (["--label", "a=1"], [canceled, ready]), (["--label", "a=1", "--label", "b=2"], [ready]),
            (["--label", "a=2"], []), (["--limit", "1"], [canceled]), (["--limit", "5"], [canceled, ready]),
        ]
        for words, expected in rows:
            with self.subTest(words=words):
                self.assertEqual(self.list_here("-q", *words).split(), expected)
                self.assertEqual([task["task_id"] for task in lines(self.list_here("--json", *words))], expected)

    def test_an_empty_list_is_no_output(self):
        self.assertEqual(self.list_here(), "")
        self.assertEqual(self.list_here("--json"), "")

    def test_a_limit_holds_over_pages(self):
        self.submit_here("--each", stdin=b"x\n" * 2100)
        self.assertEqual(len(self.list_here("-q", "--limit", "2001").splitlines()), 2001)
        self.assertEqual(self.list_here().count("ID "), 1, "one head over all pages")

    def test_show_tells_all_about_a_task_and_what_to_do(self):
        task_id = self.submit_here("--type", "lint", "--label", "repo=acme/web", "check it\nsecond")
        expected = (f"{task_id} check it\n"
                    " state READY\n"
                    f" type lint queue {self.queue} priority 5\n"
                    " labels repo=acme/web\n"
                    " submitted <time> (<span> ago)\n"
                    " payload 15 B, text/plain; charset=utf-8\n"
                    " check it\n"
                    " second\n"
                    f" next gangerctl why {task_id}\n"
                    f" gangerctl wait {task_id}\n"
                    f" gangerctl cancel {task_id}\n")
        self.assertEqual(normal(self.good("show", task_id)), expected)
        self.assertEqual(normal(self.good("get", task_id)), expected, "get is the same")
        self.assertEqual(self.good("show", "-q", task_id), task_id + "\n")

    def test_show_takes_several_and_shows_those_that_there_are(self):
        first, second = self.submit_here("a"), self.submit_here("b")
        result = self.run_words("show", "-q", first, "ZZZZ-ZZZZ", second)
        self.assertEqual((result.status, result.output), (NOT_FOUND, f"{first}\n{second}\n"))
        self.assertIn("there is no task ZZZZ-ZZZZ", result.errors)

    def test_ids_are_taken_in_every_form(self):
        task_id = self.submit_here("x")
        short = task_id.replace("-", "").lstrip("0")
        for word in (task_id, task_id.lower(), task_id.replace("-", ""), short, short.lower()):
            with self.subTest(word=word):
                self.assertEqual(self.good("show", "-q", word), task_id + "\n")

    def test_a_beginning_that_several_ids_have_names_the_candidates(self):
        task_ids = [self.submit_here("x") for _ in range(3)]
        errors = self.bad(USAGE, "show", "0000-")
        self.assertIn("several tasks begin with 0000-", errors)
        self.assertIn("write more of the id", errors)
        self.assertRegex(errors, r"\n  (0000-[0-9A-Z]{4}, )+")
        self.assertEqual(self.good("show", "-q", task_ids[0][:9]), task_ids[0] + "\n")

    def test_cancel_says_what_became_of_each(self):
        first, second = self.submit_here("a"), self.submit_here("b")
        self.assertEqual(self.good("cancel", first, second), f"{first} CANCELED\n{second} CANCELED\n")
        self.assertIn(f"cannot cancel {first}", self.bad(REFUSED, "cancel", first))
        third = self.submit_here("c")
        task = json.loads(self.good("cancel", "--json", "--reason", "why not", third))
        self.assertEqual((task["state"], task["cancel_reason"]), ("CANCELED", "why not"))
        fourth = self.submit_here("d")
        self.assertEqual(self.good("cancel", "-q", fourth), fourth + "\n")

    def test_retry_gives_a_canceled_task_a_new_life_and_refuses_a_live_one(self):
        task_id = self.submit_here("a")
        self.assertIn(f"cannot retry {task_id}", self.bad(REFUSED, "retry", task_id))
        self.good("cancel", task_id)
        self.assertEqual(self.good("retry", task_id), f"{task_id} READY\n")

    def test_wait_knows_what_has_ended_and_what_is_not_there(self):
        first, second = self.submit_here("a"), self.submit_here("b")
        self.good("cancel", first, second)
        result = self.run_words("wait", first, second, first)
        self.assertEqual(result.status, FAILED, result)
        self.assertEqual(normal(result.output), "ID TYPE STATE TRIES TOOK TITLE WHY\n"
                         f"{first} any CANCELED 0/3 - a\n{second} any CANCELED 0/3 - b\n")
        self.assertIn("2/2", result.errors)
        quiet = self.run_words("wait", "-q", first)
        self.assertEqual((quiet.status, quiet.output, quiet.errors), (FAILED, "", ""))
        self.assertEqual([task["state"] for task in lines(self.run_words("wait", "--json", first).output)], ["CANCELED"])

    def test_wait_gives_up_after_its_timeout(self):
        task_id = self.submit_here("a")
        errors = self.bad(TIMED_OUT, "wait", "-q", "--timeout", "300ms", task_id)
        self.assertEqual(errors, "gangerctl: not all tasks have ended in time\n  the tasks go on\n"
                                 f"  look again with: gangerctl wait {task_id}\n")

    def test_wait_watches_more_tasks_than_one_stream_holds(self):
        task_ids = self.submit_here("--each", stdin=b"x\n" * 2050).split()
        process = start(["wait", "-q", *task_ids], self.place.environment)
        self.addCleanup(process.kill)
        canceled = subprocess.run(["xargs", f"{PROGRAMS}/gangerctl", "cancel", "-q"], env=self.place.environment,
                                  input="\n".join(task_ids).encode(), stdout=subprocess.DEVNULL, check=True, timeout=120)
        self.assertEqual(canceled.returncode, 0)
        self.assertEqual(process.wait(60), FAILED)

    def test_ctrl_c_stops_waiting_and_cancels_nothing(self):
        task_id = self.submit_here("a")
        process = start(["wait", task_id], self.place.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertIn(b"0/1", process.stderr.readline())
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (INTERRUPTED, b""))
        self.assertIn(f"look again with: gangerctl wait {task_id}", errors.decode())
        self.assertEqual(self.task(task_id)["state"], "READY")

    def test_logs_of_a_task_that_has_not_run_say_so(self):
        task_id = self.submit_here("a")
        result = self.run_words("logs", task_id)
        self.assertEqual((result.status, result.output), (0, ""))
        self.assertEqual(result.errors, f"gangerctl: {task_id} has not run yet: it is READY\n")
        self.assertIn("there is no output of run 77", self.bad(NOT_FOUND, "logs", "--run", "77", task_id))

    def test_queues_count_by_state(self):
        self.submit_here("--type", "lint", "a")
        self.submit_here("--delay", "1h", "b")
        self.good("cancel", self.submit_here("c"))
        rows = [row for row in normal(self.good("queues")).splitlines() if row.startswith((self.queue, "QUEUE"))]
        self.assertEqual(rows[0], "QUEUE READY SCHEDULED ASSIGNED RUNNING COMPLETED FAILED CANCELED OLDEST WAITING FOR")
        self.assertRegex(rows[1], rf"\A{self.queue} 1 1 0 0 0 0 1 (<span>|-) lint\Z")
        self.assertIn(self.queue, self.good("queues", "-q").split())
        queue = [queue for queue in lines(self.good("queues", "--json")) if queue["queue"] == self.queue][0]
        self.assertEqual({state["state"]: state["tasks"] for state in queue["states"] if state["tasks"]},
                         {"READY": 1, "SCHEDULED": 1, "CANCELED": 1})
        self.assertEqual(self.good("queues", "--namespace", "nobody"), "")

    def test_status_shows_both_daemons(self):
        text = self.good("status")
        self.assertRegex(text, r"(?m)\Abroker     up .* version \d+\.\d+\.\d+ .*\ntasks .*READY \d.*\nagents .*\n"
                               r"contextd   up .*\nshared     entries \d+ ")
        self.assertEqual([daemon["daemon"] for daemon in lines(self.good("status", "--json"))], ["broker", "contextd"])

    def test_no_agents_is_no_output(self):
        self.assertEqual(self.good("agents"), "")
        self.assertEqual(self.good("agents", "--types"), "")

    def test_options_of_every_command_may_stand_before_and_after_it(self):
        task_id = self.submit_here("x")
        endpoint = self.place.broker_endpoint
        nowhere = {"GANGER_BROKER": "ipc:///nonexistent/broker.sock"}
        for words in (["--broker", endpoint, "-q", "show", task_id], ["-q", "show", task_id, "--broker", endpoint],
                      ["show", "-q", f"--broker={endpoint}", task_id], ["--timeout=5s", "show", task_id, "--quiet",
                                                                        "--broker", endpoint]):
            with self.subTest(words=words):
                self.assertEqual(self.good(*words, environment=nowhere), task_id + "\n")

    def test_text_of_tasks_is_harmless_in_tables(self):
        self.submit_here("--title", "a\x1b]0;x\x07\nb\u202e", "x")
        self.assertIn("a\\x1b]0;x\\x07\\nb\\u202e", self.list_here())

    def test_a_closed_pipe_ends_it_quietly(self):
        self.submit_here("--each", stdin=b"x\n" * 3000)
        process = start(["list", "--queue", self.queue], self.place.environment, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE)
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()
        self.assertIn(process.wait(60), (-signal.SIGPIPE, 0))

    def test_a_full_disk_is_an_error(self):
        task_id = self.submit_here("x")
        with open("/dev/full", "wb") as full:
            for words in (["show", task_id], ["list"], ["list", "--json"], ["status"], ["queues"]):
                done = subprocess.run([f"{PROGRAMS}/gangerctl", *words], env=self.place.environment, stdout=full,
                                      stderr=subprocess.PIPE, check=False, timeout=60)
                self.assertEqual(done.returncode, 1, words)
                self.assertIn(b"cannot write the output", done.stderr)


class Context(Suite):
    daemons = ("context",)

    def test_what_is_put_is_got_byte_for_byte(self):
        values = [b"text", b"", b"no newline", b"lines\n\n", bytes(range(256)), b"x" * 1048576]
        for value in values:
            with self.subTest(size=len(value)):
                self.good("context", "put", "docs/bytes.bin", "-", stdin=value)
                done = subprocess.run([f"{PROGRAMS}/gangerctl", "context", "get", "docs/bytes.bin"],
                                      env=self.place.environment, stdout=subprocess.PIPE, check=True, timeout=60)
                self.assertEqual(done.stdout, value)

    def test_put_prints_the_version(self):
        self.assertEqual(self.good("context", "put", "global/version", "a"), "global/version version 1\n")
        self.assertEqual(self.good("context", "put", "-q", "global/version", "b"), "2\n")
        self.assertEqual(json.loads(self.good("context", "put", "--json", "global/version", "c"))["version"], 3)

    def test_put_takes_a_file_and_a_type(self):
        path = f"{self.place.folder}/plan.md"
        with open(path, "w", encoding="utf-8") as file:
            file.write("# Plan\n")
        self.good("context", "put", "docs/plan.md", "--type", "text/markdown", "--file", path)
        entry = json.loads(self.good("context", "get", "--json", "docs/plan.md"))
        self.assertEqual((entry["value"], entry["content_type"]), ("# Plan\n", "text/markdown"))

    def test_an_expected_version_is_compared_and_a_conflict_names_the_present_one(self):
        self.good("context", "put", "--expect", "0", "global/cas", "a")
        self.good("context", "put", "--expect", "1", "global/cas", "b")
        errors = self.bad(REFUSED, "context", "put", "--expect", "1", "global/cas", "c")
        self.assertEqual(normal(errors), "gangerctl: global/cas is not at the expected version\n"
                         " it is at version 2 now (<span> ago)\n"
                         " look at it with: gangerctl context get global/cas; then use --expect 2\n")
        self.assertIn("it does not exist", self.bad(REFUSED, "context", "put", "--expect", "4", "global/absent", "c"))
        self.bad(REFUSED, "context", "delete", "--expect", "1", "global/cas")
        self.assertEqual(self.good("context", "get", "global/cas"), "b")

    def test_delete_deletes(self):
        self.good("context", "put", "global/gone", "a")
        self.assertEqual(self.good("context", "delete", "global/gone"), "global/gone deleted\n")
        self.bad(NOT_FOUND, "context", "get", "global/gone")
        self.good("context", "put", "global/gone", "a")
        self.assertEqual(self.good("context", "rm", "-q", "global/gone"), "")

    def test_list_shows_keys_in_order_below_a_prefix(self):
        for key, value in (("docs/list/b.md", "bb"), ("docs/list/a.md", "a"), ("global/list", "x")):
            self.good("context", "put", key, value)
        self.assertEqual(normal(self.good("context", "list", "docs/list/")),
                         "KEY VERSION SIZE AGE TYPE WRITER\n"
                         "docs/list/a.md 1 1 B <span> -\ndocs/list/b.md 1 2 B <span> -\n")
        self.assertEqual(self.good("context", "ls", "-q", "docs/list/"), "docs/list/a.md\ndocs/list/b.md\n")
        self.assertEqual(self.good("context", "list", "-q", "--limit", "1", "docs/list/"), "docs/list/a.md\n")
        self.assertEqual([entry["value"] for entry in
                          lines(self.good("context", "list", "--json", "--values", "docs/list/"))], ["a", "bb"])
        self.assertEqual(self.good("context", "list", "docs/nothing"), "")

    def test_list_goes_over_pages(self):
        for number in range(3):
            self.good("context", "put", f"docs/pages/{number}.txt", "-", stdin=b"x" * 400000)
        self.assertEqual(len(lines(self.good("context", "list", "--json", "--values", "docs/pages/"))), 3)

    def test_namespaces_are_apart(self):
        self.good("context", "put", "--namespace", "acme", "global/ns", "theirs")
        self.bad(NOT_FOUND, "context", "get", "global/ns")
        self.assertEqual(self.good("context", "get", "--namespace", "acme", "global/ns"), "theirs")
        self.assertEqual(self.good("context", "list", "-q", "--namespace", "acme"), "global/ns\n")
        self.good("context", "delete", "--namespace", "acme", "global/ns")

    def test_stats_count(self):
        self.good("context", "put", "global/stats", "12345")
        stats = json.loads(self.good("context", "stats", "--json"))
        self.assertGreaterEqual(stats["global_entries"], 1)
        self.assertRegex(self.good("context", "stats"), r"(?m)^global entries +\d+$")

    def test_status_shows_the_store_and_says_that_the_broker_does_not_answer(self):
        result = self.run_words("status", "--timeout", "300ms")
        self.assertEqual(result.status, 3)
        self.assertRegex(result.output, r"\Acontextd   up ")
        self.assertIn("no broker answers", result.errors)


class WithWorker(Suite):
    """Real agents: shell scripts."""

    daemons = ("broker", "context", "worker")

    def test_a_running_task_is_suspended_once_its_agent_is_gone_and_resumed(self):
        task_id = self.submit("--type", "sh", "sleep 600")
        self.await_state(task_id, "RUNNING")
        self.good("suspend", "--reason", "ask first", task_id)
        self.await_state(task_id, "SUSPENDED")
        task = json.loads(self.good("show", "--json", task_id))
        self.assertEqual((task["suspend_reason"], task["attempts"]), ("ask first", 0))
        self.assertIn(f"gangerctl resume {task_id}", self.good("show", task_id))
        self.assertIn(task_id, self.good("resume", "--answer", "go on", task_id))
        self.await_state(task_id, "RUNNING")
        self.good("cancel", task_id)

    def test_submit_and_wait_until_it_is_done(self):
        result = self.run_words("submit", "--type", "sh", "--wait", "echo hello")
        self.assertEqual(result.status, 0, result)
        self.assertRegex(result.output, r"\A[0-9A-Z-]{9}\n\Z")
        self.assertIn("1/1", result.errors)
        self.assertEqual(self.good("logs", result.output.strip()), "hello\n")

    def test_a_failure_is_shown_and_ends_with_1(self):
        result = self.run_words("submit", "--type", "sh", "--max-attempts", "1", "--wait", "echo no >&2; exit 3")
        self.assertEqual(result.status, FAILED, result)
        self.assertRegex(result.output, r"\A[0-9A-Z-]{9}\n\Z", "only the id is the result")
        self.assertRegex(normal(result.errors), r"FAILED 1/1 <span> echo no >&2; exit 3 exit status 3")
        quiet = self.run_words("submit", "-q", "--type", "sh", "--max-attempts", "1", "--wait", "exit 3")
        self.assertEqual((quiet.status, quiet.errors), (FAILED, ""))

    def test_show_tells_how_it_failed_and_names_the_output(self):
        result = self.run_words("submit", "-q", "--type", "sh", "--max-attempts", "1", "--wait", "echo out; exit 3")
        text = normal(self.good("show", result.output.strip()))
        self.assertIn(" state FAILED, attempt 1 of 1, took <span>\n why exit status 3", text)
        self.assertRegex(text, r"output run \d+ stderr: 0 B\n run \d+ stdout: 4 B\n")
        self.assertIn(f"next gangerctl logs {result.output.strip()}\n gangerctl retry {result.output.strip()}\n", text)

    def test_logs_keep_stdout_and_stderr_apart(self):
        task_id = self.run_words("submit", "-q", "--type", "sh", "--wait", "echo out; echo err >&2").output.strip()
        result = self.run_words("logs", task_id)
        self.assertEqual((result.status, result.output, result.errors), (0, "out\n", "err\n"))
        self.assertEqual(self.good("logs", "--stdout", task_id), "out\n")
        self.assertEqual(self.good("logs", "--stderr", task_id), "err\n")
        self.assertEqual(self.good("logs", "--stream", "stderr", task_id), "err\n")
        chunks = lines(self.good("logs", "--json", task_id))
        self.assertEqual([(chunk["stream"], chunk["offset"], chunk["data"]) for chunk in chunks],
                         [("stdout", 0, "out\n"), ("stderr", 0, "err\n")])

    def test_logs_are_byte_for_byte_in_a_pipe_also_when_they_are_large(self):
        script = "i=0; while [ $i -lt 20000 ]; do printf '%s \\033[31m\\377 a line of output\\n' $i; i=$((i+1)); done"
        task_id = self.run_words("submit", "-q", "--type", "sh", "--wait", script).output.strip()
        done = subprocess.run([f"{PROGRAMS}/gangerctl", "logs", task_id], env=self.place.environment,
                              stdout=subprocess.PIPE, check=True, timeout=60)
        self.assertEqual(done.stdout, b"".join(b"%d \033[31m\xff a line of output\n" % i for i in range(20000)))

    def test_following_shows_the_output_as_it_comes_and_ends_with_the_task(self):
        go = f"{self.place.folder}/go"
        task_id = self.submit("--type", "sh", f"echo first; while [ ! -e {go} ]; do sleep 0.05; done; echo second")
        process = start(["logs", "-f", task_id], self.place.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"first\n")
        with open(go, "wb"):
            pass
        out, errors = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (0, b"second\n"))
        self.assertEqual(errors.decode(), f"gangerctl: {task_id} COMPLETED\n")

    def test_following_goes_over_all_runs(self):
        done = f"{self.place.folder}/second"
        task_id = self.submit("--type", "sh", "--delay", "500ms", "--backoff", "200ms",
                              f"echo run; [ -e {done} ] && exit 0; touch {done}; exit 1")
        result = self.run_words("logs", "-f", task_id)
        self.assertEqual((result.status, result.output), (0, "run\nrun\n"), result)
        fences = {stream["fence"] for stream in lines(self.good("logs", "--json", task_id))}
        self.assertEqual(len(fences), 1, "without --follow it is the latest run")
        show = self.good("show", task_id)
        self.assertIn("(an earlier run)", show)
        earlier = next(line.split("run ")[1].split()[0] for line in show.splitlines() if "(an earlier run)" in line)
        self.assertEqual(self.good("logs", "--stdout", "--run", earlier, task_id), "run\n")

    def test_following_a_task_that_waits_starts_with_its_first_run(self):
        task_id = self.submit("--type", "sh", "--delay", "500ms", "echo late")
        result = self.run_words("logs", "-f", "-q", task_id)
        self.assertEqual((result.status, result.output, result.errors), (0, "late\n", ""), result)

    def test_ctrl_c_stops_following_and_cancels_nothing(self):
        task_id = self.submit("--type", "sh", "echo here; sleep 600")
        process = start(["logs", "-f", task_id], self.place.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"here\n")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, INTERRUPTED)
        self.assertIn(f"look again with: gangerctl logs -f {task_id}", errors.decode())
        self.assertIn('"state":"RUNNING"', self.good("show", "--json", task_id))
        self.good("cancel", task_id)
        self.assertEqual(self.run_words("wait", "-q", task_id).status, FAILED)

    def test_a_running_task_is_canceling_until_its_agent_has_stopped(self):
        task_id = self.submit("--type", "sh", "trap 'sleep 0.5; exit 1' TERM; sleep 600 & wait")
        self.await_state(task_id, "RUNNING")
        self.assertEqual(self.good("cancel", "--reason", "enough", task_id), f"{task_id} canceling\n")
        result = self.run_words("wait", task_id)
        self.assertEqual(result.status, FAILED)
        self.assertRegex(normal(result.output), f"{task_id} sh CANCELED .* enough\n")

    def test_agents_and_types_are_listed(self):
        self.assertRegex(normal(self.good("agents")),
                         r"\AAGENT HOST HELD SLOTS HEARD LEASE CAN RUN\nw1 \S+ \d 4 <span> ago \S+ sh \d/4, missing: .*\n\Z")
        self.assertEqual(self.good("agents", "-q"), "w1\n")
        self.assertEqual(lines(self.good("agents", "--json"))[0]["agent_id"], "w1")
        self.assertRegex(normal(self.good("agents", "--types")),
                         r"\ATYPE SUPERVISORS RUNNING MAX\nmissing 0 0 0\nsh 1 \d 4\n\Z")
        self.assertEqual(self.good("agents", "--types", "-q"), "missing\nsh\n")

    def test_a_retry_with_force_runs_a_completed_task_again(self):
        task_id = self.run_words("submit", "-q", "--type", "sh", "--wait", "echo again").output.strip()
        self.assertIn("cannot retry", self.bad(REFUSED, "retry", task_id))
        self.assertEqual(self.good("retry", "--force", task_id), f"{task_id} READY\n")
        self.assertEqual(self.run_words("wait", "-q", task_id).status, 0)

    def test_show_without_the_context_store_shows_the_task_all_the_same(self):
        task_id = self.run_words("submit", "-q", "--type", "sh", "--wait", "echo x").output.strip()
        result = self.run_words("show", "--timeout", "500ms", "--context", "ipc:///nonexistent/context.sock", task_id)
        self.assertEqual(result.status, 0, result)
        self.assertIn("COMPLETED", result.output)
        self.assertEqual(result.errors, "gangerctl: the context store does not answer: the output is not shown\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
