"""The program in a notebook: pasted whole, cell by cell, and opened by an editor with cells.

A notebook runs text in a namespace that says it is the main program, has no file, and was started
with the kernel's own arguments. No kernel is needed to do the same here.
"""

import ast
import json
import re
import unittest

from tests.test_program import HEADER, PROGRAM, STEP_0, ProgramTest, python, timeless

SOURCE = PROGRAM.read_text(encoding="utf-8")
MARK = re.compile(r"^# %%(.*)\n", flags=re.M)

# Runs cells as a kernel does, with its arguments and an output that is no file.
KERNEL = """
import contextlib, io, json, sys
cells, namespace = json.load(sys.stdin)
sys.argv = ["ipykernel_launcher.py", "-f", "kernel.json"]
with contextlib.redirect_stdout(io.StringIO()) as page:
    for cell in cells:
        exec(compile(cell, "<cell>", "exec"), namespace)
print(page.getvalue(), end="")
"""

NEXT_CELL = """
print("next cell:", vocabulary.decode(generate(model, rng)))
"""

# Runs the examples of everything that is defined so far.
EXAMPLES = """
import doctest
parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(verbose=False)
for name, value in list(globals().items()):
    if getattr(value, "__module__", "") == __name__ and value.__doc__:
        runner.run(parser.get_doctest(value.__doc__, globals(), name, None, 0))
print("examples: %d of %d failed" % (runner.failures, runner.tries))
"""


def briefly(source):
    """The program with 2 steps as its default, to save time."""
    source, count = re.subn(r"^(    steps: int = )5000\b", r"\g<1>2", source, flags=re.M)
    assert count == 1, "the default of steps is not where this test looks for it"
    return source


def cells(source):
    """The cells as pairs of what their marks say besides # %% and their text."""
    _, *pieces = MARK.split(source)
    return list(zip(pieces[::2], pieces[1::2]))


def code_cells(source):
    """The text of the cells with code."""
    return [text for kind, text in cells(source) if kind == ""]


class NotebookTest(ProgramTest):
    """Each test is a notebook in its own folder."""

    def run_cells(self, *cells, **namespace):
        """What a notebook shows when these cells have run, one after the other."""
        notebook = json.dumps([cells, {"__name__": "__main__", **namespace}])
        result = python("-c", KERNEL, cwd=self.folder, stdin=notebook)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def assert_trained(self, output):
        """It trained on the 92 names with the defaults, but for the two steps."""
        lines = timeless(output).split("\n")
        self.assertEqual(lines[:4], [HEADER, "Training 2 steps on 92 names", "", STEP_0])
        self.assertEqual(lines[5], "Done")

    def test_pasted_whole_it_trains_with_the_defaults(self):
        self.assert_trained(self.run_cells(briefly(SOURCE)))

    def test_pasted_cell_by_cell_it_trains_with_the_defaults(self):
        self.assert_trained(self.run_cells(*code_cells(briefly(SOURCE))))

    def test_the_next_cell_can_sample_from_the_trained_model(self):
        output = self.run_cells(briefly(SOURCE), NEXT_CELL)
        self.assertRegex(output, r"\nnext cell: (?:[a-z]|<BOS>){0,8}\n\Z")

    def test_every_example_holds_before_the_last_section_has_run(self):
        story, run = SOURCE.split("\n# ## 11. The run\n")
        self.assertIn("def check(settings)", run)
        output = self.run_cells(*code_cells(story), EXAMPLES)
        self.assertRegex(output, r"\Aexamples: 0 of [3-9]\d failed\n\Z")

    def test_names_txt_in_the_current_folder_is_used(self):
        self.write("names.txt", "ann\nbob\n")
        self.assertIn("Training 2 steps on 2 names\n", self.run_cells(briefly(SOURCE)))

    def test_a_file_that_python_was_not_started_with_ignores_the_arguments(self):
        # The interactive window of an editor sets __file__, though the kernel was started.
        self.assert_trained(self.run_cells(briefly(SOURCE), __file__=str(PROGRAM)))


class CellTest(unittest.TestCase):
    """The cells that editors and Jupytext see."""

    def test_every_line_is_in_a_cell_with_markdown_or_code(self):
        self.assertTrue(MARK.match(SOURCE))
        self.assertEqual({kind for kind, _ in cells(SOURCE)}, {"", " [markdown]"})

    def test_markdown_cells_are_comments(self):
        for kind, text in cells(SOURCE):
            if kind == " [markdown]":
                with self.subTest(text=text[:60]):
                    lines = text.rstrip("\n").split("\n")
                    self.assertEqual([line for line in lines if not re.match("#( |$)", line)], [])

    def test_code_cells_leave_no_stray_value_on_the_page(self):
        for text in code_cells(SOURCE):
            with self.subTest(text=text[:60]):
                self.assertNotIsInstance(ast.parse(text).body[-1], ast.Expr)

    def test_code_cells_have_at_most_60_lines(self):
        for text in code_cells(SOURCE):
            with self.subTest(text=text[:60]):
                self.assertLessEqual(len(text.rstrip("\n").split("\n")), 60)

    def test_headings_are_numbered_from_1(self):
        titles = re.findall(r"^# ## (\d.*)$", SOURCE, flags=re.M)
        numbers = [int(re.fullmatch(r"(\d+)\. [A-Z].*[^\s.]", title)[1]) for title in titles]
        self.assertGreater(len(numbers), 1)
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))


if __name__ == "__main__":
    unittest.main()
