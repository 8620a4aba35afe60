"""What may be imported: nothing but the standard library and the project itself."""
import ast
import subprocess
import sys
import unittest

from tests.helpers import PROJECT

FILES = [PROJECT / "microgpt.py", *sorted((PROJECT / "tests").rglob("*.py"))]
TWIN = PROJECT / "tests" / "twin.py"  # needs PyTorch, and so is only compiled here

# Run without site-packages, this lists those of its arguments that are not there to import.
MISSING = """
import importlib.util, sys
print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is None])
"""


def imported(path):
    """The top-level names that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add("tests" if node.level else node.module.split(".")[0])
    return names


class ImportsTest(unittest.TestCase):
    def test_tests_import_the_standard_library_and_the_project_only(self):
        names = set().union(*(imported(path) for path in FILES if path != TWIN))
        command = [sys.executable, "-I", "-S", "-c", MISSING, *sorted(names)]
        missing = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.split()
        self.assertEqual(missing, [b"microgpt", b"tests"])

    def test_program_and_oracle_import_nothing_of_the_project(self):
        for path in (FILES[0], PROJECT / "tests" / "oracle.py"):
            with self.subTest(file=path.name):
                self.assertEqual(imported(path) & {"microgpt", "tests"}, set())

    def test_every_file_compiles(self):
        for path in FILES:
            with self.subTest(file=path.name):
                compile(path.read_text(encoding="utf-8"), str(path), "exec")
