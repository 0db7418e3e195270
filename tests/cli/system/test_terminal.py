"""gangerctl on a terminal: colours, widths, progress in place, and text of tasks that cannot act on it."""

import re
import subprocess
import unittest

from harness import PROGRAMS, Suite, Terminal

COLOUR = re.compile(r"\033\[[0-9;]*m")
WIPE = "\r\033[K"


class OnATerminal(Suite):
    daemons = ("broker", "context", "worker")

    def show(self, *words, columns=80, environment=None, status=0):
        """Everything that the command shows on a terminal of this width."""
        ended, text = Terminal({**self.place.environment, **(environment or {})}, *words, columns=columns).end()
        self.assertEqual(ended, status, text)
        self.assertNotIn("Sanitizer", text)
        return text

    def ended_task(self, *words, status=0):
        result = self.run_words("submit", "-q", "--type", "sh", "--max-attempts", "1", "--wait", *words)
        self.assertEqual(result.status, status, result)
        return result.output.strip()

    def test_states_have_colours_on_a_terminal_and_their_names_beside_them(self):
        task_id = self.ended_task("exit 3", status=1)
        self.assertIn("\033[1;31mFAILED\033[0m", self.show("list"))
        self.assertIn("\033[1;31mFAILED\033[0m", self.show("show", task_id))
        self.assertRegex(self.show("status"), COLOUR)

    def test_there_are_no_colours_when_they_are_not_wanted_or_cannot_be(self):
        self.ended_task("exit 3", status=1)
        for words, environment in ((["list"], {"NO_COLOR": "1"}), (["list", "--no-color"], {}),
                                   (["--no-color", "status"], {}), (["list"], {"TERM": "dumb"}),
                                   (["list"], {"TERM": ""}), (["list", "--json"], {}), (["list", "-q"], {})):
            with self.subTest(words=words, environment=environment):
                text = self.show(*words, environment=environment)
                self.assertNotIn("\033", text)
        self.assertRegex(self.show("list", environment={"NO_COLOR": ""}), COLOUR, "an empty NO_COLOR says nothing")

    def test_there_are_no_colours_in_a_pipe(self):
        self.ended_task("exit 3", status=1)
        self.assertNotIn("\033", self.good("list"))
        self.assertNotIn("\033", self.good("status"))

    def test_a_table_fits_the_terminal(self):
        self.submit("--delay", "1h", "--title", "a title that is longer than any terminal " * 4, "x")
        for columns in (80, 100, 200):
            with self.subTest(columns=columns):
                text = COLOUR.sub("", self.show("list", columns=columns))
                self.assertLessEqual(max(map(len, text.splitlines())), columns)
                self.assertIn("…", text)
        self.assertIn("a title that is longer than any terminal " * 3, self.good("list"), "nothing is cut in a pipe")

    def test_the_progress_is_drawn_in_place_and_the_last_line_stays(self):
        text = self.show("submit", "--type", "sh", "--wait", "sleep 0.5", columns=100)
        self.assertIn(WIPE, text)
        self.assertRegex(text, r"sh  ░{26}  0/1")
        self.assertTrue(text.endswith("sh  " + "█" * 26 + "  1/1\n"), text)

    def test_the_progress_is_ascii_where_the_locale_is(self):
        text = self.show("submit", "--type", "sh", "--wait", "true", environment={"LC_ALL": "C"})
        self.assertTrue(text.endswith("sh  " + "#" * 26 + "  1/1\n"), text)

    def test_there_is_no_progress_when_it_is_quiet(self):
        text = self.show("submit", "-q", "--type", "sh", "--wait", "sleep 0.3")
        self.assertRegex(text, r"\A[0-9A-Z-]{9}\n\Z")

    def test_off_a_terminal_the_progress_is_plain_lines(self):
        result = self.run_words("submit", "--type", "sh", "--wait", "sleep 0.3")
        self.assertNotIn("\r", result.errors)
        self.assertEqual(result.errors.splitlines()[-1], "sh  1/1")

    def test_ctrl_c_detaches_and_says_how_to_look_again(self):
        task_id = self.submit("--type", "sh", "--delay", "1h", "x")
        terminal = Terminal(self.place.environment, "wait", task_id)
        terminal.read_until(lambda text: "0/1" in text)
        terminal.press(b"\x03")
        status, text = terminal.end()
        self.assertEqual(status, 130, text)
        self.assertIn(f"you have stopped waiting\n  nothing was canceled: the tasks go on\n"
                      f"  look again with: gangerctl wait {task_id}\n", text)
        self.assertIn('"state":"SCHEDULED"', self.good("show", "--json", task_id))

    def test_a_broker_that_is_away_is_said_and_waited_for(self):
        task_id = self.submit("--type", "sh", "sleep 600")
        terminal = Terminal(self.place.environment, "wait", task_id, columns=120)
        terminal.read_until(lambda text: "1 running" in text)
        self.place.broker.process.kill()
        self.place.broker.process.wait()
        terminal.read_until(lambda text: "the broker does not answer, waiting" in text)
        self.place.broker.start()
        self.good("cancel", task_id)
        status, text = terminal.end()
        self.assertEqual(status, 1, text)
        self.assertIn("CANCELED", text)

    def test_output_of_tasks_cannot_act_on_the_terminal(self):
        task_id = self.ended_task(r"printf '\033]0;owned\007\033[2J\033[1;1Hhidden\rover\n\302\233x\377\n'; echo ok")
        for words in (["logs", task_id], ["show", task_id]):
            text = self.show(*words, environment={"NO_COLOR": "1"})
            self.assertNotIn("\033", text)
            self.assertNotIn("\x07", text)
            self.assertNotIn("\x9b", text)
        text = self.show("logs", task_id)
        self.assertEqual(text, "\\x1b]0;owned\\x07\\x1b[2J\\x1b[1;1Hhidden\\rover\n\\u009bx\\xff\nok\n")

    def test_text_of_tasks_cannot_act_on_the_terminal(self):
        task_id = self.submit("--delay", "1h", "--title", "t\033[2J\u202e", "--label", "k=\033[2J", "p\033[2J")
        self.good("cancel", "--reason", "r\033[2J", task_id)
        for words in (["show", task_id], ["list"], ["show", "--json", task_id], ["list", "--json"], ["wait", task_id]):
            text = self.show(*words, environment={"NO_COLOR": "1"}, status=1 if words[0] == "wait" else 0)
            self.assertNotIn("\033[2J", text)
            self.assertNotIn("\u202e", text)

    def test_entries_cannot_act_on_the_terminal_and_end_their_line(self):
        self.good("context", "put", "global/evil", "-", stdin=b"a\033[2Jb")
        self.assertEqual(self.show("context", "get", "global/evil"), "a\\x1b[2Jb\n")
        self.assertEqual(self.good("context", "get", "global/evil"), "a\033[2Jb", "a pipe gets what was stored")

    def test_an_empty_list_says_so_on_a_terminal_only(self):
        self.assertEqual(self.show("list", "--type", "nobody"), "gangerctl: no tasks\n")
        self.assertEqual(self.good("list", "--type", "nobody"), "")

    def test_logs_of_several_runs_are_told_apart_on_a_terminal(self):
        done = f"{self.place.folder}/done-once"
        task_id = self.submit("--type", "sh", "--delay", "300ms", "--backoff", "100ms",
                              f"echo a run; [ -e {done} ] && exit 0; touch {done}; exit 1")
        text = self.show("logs", "-f", task_id)
        self.assertRegex(text, r"gangerctl: run \d+.*\na run\ngangerctl: run \d+.*\na run\ngangerctl: \S+ COMPLETED\n")


class ClosedStreams(Suite):
    daemons = ("broker",)

    def test_a_result_that_goes_nowhere_is_an_error_and_reaches_no_daemon(self):
        self.submit("--delay", "1h", "x")
        for redirection, status in ((">&-", 1), ("2>&-", 0), ("<&-", 0), (">&- 2>&- <&-", 1)):
            for command in ("help", "list", "list --json", "queues"):
                done = subprocess.run(["sh", "-c", f"exec {PROGRAMS}/gangerctl {command} {redirection}"],
                                      env=self.place.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      check=False, timeout=60)
                with self.subTest(redirection=redirection, command=command):
                    self.assertEqual(done.returncode, status, done)
                    self.assertNotIn(b"Sanitizer", done.stderr)
                    if redirection == ">&-":
                        self.assertIn(b"Bad file descriptor", done.stderr, "nothing else has taken its number")
        with open(self.place.broker.log, encoding="utf-8") as log:
            self.assertNotIn("<3>", log.read())

    def test_a_payload_from_a_closed_stdin_is_an_error(self):
        done = subprocess.run(["sh", "-c", f"exec {PROGRAMS}/gangerctl submit - <&-"], env=self.place.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (2, b""))
        self.assertIn(b"cannot read -", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
