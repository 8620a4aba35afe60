"""The program in a notebook: whole in one cell, cell by cell, changed, and stopped.

A kernel runs text in a namespace that says it is the main program and has no file, and was itself
started with arguments. Doing the same here takes no kernel.
"""
import ast
import contextlib
import doctest
import io
import re
import sys
import unittest
from unittest import mock

from tests.helpers import PROJECT, STEP_0, work_in_a_temporary_folder

# The program with 2 steps as its default, to save time.
SOURCE = (PROJECT / "microgpt.py").read_text(encoding="utf-8").replace(
    "steps: int = setting(5000, ", "steps: int = setting(2, ")
_, *PIECES = re.split(r"^# %%(.*)\n", SOURCE, flags=re.M)
CELLS = list(zip(PIECES[::2], PIECES[1::2]))  # what a mark says besides # %%, and the cell's text
*STORY, RUN = [text for kind, text in CELLS if kind == ""]


def changed(old, new):
    """The cell with Settings, changed."""
    [cell] = [text for text in STORY if "\nclass Settings:\n" in text]
    assert cell.count(old) == 1, f"{old} is not where this test looks for it"
    return cell.replace(old, new)


class Page(io.StringIO):
    def reconfigure(self, **changes):
        raise AssertionError("the kernel's output is not the program's to change")


class NotebookTest(unittest.TestCase):
    """Each test is a notebook in a temporary folder."""

    def setUp(self):
        work_in_a_temporary_folder(self)
        self.names = {"__name__": "__main__"}
        kernel = mock.patch.object(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
        kernel.start()
        self.addCleanup(kernel.stop)

    def run_cells(self, *cells):
        """Run these cells. Returns what they print, and what they print on standard error."""
        with contextlib.redirect_stdout(Page()) as output, \
                contextlib.redirect_stderr(io.StringIO()) as errors:
            for text in cells:
                exec(compile(text, "<cell>", "exec"), self.names)
        return output.getvalue(), errors.getvalue()

    def assert_trained(self, output, errors):
        """It trained with the defaults, but for the two steps, and says what can be typed."""
        lines = output.split("\n")
        self.assertEqual((lines[1:4], errors), (["Training 2 steps on 92 names", "", STEP_0], ""))
        self.assertRegex("\n".join(lines[5:]), r"\ADone in .*\nTry: .*\n\Z")

    def assert_stopped(self, output, errors):
        """One line says why. The model is as it was after step 0, and the next cell can use it."""
        self.assertRegex(errors, r"\Amicrogpt: .+\n\Z")
        self.assertRegex(output, r"\nTry: .*\n\Z")
        self.run_cells("new = init_model(settings, 27, Xoshiro(settings.seed))")
        self.assertNotEqual(self.names["model"].wte, self.names["new"].wte)

    def test_whole_in_one_cell_it_trains_with_the_defaults(self):
        self.assert_trained(*self.run_cells(SOURCE))

    def test_the_next_cell_can_sample_from_the_trained_model(self):
        self.run_cells(SOURCE, "name = generate(model, vocabulary, rng, start='jo')")
        self.assertEqual(self.names["name"][:2], "jo")

    def test_each_cell_and_its_examples_need_nothing_that_stands_below(self):
        finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(verbose=False)
        report = []
        for text in STORY:
            before = set(self.names)
            self.run_cells(text)
            for name in set(self.names) - before:
                value = self.names[name]
                if getattr(value, "__module__", None) == "__main__":
                    for test in finder.find(value, name, module=False, globs=self.names):
                        runner.run(test, out=report.append)
        self.assertEqual("".join(report), "")
        self.assertEqual(runner.tries, len(re.findall(r"^ +>>> ", SOURCE, flags=re.M)))
        self.assert_trained(*self.run_cells(RUN))

    def test_names_txt_in_the_current_folder_is_used(self):
        with open("names.txt", "w", encoding="utf-8") as file:
            file.write("ann\nbob\n")
        self.assertIn("\nTraining 2 steps on 2 names\n", self.run_cells(SOURCE)[0])

    def test_a_file_that_python_was_not_started_with_ignores_the_arguments(self):
        """As in the interactive window of an editor."""
        self.names["__file__"] = str(PROJECT / "microgpt.py")
        self.assert_trained(*self.run_cells(SOURCE))

    def test_settings_changed_and_run_again_are_checked_by_the_last_cell(self):
        self.run_cells(*STORY, changed("setting(16, ", "setting(18, "))
        with self.assertRaisesRegex(ValueError, "n_embd 18"):
            self.run_cells(RUN)

    def test_ctrl_c_leaves_the_model_and_does_not_exit(self):
        self.run_cells(*STORY, "def generate(*arguments):\n    raise KeyboardInterrupt\n")
        self.assert_stopped(*self.run_cells(RUN))

    def test_a_loss_that_is_not_finite_leaves_the_model_and_does_not_exit(self):
        self.run_cells(*STORY, changed("setting(0.01, ", "setting(1e300, "))
        self.assert_stopped(*self.run_cells(RUN))


class CellTest(unittest.TestCase):
    def test_every_line_is_in_a_cell_and_markdown_cells_are_comments(self):
        self.assertTrue(SOURCE.startswith("# %%"))
        self.assertEqual({kind for kind, _ in CELLS}, {"", " [markdown]"})
        for kind, text in CELLS:
            if kind:
                with self.subTest(text=text[:60]):
                    self.assertEqual(re.findall(r"^(?!#(?: |$)).+", text, flags=re.M), [])

    def test_no_cell_ends_with_a_value_that_a_notebook_would_show(self):
        for text in [*STORY, RUN]:
            with self.subTest(text=text[:60]):
                self.assertNotIsInstance(ast.parse(text).body[-1], ast.Expr)
