"""The program in a notebook: pasted whole, cell by cell, and opened by an editor with cells.

A notebook runs text in a namespace that says it is the main program, has no file, and was started
with the kernel's own arguments. No kernel is needed to do the same here.
"""

import json
import re
import shutil
import unittest

from tests.test_program import HEADER, PROGRAM, PROJECT, STEP_0, ProgramTest, python, timeless

SOURCE = PROGRAM.read_text(encoding="utf-8")

# Runs cells as a kernel does: an exit is reported by its status, and does not end the kernel.
KERNEL = """
import json, sys
cells, namespace = json.load(sys.stdin)
sys.argv = ["ipykernel_launcher.py", "-f", "kernel.json"]
for cell in cells:
    try:
        exec(compile(cell, "<cell>", "exec"), namespace)
    except SystemExit as exit:
        print("exit", exit.code)
"""

NEXT_CELL = """
print("next cell:", vocabulary.decode(generate(model, rng)))
"""


def briefly(source):
    """The program with 2 steps as its default, to save time."""
    source, count = re.subn(r"^(    steps: int = \w+\()5000\b", r"\g<1>2", source, flags=re.M)
    assert count == 1, "the default of steps is not where this test looks for it"
    return source


def sections(source):
    """The source cut where a section begins; the first piece is what stands before them all."""
    return re.split(r"^(?=# %%)", source, flags=re.M)


class NotebookTest(ProgramTest):
    """Each test is a notebook in its own folder."""

    def run_cells(self, *cells, names=True, **namespace):
        """Run cells one after the other, with or without names.txt in the current folder."""
        if names:
            shutil.copy(str(PROJECT / "names.txt"), str(self.folder))
        notebook = json.dumps([cells, {"__name__": "__main__", **namespace}])
        return python("-c", KERNEL, cwd=self.folder, stdin=notebook)

    def assert_trained(self, result):
        """It trained with the defaults, but for the two steps, and nothing went wrong."""
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        lines = timeless(result.stdout).split("\n")
        self.assertEqual(lines[:4], [HEADER, "Training 2 steps on 92 names", "", STEP_0])
        self.assertEqual(lines[5], "Done")

    def test_pasted_whole_it_trains_with_the_defaults(self):
        self.assert_trained(self.run_cells(briefly(SOURCE)))

    def test_pasted_section_by_section_it_trains_with_the_defaults(self):
        self.assert_trained(self.run_cells(*sections(briefly(SOURCE))))

    def test_the_next_cell_can_sample_from_the_trained_model(self):
        result = self.run_cells(briefly(SOURCE), NEXT_CELL)
        self.assertEqual(result.stderr, "")
        self.assertRegex(result.stdout, r"\nnext cell: (?:[a-z]|<BOS>){0,8}\n\Z")

    def test_without_names_it_says_in_one_line_how_to_get_going(self):
        result = self.run_cells(briefly(SOURCE), names=False)
        self.assert_one_line(result.stderr)
        self.assertIn("names.txt", result.stderr)
        self.assertEqual(result.stdout, "exit 2\n")

    def test_a_file_that_python_was_not_started_with_ignores_the_arguments(self):
        # The interactive window of an editor sets __file__, though the kernel was started.
        self.assert_trained(self.run_cells(briefly(SOURCE), __file__=str(PROGRAM)))


class SectionTest(unittest.TestCase):
    """The marks by which editors cut the file into cells."""

    def test_titles_are_numbered_from_1(self):
        titles = [line for line in SOURCE.splitlines() if line.lstrip().startswith("# %%")]
        self.assertGreater(len(titles), 1)
        for number, title in enumerate(titles, start=1):
            with self.subTest(title=title):
                self.assertRegex(title, rf"\A# %% {number}\. [A-Z].*[^\s.]\Z")


if __name__ == "__main__":
    unittest.main()
