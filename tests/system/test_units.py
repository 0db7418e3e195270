"""The installed units under a real systemd, which boot_units.sh starts in namespaces of its own.

usage: test_units.py BUILD_FOLDER. Skipped where that cannot be done (not root, or in a container that forbids it).
"""

import os
import subprocess
import sys
import tempfile
import unittest

BUILD = os.path.abspath(sys.argv.pop(1))
HERE = os.path.dirname(os.path.abspath(__file__))
CANNOT = 77
DAEMONS = ("ganger-broker", "ganger-contextd", "ganger-worker")

# The sanitizers' own needs: the leak check traces the process, which the units' filter refuses.
DROP_IN = "[Service]\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n"
AGENT = "[agent hello]\ncommand = /bin/sh -c 'id -un; echo said: $1' hello\n"

SCRIPT = r"""
say() { printf '%s %s\n' "$1" "$2"; }
as_member() { setpriv --reuid nobody --regid ganger --clear-groups -- "$@"; }
as_stranger() { setpriv --reuid nobody --regid nogroup --clear-groups -- "$@"; }
main_pid() { systemctl show --property MainPID --value "$1"; }
wait_until_restarted() {
    for _ in $(seq 200); do
        [ "$(main_pid "$1")" != "$2" ] && systemctl --quiet is-active "$1" && return
        sleep 0.1
    done
}

systemd-sysusers && systemd-tmpfiles --create ganger.conf
systemctl --quiet enable --now ganger.target
for unit in ganger-broker ganger-contextd ganger-worker; do
    say "active:$unit" "$(systemctl is-active "$unit")"
    say "user:$unit" "$(ps -o user:32= -p "$(main_pid "$unit")")"
done
for file in /run/ganger /run/ganger/broker.sock /run/ganger/context.sock /var/lib/ganger/broker /var/lib/ganger/context
do
    say "mode:$file" "$(stat -c %a:%U:%G "$file")"
done

say member "$(as_member gangerctl submit --type hello --wait --timeout 60s 'a; b "c"' | head -c 9)"
say result "$(as_member gangerctl list --json | head -n 1 | tr -d '\n')"
say output "$(as_member gangerctl logs -f "$(as_member gangerctl list -q | head -n 1)" | tr '\n' ' ')"
as_stranger gangerctl --timeout 5s list >/run/stranger 2>&1
say stranger "$?"
as_member sh -c 'echo > /run/ganger/mine' 2>/run/mine
say create "$?"

for unit in ganger-worker ganger-contextd ganger-broker; do
    pid=$(main_pid "$unit")
    systemctl kill --kill-whom main --signal KILL "$unit"
    wait_until_restarted "$unit" "$pid"
    say "again:$unit" "$(systemctl is-active "$unit")"
done
systemctl reload ganger-worker
say "reload" "$? $(systemctl is-active ganger-worker)"
as_member gangerctl submit --type hello --wait --timeout 60s again >/run/again 2>&1
say after "$?"

systemctl stop ganger.target
for unit in ganger-broker ganger-contextd ganger-worker; do
    for _ in $(seq 300); do [ "$(systemctl is-active "$unit")" = deactivating ] || break; sleep 0.1; done
    say "stopped:$unit" "$(systemctl show --property Result --value "$unit") $(systemctl is-active "$unit")"
done
say folder "$(stat -c %a /run/ganger)"
journalctl --no-pager -u 'ganger-*' | sed 's/^/journal: /'
"""


class Units(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="ganger-units-")
        cls.addClassCleanup(temporary.cleanup)
        tree = os.path.join(temporary.name, "tree")
        subprocess.run(["cmake", "--install", BUILD], env={**os.environ, "DESTDIR": tree}, check=True,
                       stdout=subprocess.DEVNULL)
        for unit in DAEMONS:
            folder = f"{tree}/usr/lib/systemd/system/{unit}.service.d"
            os.mkdir(folder)
            with open(f"{folder}/sanitizers.conf", "w", encoding="utf-8") as file:
                file.write(DROP_IN)
        os.mkdir(f"{tree}/etc/ganger/worker.conf.d")
        with open(f"{tree}/etc/ganger/worker.conf.d/hello.conf", "w", encoding="utf-8") as file:
            file.write(AGENT)
        script = os.path.join(temporary.name, "script")
        with open(script, "w", encoding="utf-8") as file:
            file.write(SCRIPT)

        result = subprocess.run([f"{HERE}/boot_units.sh", tree, script, temporary.name], check=False, timeout=240)
        if result.returncode == CANNOT:
            raise unittest.SkipTest("no systemd can be booted here")
        with open(f"{temporary.name}/output", encoding="utf-8") as file:
            cls.output = file.read()
        cls.said = dict(line.split(" ", 1) for line in cls.output.splitlines() if " " in line)

    def check(self, name, wanted):
        self.assertEqual(self.said.get(name), wanted, self.output)

    def test_daemons_start_as_users_of_their_own(self):
        for unit, user in zip(DAEMONS, ("ganger-broker", "ganger-context", "ganger-worker")):
            self.check(f"active:{unit}", "active")
            self.check(f"user:{unit}", user)

    def test_stores_are_private_and_sockets_open_to_the_group(self):
        self.check("mode:/run/ganger", "1775:root:ganger-daemon")
        self.check("mode:/run/ganger/broker.sock", "660:ganger-broker:ganger")
        self.check("mode:/run/ganger/context.sock", "660:ganger-context:ganger")
        self.check("mode:/var/lib/ganger/broker", "700:ganger-broker:ganger")
        self.check("mode:/var/lib/ganger/context", "700:ganger-context:ganger")

    def test_a_member_of_the_group_gets_work_done(self):
        self.check("member", "0000-0001")
        self.assertIn('"state":"COMPLETED"', self.said.get("result", ""), self.output)
        self.check("output", 'ganger-worker said: a; b "c" ')

    def test_a_stranger_gets_nowhere(self):
        self.check("stranger", "6")  # denied

    def test_a_client_cannot_put_a_socket_beside_the_daemons(self):
        self.assertNotEqual(self.said.get("create"), "0", self.output)

    def test_a_daemon_that_is_killed_comes_back(self):
        for unit in DAEMONS:
            self.check(f"again:{unit}", "active")
        self.check("after", "0")

    def test_the_worker_reloads(self):
        self.check("reload", "0 active")

    def test_the_target_stops_them_all_and_leaves_the_folder_of_the_sockets(self):
        for unit in DAEMONS:
            self.check(f"stopped:{unit}", "success inactive")
        self.check("folder", "1775")


if __name__ == "__main__":
    unittest.main(verbosity=2)
