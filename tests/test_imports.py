"""The standard library alone: every import of every Python file in the repository."""
import ast
import importlib.util
import sys
import sysconfig
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = {"microgpt", "tests"}


def imported(source):
    """The top-level names that a Python source imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add("tests" if node.level else node.module.split(".")[0])
    return names


def is_standard(name):
    """Does a module belong to the standard library? Before Python 3.10: by where it lies."""
    if hasattr(sys, "stdlib_module_names"):
        return name in sys.stdlib_module_names
    spec = None if name in sys.builtin_module_names else importlib.util.find_spec(name)
    if spec is None or spec.origin in ("built-in", "frozen"):
        return name in sys.builtin_module_names
    inside = Path(spec.origin or "").resolve().parts
    library = Path(sysconfig.get_path("stdlib")).resolve().parts
    return inside[: len(library)] == library and "site-packages" not in inside


def files():
    """Every Python file of the repository; folders like .git are not part of it."""
    paths = sorted(ROOT.rglob("*.py"))
    hidden = [p for p in paths if any(part[0] == "." for part in p.relative_to(ROOT).parts)]
    return [path for path in paths if path not in hidden]


class Imports(unittest.TestCase):
    def test_every_file_imports_the_standard_library_and_the_project_only(self):
        for path in files():
            with self.subTest(file=path.name):
                names = imported(path.read_text(encoding="utf-8")) - PROJECT
                self.assertEqual([name for name in names if not is_standard(name)], [])

    def test_microgpt_imports_the_standard_library_only(self):
        names = imported((ROOT / "microgpt.py").read_text(encoding="utf-8"))
        self.assertEqual([name for name in names if not is_standard(name)], [])

    def test_the_oracle_knows_nothing_of_the_program(self):
        source = (ROOT / "tests" / "oracle.py").read_text(encoding="utf-8")
        self.assertEqual(imported(source), {"math"})

    def test_program_and_tests_are_among_the_files(self):
        names = {path.relative_to(ROOT).as_posix() for path in files()}
        self.assertLessEqual({"microgpt.py", "tests/oracle.py", "tests/test_imports.py"}, names)


class TheCheckItself(unittest.TestCase):
    def test_sees_every_way_to_import(self):
        source = "import a.b, c as d\nfrom e.f import g\ndef h():\n    from . import i\n"
        self.assertEqual(imported(source), {"a", "c", "e", "tests"})

    def test_knows_the_standard_library(self):
        for name in ("math", "sys", "unittest", "importlib", "collections", "xml"):
            with self.subTest(name=name):
                self.assertTrue(is_standard(name))

    def test_knows_what_is_not(self):
        for name in ("numpy", "torch", "pip", "microgpt", "no_such_module"):
            with self.subTest(name=name):
                self.assertFalse(is_standard(name))
