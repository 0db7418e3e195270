#!/usr/bin/python3
"""Checks that the tree is what ARCHITECTURE.md says: architecture.py SOURCE BUILD.

Prints one line per offence, as a compiler would, and ends with 1 when there is one. A rule is a function that takes
a Tree and yields offences; test_architecture.py feeds each of them wrong examples.
"""
import json
import os
import re
import sys

# Which folder may include what: folders, or single headers where only a part of a folder is open to others. A folder may
# always include itself, without the folders below it. "proto" is the generated messages and protobuf-c.
STORE = 'common/store/store.h'
STORE_LMDB = 'common/store/store_lmdb.h'
BACKUP = 'common/store/backup.h'
SHELL = ['common/base', 'common/daemon', 'common/rpc', 'common/serve', STORE, STORE_LMDB, BACKUP, 'proto']
ARROWS = {
    'common/base': [],
    'common/store': ['common/base'],
    'common/rpc': ['common/base', 'proto'],
    'common/daemon': ['common/base'],
    'common/serve': ['common/base', 'common/daemon', 'common/rpc', STORE],
    'broker/core': ['common/base', STORE],
    'broker': SHELL + ['broker/core'],
    'contextd/core': ['common/base', STORE],
    'contextd': SHELL + ['contextd/core'],
    # The supervisor never opens a store, and reaches the daemons as everybody else does.
    'worker/core': ['common/base'],
    'worker/shim': ['common/base'],
    'worker': ['common/base', 'common/daemon', 'client', 'proto', 'worker/core', 'worker/shim'],
    'client': ['common/base', 'common/rpc', 'proto'],
    'cli': ['common/base', 'client', 'proto'],
    'bench': ['common/base', 'client', 'proto', 'tests/support'],
}
# Tests see everything, and cmake/pure.h is part of every core.
FREE = ['cmake', 'tests']

# Where a dependency stops. A folder ends in a slash; others are beginnings of file names.
EXTERNAL = {
    'lmdb.h': ['common/store/store_lmdb'],
    'zmq.h': ['common/rpc/', 'bench/'],
    'czmq.h': [],
    'ini.h': ['common/daemon/'],
    'jansson.h': ['cli/', 'bench/'],
    'systemd/sd-journal.h': ['common/base/log.c'],
    'systemd/sd-daemon.h': ['common/daemon/', 'worker/'],
    'systemd/sd-event.h': ['common/daemon/', 'common/serve/', 'broker/', 'contextd/', 'worker/'],
}
PROTO = re.compile(r'^(ganger/v1/|protobuf-c/)')

FOLDERS = ['bench', 'broker', 'cli', 'client', 'cmake', 'common', 'contextd', 'deploy', 'docs', 'proto', 'tests', 'worker']
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 6
# The public calls name all that a call has, as their header explains; no function of ours may follow them.
PARAMETERS_EXEMPT = ['ganger_call', 'ganger_start']
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# In pieces, so that this file does not offend itself.
MARKS = re.compile(r'\b(?:' + '|'.join(['TO' 'DO', 'FIX' 'ME', 'X' 'XX']) + r')\b')


class Tree:
    """The files of a source tree, by their paths from its root."""

    def __init__(self, root, build=None):
        self.root = root
        self.build = build
        self.paths = sorted(self._walk())
        self._lines = {}

    def _walk(self):
        for name in os.listdir(self.root):
            if os.path.isfile(os.path.join(self.root, name)):
                yield name
        for folder in FOLDERS:
            for directory, folders, names in os.walk(os.path.join(self.root, folder)):
                folders[:] = [name for name in folders if name != '__pycache__']
                for name in names:
                    yield os.path.relpath(os.path.join(directory, name), self.root)

    def code(self, *suffixes):
        return [path for path in self.paths if path.endswith(suffixes or ('.c', '.h'))]

    def lines(self, path):
        if path not in self._lines:
            with open(os.path.join(self.root, path), encoding='utf-8', errors='replace') as file:
                self._lines[path] = file.read().splitlines()
        return self._lines[path]


def offence(path, line, text):
    return f'{path}:{line}: {text}'


def layer_of(path):
    """The deepest folder of the table that the file is in, None when no rule knows it."""
    folder = os.path.dirname(path)
    while folder and folder not in ARROWS and folder not in FREE:
        folder = os.path.dirname(folder)
    return folder or None


def includes(tree, path):
    for number, line in enumerate(tree.lines(path), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def check_known_folders(tree):
    for path in tree.code():
        if layer_of(path) is None:
            yield offence(path, 1, 'a folder that the table of arrows does not know')


def check_includes_from_root(tree):
    for path in tree.code():
        for number, bracket, header in includes(tree, path):
            if bracket == '"' and not os.path.exists(os.path.join(tree.root, header)):
                yield offence(path, number, f'"{header}" is not the path of a file from the root')
            if bracket == '<' and os.path.exists(os.path.join(tree.root, header)):
                yield offence(path, number, f'<{header}> is ours: include it with quotes')


def check_arrows(tree):
    for path in tree.code():
        layer = layer_of(path)
        if layer is None or layer in FREE:
            continue
        for number, bracket, header in includes(tree, path):
            if PROTO.match(header):
                target = allowed = 'proto'
            elif bracket == '"':
                target, allowed = os.path.dirname(header), header
            else:
                continue
            if target != layer and target not in ARROWS[layer] and allowed not in ARROWS[layer]:
                yield offence(path, number, f'{layer} must not include {header}')


def check_external_headers(tree):
    for path in tree.code():
        if layer_of(path) in FREE:
            continue
        for number, bracket, header in includes(tree, path):
            places = EXTERNAL.get(header)
            if places is not None and not path.startswith(tuple(places)):
                yield offence(path, number, f'{header} is for {", ".join(places) or "nobody"} alone')
            # A core sees the C library and nothing else; what of that is poisoned, cmake/pure.h says.
            if is_core(path) and bracket == '<' and '/' in header and not header.startswith('sys/'):
                yield offence(path, number, f'a core must not include {header}')


def check_file_sizes(tree):
    for path in tree.code('.c'):
        count = len(tree.lines(path))
        if count > FILE_LINES_MAX:
            yield offence(path, count, f'{count} lines, at most {FILE_LINES_MAX}')


def functions(lines):
    """The first and last line of each body, by number, and the text of its signature. The format of the tree puts a
    function's braces, and no others, alone into the first column."""
    begin = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == '{':
            begin = number
        elif begin is not None and line.rstrip() == '}':
            yield begin, number, signature(lines, begin)
            begin = None


def signature(lines, begin):
    first = begin - 1
    while first > 0 and not re.search(r'^\s*(#.*)?$|[;}]\s*$|\*/\s*$', lines[first - 1]):
        first -= 1
    return ' '.join(lines[first:begin - 1])


def parameter_count(text):
    """Of the last pair of parentheses at the outermost level."""
    depth = 0
    commas = 0
    for letter in reversed(text):
        depth += (letter == ')') - (letter == '(')
        if letter == ',' and depth == 1:
            commas += 1
        if letter == '(' and depth == 0:
            return commas + 1
    return 0


def check_function_sizes(tree):
    for path in tree.code('.c'):
        for begin, end, text in functions(tree.lines(path)):
            count = end - begin - 1
            if count > FUNCTION_LINES_MAX:
                yield offence(path, begin, f'a function of {count} lines, at most {FUNCTION_LINES_MAX}')
            exempt = any(f'{name}(' in text for name in PARAMETERS_EXEMPT)
            if parameter_count(text) > PARAMETERS_MAX and not exempt:
                yield offence(path, begin, f'{parameter_count(text)} parameters, at most {PARAMETERS_MAX}')


def is_core(path):
    return os.path.basename(os.path.dirname(path)) == 'core' and not path.startswith('tests/')


def check_cores_are_pure(tree):
    """Every core file is compiled, and with what would let it see the world poisoned."""
    with open(os.path.join(tree.build, 'compile_commands.json'), encoding='utf-8') as file:
        commands = {os.path.realpath(os.path.join(entry['directory'], entry['file'])): entry for entry in json.load(file)}
    forced = f'-include {os.path.join(tree.root, "cmake/pure.h")}'
    for path in tree.code('.c'):
        if not is_core(path):
            continue
        entry = commands.get(os.path.realpath(os.path.join(tree.root, path)))
        if entry is None:
            yield offence(path, 1, 'is not compiled')
        elif forced not in entry.get('command', ' '.join(entry.get('arguments', []))):
            yield offence(path, 1, 'a core that is not compiled PURE, see add_module')


def check_marks(tree):
    for path in tree.paths:
        for number, line in enumerate(tree.lines(path), 1):
            if MARKS.search(line):
                yield offence(path, number, 'a mark of unfinished work')


def check_header_guards(tree):
    for path in tree.code('.h'):
        if '#pragma once' not in tree.lines(path):
            yield offence(path, 1, 'a header without #pragma once')


RULES = [check_known_folders, check_includes_from_root, check_arrows, check_external_headers, check_file_sizes,
         check_function_sizes, check_cores_are_pure, check_marks, check_header_guards]


def main():
    if len(sys.argv) != 3:
        print('usage: architecture.py SOURCE BUILD', file=sys.stderr)
        return 2
    tree = Tree(os.path.realpath(sys.argv[1]), sys.argv[2])
    if not tree.code('.c'):
        print(f'{sys.argv[1]}: nothing to check', file=sys.stderr)
        return 2
    offences = [line for rule in RULES for line in rule(tree)]
    for line in offences:
        print(line)
    print(f'{len(tree.code())} files of C, {len(offences)} offences')
    return 1 if offences else 0


if __name__ == '__main__':
    sys.exit(main())
