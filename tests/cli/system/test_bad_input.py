"""Bad input for every command: missing, malformed, oversized and unknown arguments.

Each row ends with the status of its kind, says on stderr what is wrong and writes nothing on stdout. What cannot be
right whatever the daemons hold is refused without asking them: there are none in the first half.
"""

import os
import signal
import subprocess
import unittest

from harness import Suite

USAGE, NO_DAEMON, NOT_FOUND, REFUSED = 2, 3, 4, 5

COMMANDS = {
    "submit": ["x"], "list": [], "show": ["1"], "get": ["1"], "wait": ["1"], "logs": ["1"], "cancel": ["1"],
    "retry": ["1"], "orphans": ["1"], "adopt": ["1"], "why": ["1"], "queues": [], "agents": [], "status": [],
    "context get": ["global/a"], "context put": ["global/a", "x"], "context list": [], "context delete": ["global/a"],
    "context stats": [], "limit set": ["--max-running", "1", "a"], "limit list": ["a"], "limit delete": ["a"],
    "move": ["--to-queue", "a", "1"], "jobs": [], "purge": ["--state", "failed"], "queue pause": ["a"], "queue resume": ["a"],
    "queue set": ["--length-max", "1", "a"], "agent drain": ["a"], "store backup": ["/nowhere/a"], "store check": [],
    "store raise-epoch": ["--yes"], "lock acquire": ["a"], "lock renew": ["a", "1"], "lock release": ["a", "1"],
    "lock list": ["a"], "lock stats": [], "lock run": ["a", "true"], "message send": ["a", "x"],
    "message receive": ["a"], "message ack": ["a", "1"], "message list": ["a"],
    "agent kill": ["--yes", "a"], "budget set": ["--dollars", "1", "1"], "budget show": ["1"],
    "update": ["--priority", "1", "1"], "suspend": ["1"], "resume": ["1"],
}
OFFLINE = ["help", "version"]
AT_CONTEXT = {"context", "lock", "message"}
TAKES_ANY_NUMBER = {"jobs", "show", "get", "wait", "cancel", "retry", "move", "lock run", "update", "suspend", "resume"}

# What is wrong by itself: the words, and a piece of the message.
MISSING = [
    ("submit", "the payload is missing"),
    ("submit --each --type", "--type needs a value"),
    ("show", "an argument is missing"),
    ("get", "an argument is missing"),
    ("wait", "an argument is missing"),
    ("logs", "an argument is missing"),
    ("cancel", "an argument is missing"),
    ("cancel --reason", "--reason needs a value"),
    ("retry", "an argument is missing"),
    ("purge", "which states?"),
    ("jobs --cancel", "which job?"),
    ("context get", "an argument is missing"),
    ("context put", "an argument is missing"),
    ("context put global/a", "the value is missing"),
    ("context delete", "an argument is missing"),
    ("lock acquire", "an argument is missing"),
    ("lock run a", "an argument is missing"),
    ("lock release a", "an argument is missing"),
    ("message send a", "an argument is missing"),
    ("message ack a", "an argument is missing"),
    ("list --state", "--state needs a value"),
    ("list --limit", "--limit needs a value"),
    ("queues --namespace", "--namespace needs a value"),
    ("logs --run", "--run needs a value"),
    ("status --broker", "--broker needs a value"),
    ("status --timeout", "--timeout needs a value"),
]

MALFORMED = [
    ("list --state wating", "no state"),
    ("list --state failed,,nope", "no state"),
    ("list --state ,", "no state"),
    ("purge --state failed --older-than 1y", "--older-than"),
    ("cancel --state ready 1", "one argument too many"),
    ("submit --after-failure never x", "--after-failure"),
    ("jobs nope!", "no id of a job"),
    ("list --limit 0", "--limit"),
    ("list --limit -1", "--limit"),
    ("list --limit 1x", "--limit"),
    ("list --limit 18446744073709551616", "--limit"),
    ("list --type a/b", "--type"),
    ("list --queue", "--queue"),
    ("list --label novalue", "--label"),
    ("submit --priority 0 x", "--priority"),
    ("submit --priority 10 x", "--priority"),
    ("submit --priority high x", "--priority"),
    ("submit --delay soon x", "--delay"),
    ("submit --not-before soon x", "--not-before"),
    ("submit --on-lost maybe x", "--on-lost"),
    ("submit --budget-dollars 0 x", "--budget-dollars"),
    ("submit --budget-dollars $5 x", "--budget-dollars"),
    ("submit --budget-tokens 0 x", "--budget-tokens"),
    ("submit --budget-tokens 5 --on-breach stop x", "--on-breach"),
    ("submit --on-breach cancel x", "--on-breach"),
    ("budget set --dollars -1 1", "--dollars"),
    ("budget set --tokens many 1", "--tokens"),
    ("budget set 1", "an option is missing"),
    ("submit --delay -5s x", "--delay"),
    ("submit --delay 367d x", "--delay"),
    ("submit --max-attempts 0 x", "--max-attempts"),
    ("submit --max-attempts 101 x", "--max-attempts"),
    ("submit --run-timeout 31d x", "--run-timeout"),
    ("submit --retention 367d x", "--retention"),
    ("submit --backoff 1y x", "--backoff"),
    ("submit --expires-in 0 x", "--expires-in"),
    ("submit --start-timeout 999ms x", "--start-timeout"),
    ("submit --start-timeout 25h x", "--start-timeout"),
    ("submit --max-crashes 101 x", "--max-crashes"),
    ("submit --max-deliveries 1001 x", "--max-deliveries"),
    ("submit --on-conflict perhaps x", "--on-conflict"),
    ("submit --key a --each", "--key and --each"),
    ("update 1", "there is nothing to do"),
    ("update --expect 0 1", "--expect"),
    ("submit --type sp%ace x", "--type"),
    ("submit --queue / x", "--queue"),
    ("submit --namespace é x", "--namespace"),
    ("submit --label =v x", "--label"),
    ("submit --file /nonexistent/file", "cannot read /nonexistent/file"),
    ("submit --file /", "cannot read /"),
    ("submit --file /etc/hostname x", "which is the payload?"),
    ("submit --each x", "one argument too many"),
    ("submit --each --file /nonexistent/file", "cannot read"),
    ("logs --run 0 1", "--run"),
    ("logs --run first 1", "--run"),
    ("logs --stream a/b 1", "--stream"),
    ("logs -f --run 3 1", "do not go together"),
    ("queues --namespace a/b", "--namespace"),
    ("context put --expect x global/a v", "--expect"),
    ("context put --expect -1 global/a v", "--expect"),
    ("context put --file /etc/hostname global/a v", "which is the value?"),
    ("context put --file /nonexistent/file global/a", "cannot read"),
    ("context put --namespace a/b global/a v", "--namespace"),
    ("context delete --expect 0 global/a", "--expect"),
    ("context list --limit 0", "--limit"),
    ("--timeout never list", "--timeout"),
    ("--timeout 0s list", "--timeout"),
    ("--timeout 31d list", "--timeout"),
    ("--broker /run/x list", "--broker"),
    ("--broker http://x list", "--broker"),
    ("--context nothing context list", "--context"),
]

UNKNOWN = [
    ("frobnicate", "no command"),
    ("context frobnicate", "no command"),
    ("help frobnicate", "no command"),
    ("help list frobnicate", "no command"),
    ("--frobnicate list", "no option"),
]


class WithoutDaemons(Suite):
    daemons = ()

    def check_rows(self, rows):
        for words, expected in rows:
            with self.subTest(words=words):
                self.assertIn(expected, self.bad(USAGE, *words.split()))

    def test_what_is_missing_is_named(self):
        self.check_rows(MISSING)

    def test_what_is_malformed_is_named(self):
        self.check_rows(MALFORMED)

    def test_what_is_unknown_is_named(self):
        self.check_rows(UNKNOWN)

    def test_every_command_refuses_an_unknown_option_and_names_it(self):
        for command in [*COMMANDS, *OFFLINE]:
            with self.subTest(command=command):
                self.assertIn("there is no option --frobnicate", self.bad(USAGE, *command.split(), "--frobnicate"))
                self.assertIn("there is no option -Z", self.bad(USAGE, *command.split(), "-Z"))
                self.assertIn("--json takes no value", self.bad(USAGE, *command.split(), "--json=yes"))

    def test_every_command_refuses_an_argument_too_many(self):
        for command, arguments in {**COMMANDS, "version": [], "help": ["context", "get"]}.items():
            if command in TAKES_ANY_NUMBER:
                continue
            extra = ["surplus"] if command != "context list" else ["docs/", "surplus"]
            with self.subTest(command=command):
                self.assertIn('"surplus" is one argument too many',
                              self.bad(USAGE, *command.split(), *arguments, *extra))

    def test_a_slip_of_the_fingers_gets_a_suggestion(self):
        for words, meant in [("sumbit x", "submit"), ("lst", "list"), ("context gte k", "get"), ("cansel 1", "cancel"),
                             ("list --stat=failed --qeue a", "--queue"), ("list --state faled", "failed"),
                             ("submit --titel t x", "--title")]:
            with self.subTest(words=words):
                self.assertIn(f"did you mean {meant}?", self.bad(USAGE, *words.split()))

    def test_oversized_arguments_are_refused_with_the_limit(self):
        many = [word for number in range(17) for word in ("--label", f"k{number}=v")]
        rows = [
            (["submit", "x" * 65537], "at most 65536 bytes"),
            (["submit", "--title", "x" * 256, "x"], "at most 255 bytes"),
            (["submit", "--content-type", "x" * 128, "x"], "at most 127 bytes"),
            (["submit", "--type", "x" * 64, "x"], "1 to 63"),
            (["submit", "--label", "k" * 64 + "=v", "x"], "1 to 63"),
            (["submit", "--label", "k=" + "v" * 256, "x"], "255"),
            (["submit", *many, "x"], "at most 16 labels"),
            (["cancel", "--reason", "x" * 256, "1"], "at most 255 bytes"),
            (["list", "--queue", "x" * 10000], "1 to 63"),
            (["context", "get", "k" * 256], "at most 255 bytes"),
            (["context", "put", "k" * 256, "v"], "at most 255 bytes"),
            (["context", "delete", "k" * 256], "at most 255 bytes"),
            (["context", "list", "k" * 256], "at most 255 bytes"),
            (["context", "put", "--type", "x" * 128, "k", "v"], "at most 127 bytes"),
            (["x" * 100000], "no command"),
            (["list", "--" + "x" * 100000], "no option"),
            (["--broker", "ipc:///" + "x" * 5000, "list"], "--broker"),
        ]
        for words, expected in rows:
            with self.subTest(words=words[:3], expected=expected):
                self.assertIn(expected, self.bad(USAGE, *words))

    def test_an_oversized_file_or_stdin_is_refused_with_the_limit(self):
        path = f"{self.place.folder}/large"
        with open(path, "wb") as file:
            file.write(b"x" * (1024 * 1024 + 1))
        self.assertIn("at most 65536 bytes", self.bad(USAGE, "submit", "--file", path))
        self.assertIn("at most 65536 bytes", self.bad(USAGE, "submit", "-", stdin=b"x" * 65537))
        self.assertIn("at most 1048576 bytes", self.bad(USAGE, "context", "put", "docs/a", "--file", path))
        self.assertIn("at most 1048576 bytes",
                      self.bad(USAGE, "context", "put", "docs/a", "-", stdin=b"x" * (1024 * 1024 + 1)))

    def test_arguments_that_are_not_text_do_not_crash_and_do_not_reach_the_terminal(self):
        for word in (b"\xff\xfe", b"\x1b[31m", b"\xe2\x80\xae", b""):
            for command in ("submit --title", "cancel --reason", "list --type", "list --state", "list --label",
                            "context put --type", "help", "submit --delay", "logs --run", "--timeout", "--broker"):
                with self.subTest(command=command, word=word):
                    result = self.run_words(*command.split(), word, "1", "2", "3", "4")
                    self.assertNotEqual(result.status, 0)
                    self.assertNotIn("\x1b", result.errors)
                    self.assertNotIn("\u202e", result.errors)

    def test_without_words_it_shows_its_commands_and_refuses(self):
        for words in ((), ("context",)):
            result = self.run_words(*words)
            self.assertEqual((result.status, result.output), (USAGE, ""))
            self.assertIn("Commands:", result.errors)

    def test_every_command_says_in_three_lines_that_no_daemon_answers(self):
        for command, arguments in COMMANDS.items():
            name, program = ("context store", "ganger-contextd") if command.split()[0] in AT_CONTEXT else \
                            ("broker", "ganger-broker")
            socket = self.place.environment["GANGER_CONTEXT" if name != "broker" else "GANGER_BROKER"]
            with self.subTest(command=command):
                errors = self.bad(NO_DAEMON, "--timeout", "200ms", *command.split(), *arguments)
                self.assertTrue(errors.startswith(f"gangerctl: no {name} answers at {socket}\n"
                                                  "  the socket does not exist\n"
                                                  f"  is {program} running? try: systemctl status {program}\n"), errors)

    def test_status_names_both_daemons_that_do_not_answer(self):
        errors = self.bad(NO_DAEMON, "--timeout", "200ms", "status")
        self.assertIn("no broker answers", errors)
        self.assertIn("no context store answers", errors)

    def test_a_socket_that_nobody_listens_on_is_told_from_one_that_is_not_there(self):
        import socket  # pylint: disable=import-outside-toplevel
        path = f"{self.place.folder}/dead.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
        self.assertIn("nobody listens", self.bad(NO_DAEMON, "--timeout", "200ms", "--broker", f"ipc://{path}", "list"))

    def test_the_offline_commands_need_nobody(self):
        self.assertRegex(self.good("version"), r"\Agangerctl \d+\.\d+\.\d+\n\Z")
        self.assertRegex(self.good("--version"), r"\Agangerctl \d+\.\d+\.\d+\n\Z")
        self.assertRegex(self.good("version", "--json"), r'\A{"version":"\d+\.\d+\.\d+"}\n\Z')
        self.assertRegex(self.good("-q", "version"), r"\A\d+\.\d+\.\d+\n\Z")

    def test_help_begins_with_examples_and_fits_a_screen(self):
        for command in [*COMMANDS, *OFFLINE, *AT_CONTEXT]:
            with self.subTest(command=command):
                text = self.good("help", *command.split())
                self.assertTrue(text.startswith("Examples:\n  "), text)
                self.assertLessEqual(text.count("\n"), 30)
                self.assertLessEqual(max(map(len, text.splitlines())), 80)
                self.assertEqual(text, self.good(*command.split(), "--help"))
                self.assertEqual(text, self.good(*command.split(), "-h"))
        self.assertLessEqual(self.good("help").count("\n"), 45)
        self.assertLessEqual(max(map(len, self.good("help").splitlines())), 80)

    def test_output_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([f"{os.environ['GANGER_PROGRAMS']}/gangerctl", "help"], env=self.place.environment,
                                  stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write the output\n  No space left on device\n", done.stderr)


class WithDaemons(Suite):
    def test_ids_that_cannot_be_are_usage_errors_for_every_command_that_takes_one(self):
        for command in ("show", "get", "wait", "logs", "cancel", "retry"):
            for word in ("", "U", "0000_0001", "../x", "x" * 14, "1234567890123456789012345", "Z" * 13, "é", "\x1b[31m"):
                with self.subTest(command=command, word=word):
                    self.assertIn("names no task", self.bad(USAGE, command, word))

    def test_ids_that_nobody_has_are_not_found_by_every_command_that_takes_one(self):
        for command in ("show", "get", "wait", "logs", "cancel", "retry"):
            for word in ("ZZZZ-ZZZZ", "FFFF-ZZZZ-ZZZZ-Z"):
                with self.subTest(command=command, word=word):
                    result = self.run_words(command, word)
                    self.assertEqual((result.status, result.output), (NOT_FOUND, ""), result)
                    self.assertIn("there is no task", result.errors)
                    self.assertIn("gangerctl list shows the ids", result.errors)

    def test_a_beginning_that_no_id_has_is_not_found(self):
        for command in ("show", "wait", "logs", "cancel", "retry"):
            with self.subTest(command=command):
                self.assertIn("no task begins with 0ZZ", self.bad(NOT_FOUND, command, "0ZZ"))

    def test_entries_that_are_not_there_are_not_found(self):
        self.bad(NOT_FOUND, "context", "get", "global/nothing",
                 errors="gangerctl: there is no entry global/nothing\n  gangerctl context list shows the keys\n")
        self.assertIn("there is no entry", self.bad(NOT_FOUND, "context", "delete", "global/nothing"))

    def test_keys_that_cannot_be_are_usage_errors(self):
        for key in ("", "nofolder", "/", "global/", "other/a", "global/\x01", "docs/a b\n"):
            for words in (["get", key], ["put", key, "v"], ["delete", key]):
                with self.subTest(words=words):
                    self.bad(USAGE, "context", *words)

    def test_a_daemon_that_hangs_is_told_from_one_that_is_not_there(self):
        self.place.broker.process.send_signal(signal.SIGSTOP)
        try:
            errors = self.bad(NO_DAEMON, "--timeout", "500ms", "list")
        finally:
            self.place.broker.process.send_signal(signal.SIGCONT)
        self.assertIn("the socket is open, but nobody answers on it", errors)

    def test_an_id_is_not_taken_for_an_option(self):
        self.assertIn("there is no option -5", self.bad(USAGE, "show", "-5"))
        self.assertIn("names no task", self.bad(USAGE, "show", "--", "-u"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
