"""The README says what the program does: its code runs, its tables and its transcript hold."""
import contextlib
import doctest
import io
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import microgpt

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAM = (ROOT / "microgpt.py").read_text(encoding="utf-8")


def blocks(language):
    """The README's code blocks in one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def section(title):
    """The text of one section of the README."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)[1]


def rows(text):
    """The rows of the first table in a text, as lists of cells, without the two rows on top."""
    lines = re.search(r"(?:^\|.*\|\n)+", text, re.MULTILINE)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def untimed(line):
    """A line of output without the seconds in it."""
    return re.sub(r"t=[\d.]+s|Done in [\d.]+s", "", line)


class Code(unittest.TestCase):
    """Every block of code in the README runs."""

    def test_every_block_is_of_a_kind_that_is_tested(self):
        kinds = re.findall(r"^```(\w*)\n.*?^```$", README, re.DOTALL | re.MULTILINE)
        self.assertEqual(set(kinds), {"sh", "text", "pycon", "python"})

    def test_the_worked_example_gives_what_it_shows(self):
        text = "\n".join(blocks("pycon"))
        example = doctest.DocTestParser().get_doctest(text, {}, "README", "", 0)
        report = io.StringIO()
        results = doctest.DocTestRunner(verbose=False).run(example, out=report.write)
        self.assertEqual(results.failed, 0, report.getvalue())
        self.assertGreater(results.attempted, 10)

    def test_the_commands_are_the_programs(self):
        commands = [line for block in blocks("sh") for line in block.splitlines()]
        self.assertEqual(commands, ["python microgpt.py", "python -m unittest"])

    def test_the_test_command_is_the_one_that_ci_runs(self):
        ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
        self.assertRegex(ci, r"(?m)^(count )?python -m unittest$")

    def test_modules_to_run_by_hand_exist(self):
        for name in re.findall(r"`python -m tests\.(\w+)`", README):
            with self.subTest(name=name):
                self.assertIn("\nif __name__", (ROOT / "tests" / f"{name}.py").read_text("utf-8"))


class Exercises(unittest.TestCase):
    """Each solution runs, briefly, from where a training run ends."""

    @classmethod
    def setUpClass(cls):
        cls.solutions = blocks("python")

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder.name)
        shutil.copy(ROOT / "README.md", folder.name)
        self.names = dict(vars(microgpt), __name__="solution")
        settings = microgpt.Settings(steps=8)
        documents = microgpt.read_documents(settings.data)
        vocabulary = microgpt.Vocabulary(documents)
        rng = microgpt.Xoshiro(settings.seed)
        model = microgpt.init_model(settings, len(vocabulary.tokens), rng)
        self.names.update(settings=settings, documents=documents, vocabulary=vocabulary)
        self.names.update(rng=rng, model=model)

    def solve(self, number):
        """Run one solution; what it printed, as a list of lines."""
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(self.solutions[number - 1], self.names)
        return output.getvalue().splitlines()

    def test_there_are_seven_solutions_of_at_most_twenty_lines(self):
        self.assertEqual(len(self.solutions), 7)
        for solution in self.solutions:
            self.assertLessEqual(len([line for line in solution.splitlines() if line.strip()]), 20)

    def test_1_a_saved_model_comes_back_equal(self):
        self.assertTrue(self.solve(1)[0].startswith("True "))

    def test_2_a_cold_sample_takes_the_likeliest_token(self):
        self.assertEqual([line.split()[0] for line in self.solve(2)], ["0.3", "1.0", "2.0"])
        logits, _ = microgpt.forward(
            self.names["model"], microgpt.BOS, microgpt.new_cache(self.names["model"])
        )
        likeliest = self.names["vocabulary"].tokens[max(range(27), key=logits.__getitem__)]
        self.assertTrue(self.names["generate_at"](1e-6).startswith(likeliest))

    def test_3_the_picture_has_a_triangle_for_each_head(self):
        lines = [line for line in self.solve(3) if line and not line.startswith("head")]
        widths = [len(line[6:]) for line in lines]
        self.assertEqual(widths, 4 * [2, 4, 6, 8, 10, 12, 14])

    def test_4_the_names_kept_back_are_not_trained_on(self):
        last = self.solve(4)[-1]
        self.assertRegex(last, r"^taught: \d+\.\d+ kept back: \d+\.\d+$")
        taught, kept_back = self.names["taught"], self.names["kept_back"]
        self.assertEqual((len(taught), len(kept_back)), (80, 12))
        self.assertFalse(set(taught) & set(kept_back))

    def test_5_a_batch_of_one_name_twice_has_the_gradient_of_that_name(self):
        self.solve(5)
        gradient, model = self.names["gradient"], self.names["model"]
        self.assertEqual(gradient(model, ["emma", "emma"]), gradient(model, ["emma"]))

    def test_5_a_batch_has_the_mean_of_its_names_gradients(self):
        self.solve(5)
        gradient, model = self.names["gradient"], self.names["model"]
        both, emma, liam = (gradient(model, b).wte for b in (["emma", "liam"], ["emma"], ["liam"]))
        for row, row_emma, row_liam in zip(both, emma, liam):
            for x, x_emma, x_liam in zip(row, row_emma, row_liam):
                self.assertAlmostEqual(x, (x_emma + x_liam) / 2, delta=1e-12)

    def test_6_differences_agree_with_the_gradients(self):
        pairs = [line.split() for line in self.solve(6) if re.fullmatch(r"[\s\d.-]+", line)]
        self.assertEqual(len(pairs), 2 + 3 * 6)
        for difference, gradient in pairs:
            self.assertAlmostEqual(float(difference), float(gradient), delta=1e-6)

    def test_7_the_words_of_this_file_are_learned_from(self):
        output = self.solve(7)
        self.assertRegex(output[1], r"^Training 32 steps on \d{3,} names$")
        self.assertIn("gradient", self.names["documents"])


class Figures(unittest.TestCase):
    """Tables and transcripts agree with the program."""

    def test_settings_are_the_programs(self):
        expected = [
            [f"`--{name.replace('_', '-')}`", f"`{item.default}`", item.metadata["help"]]
            for name, item in microgpt.Settings.__dataclass_fields__.items()
        ]
        expected[-1][1] = "`names.txt` beside the script"
        self.assertEqual(rows(section("Settings")), expected)

    def test_shapes_are_the_models_and_add_up(self):
        model = microgpt.init_model(microgpt.Settings(), 27, microgpt.Xoshiro(42))
        named = {"wte": model.wte, "wpe": model.wpe, **vars(model.layers[0])}
        expected = [
            [f"`{name}`", f"{len(w)} x {len(w[0])}", f"{len(w) * len(w[0]):,}"]
            for name, w in named.items()
        ]
        total = sum(len(w) * len(w[0]) for w in named.values())
        self.assertEqual(rows(section("Architecture")), [*expected, ["in all", "", f"{total:,}"]])

    def test_the_floor_follows_from_the_names(self):
        names = (ROOT / "names.txt").read_text(encoding="utf-8").split()
        tokens = statistics.mean(min(len(name) + 1, 8) for name in names)
        text = section("How well it learns")
        self.assertIn(f"the {tokens:.2f} tokens", text)
        self.assertIn(f"{math.log(len(names)) / tokens:.3f}", text)

    def test_the_learning_table_has_a_row_for_every_500_steps(self):
        steps = [row[0] for row in rows(section("How well it learns"))]
        self.assertEqual(steps, [f"{step:,}" for step in range(0, 5001, 500)])

    def test_the_last_lines_on_top_are_the_transcripts(self):
        tail, transcript = blocks("text")[:2]
        self.assertEqual(transcript.splitlines()[-len(tail.splitlines()) :], tail.splitlines())

    def test_the_transcript_is_a_whole_run(self):
        steps = re.findall(r"^step +(\d+) ", blocks("text")[1], re.MULTILINE)
        self.assertEqual(list(map(int, steps)), [*range(0, 5000, 500), 4999])

    def test_the_transcript_up_to_step_500_is_what_the_program_prints(self):
        expected = [untimed(line) for line in blocks("text")[1].splitlines()[:5]]
        self.assertIn("step   500", expected[-1])
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "microgpt.py")], stdout=subprocess.PIPE,
            encoding="utf-8", errors="replace",
        )
        with process, process.stdout:
            printed = [untimed(process.stdout.readline().rstrip("\n")) for _ in expected]
            process.kill()
        self.assertEqual(printed, expected)

    def test_the_code_tour_has_the_programs_sections_in_order(self):
        titles = re.findall(r"^# %% (\d+\. .+)$", PROGRAM, re.MULTILINE)
        tour = re.findall(r"^(\d+\. [^:]+):", section("Code tour"), re.MULTILINE)
        self.assertEqual(tour, titles)


if __name__ == "__main__":
    unittest.main()
