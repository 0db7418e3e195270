"""What `cmake --install` leaves on a host: the files, the units, the users, the sockets' folder.

usage: test_install.py BUILD_FOLDER
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = os.path.abspath(sys.argv.pop(1))
DAEMONS = ("broker", "contextd", "worker")
UNITS = "/usr/lib/systemd/system"

EXPECTED = """
/etc/ganger/broker.conf
/etc/ganger/context.conf
/etc/ganger/worker.conf
/usr/bin/gangerctl
/usr/include/ganger/ganger.h
/usr/include/ganger/v1/admin.pb-c.h
/usr/include/ganger/v1/agents.pb-c.h
/usr/include/ganger/v1/context.pb-c.h
/usr/include/ganger/v1/locks.pb-c.h
/usr/include/ganger/v1/messages.pb-c.h
/usr/include/ganger/v1/tasks.pb-c.h
/usr/lib/ARCHITECTURE/libganger.so
/usr/lib/ARCHITECTURE/libganger.so.0
/usr/lib/ARCHITECTURE/libganger.so.0.1.0
/usr/lib/ARCHITECTURE/pkgconfig/libganger.pc
/usr/lib/systemd/system/ganger-broker.service
/usr/lib/systemd/system/ganger-contextd.service
/usr/lib/systemd/system/ganger-worker.service
/usr/lib/systemd/system/ganger.target
/usr/lib/sysusers.d/ganger.conf
/usr/lib/tmpfiles.d/ganger.conf
/usr/libexec/ganger/ganger-shim
/usr/sbin/ganger-broker
/usr/sbin/ganger-contextd
/usr/sbin/ganger-worker
/usr/share/bash-completion/completions/gangerctl
/usr/share/doc/ganger/LICENSE
/usr/share/doc/ganger/README.md
/usr/share/doc/ganger/operating.md
/usr/share/man/man1/gangerctl.1
"""

# In tenths of systemd's own score. The worker's is high because its settings bind other people's programs.
EXPOSURE_MAX = {"broker": 10, "contextd": 10, "worker": 80}


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)


def unit_settings(path):
    with open(path, encoding="utf-8") as file:
        return re.findall(r"^(\w+)=(.*)$", file.read(), re.MULTILINE)


def first_fields(path):
    with open(path, encoding="utf-8") as file:
        return {line.split(":")[0] for line in file}


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="ganger-install-")
        cls.root = os.path.join(cls.folder.name, "root")
        result = run("cmake", "--install", BUILD, env={**os.environ, "DESTDIR": cls.root})
        if result.returncode != 0:
            raise AssertionError(result.stdout)
        cls.units = cls.copy_units()

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def copy_units(cls):
        """The installed units, starting the installed programs where they lie now."""
        folder = os.path.join(cls.folder.name, "units")
        os.mkdir(folder)
        for path in glob.glob(f"{cls.root}{UNITS}/*"):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(os.path.join(folder, os.path.basename(path)), "w", encoding="utf-8") as file:
                file.write(text.replace("ExecStart=/", f"ExecStart={cls.root}/"))
        return folder

    def installed(self, path):
        return os.path.join(self.root, path.lstrip("/"))

    def settings(self, daemon):
        return unit_settings(self.installed(f"{UNITS}/ganger-{daemon}.service"))

    def test_puts_every_file_where_debian_expects_it(self):
        found = []
        for folder, _, names in os.walk(self.root):
            found += [os.path.join(folder, name)[len(self.root):] for name in names]
        found = [re.sub(r"^/usr/lib/[^/]*-linux-gnu[^/]*/", "/usr/lib/ARCHITECTURE/", path) for path in found]
        self.assertEqual(sorted(found), EXPECTED.split())

    def test_units_are_what_systemd_accepts(self):
        units = sorted(glob.glob(f"{self.units}/*"))
        self.assertEqual(len(units), 4)
        # The colon keeps the system's own units (sysinit.target, ...) behind ours.
        environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{self.units}:"}
        result = run("systemd-analyze", "verify", "--man=no", *units, env=environment)
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_units_stay_hardened(self):
        for daemon in DAEMONS:
            with self.subTest(daemon):
                result = run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX[daemon]}",
                             f"{self.units}/ganger-{daemon}.service")
                self.assertEqual(result.returncode, 0, result.stdout)

    def test_units_run_as_users_that_sysusers_makes(self):
        with open(self.installed("/usr/lib/sysusers.d/ganger.conf"), encoding="utf-8") as file:
            lines = [line.split() for line in file if not line.startswith("#")]
        users = {words[1] for words in lines if words[0] == "u"}
        groups = {words[1] for words in lines if words[0] == "g"}
        for daemon in DAEMONS:
            settings = dict(self.settings(daemon))
            with self.subTest(daemon):
                self.assertIn(settings["User"], users)
                self.assertIn(settings["Group"], groups)

    def test_no_unit_hides_the_users_of_its_clients(self):
        for daemon in DAEMONS:
            self.assertNotIn("PrivateUsers", dict(self.settings(daemon)))

    def test_no_unit_refuses_the_call_that_libzmq_dies_without(self):
        for daemon in ("broker", "contextd"):
            filters = [value for key, value in self.settings(daemon) if key == "SystemCallFilter"]
            refused = max(i for i, value in enumerate(filters) if value.startswith("~"))
            self.assertIn("sched_setscheduler", filters[refused + 1:])

    def test_sample_configuration_has_every_key_with_its_default(self):
        for daemon, name in (("broker", "broker"), ("contextd", "context"), ("worker", "worker")):
            with self.subTest(daemon):
                program = self.installed(f"/usr/sbin/ganger-{daemon}")
                sample = self.installed(f"/etc/ganger/{name}.conf")
                # The sample as it is sets nothing; a section for an agent shows the keys of such sections too.
                bare = os.path.join(self.folder.name, f"{name}-bare.conf")
                with open(sample, encoding="utf-8") as source, open(bare, "w", encoding="utf-8") as target:
                    target.write(source.read() + ("[agent claude]\ncommand = claude -p\n" if name == "worker" else ""))
                result = run(program, "--config", bare, "--show-config")
                self.assertEqual(result.returncode, 0, result.stdout)
                defaults = dict(re.findall(r"^(\w+) = (.*?) ; ", result.stdout, re.MULTILINE))
                unset = set(re.findall(r"^; (\w+) is not set$", result.stdout, re.MULTILINE))

                with open(sample, encoding="utf-8") as file:
                    keys = dict(re.findall(r"^;(\w+) = (.*)$", file.read(), re.MULTILINE))
                self.assertEqual(set(keys), set(defaults) | unset)
                self.assertEqual({key: value for key, value in keys.items() if key not in unset}, defaults)

                # With everything set, examples included, it is still a configuration.
                full = os.path.join(self.folder.name, f"{name}-full.conf")
                with open(sample, encoding="utf-8") as source, open(full, "w", encoding="utf-8") as target:
                    target.write(re.sub(r"^;(\w+ = |\[)", r"\1", source.read(), flags=re.MULTILINE))
                result = run(program, "--config", full, "--show-config")
                self.assertEqual(result.returncode, 0, result.stdout)

    @unittest.skipUnless(os.geteuid() == 0, "only root makes users")
    def test_only_daemons_can_put_a_socket_beside_the_others(self):
        host = os.path.join(self.folder.name, "host")
        for name in ("sysusers.d", "tmpfiles.d"):
            shutil.copytree(self.installed(f"/usr/lib/{name}"), f"{host}/usr/lib/{name}")
        os.mkdir(f"{host}/etc")

        result = run("systemd-sysusers", f"--root={host}")
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertLessEqual({"ganger-broker", "ganger-context", "ganger-worker"}, first_fields(f"{host}/etc/passwd"))
        self.assertEqual({"ganger", "ganger-daemon"}, first_fields(f"{host}/etc/group"))

        result = run("systemd-tmpfiles", f"--root={host}", "--create", "ganger.conf")
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertEqual(os.stat(f"{host}/run/ganger").st_mode & 0o7777, 0o1775)


if __name__ == "__main__":
    unittest.main(verbosity=2)
