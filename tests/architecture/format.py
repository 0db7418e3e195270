#!/usr/bin/python3
"""Checks that every file of C is formatted: format.py SOURCE. Ends with 77 when there is no clang-format."""
import shutil
import subprocess
import sys

from architecture import Tree

tree = Tree(sys.argv[1])
if shutil.which('clang-format') is None:
    print('clang-format is not installed')
    sys.exit(77)
sys.exit(subprocess.run(['clang-format', '--dry-run', '--Werror', *tree.code()], cwd=tree.root, check=False).returncode)
