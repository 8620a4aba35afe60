"""The README says what the program does: its code runs, its pictures and its tables hold."""
import ast
import codeop
import contextlib
import io
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import unittest
from math import log
from pathlib import Path

import microgpt

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAM = (ROOT / "microgpt.py").read_text(encoding="utf-8")


def section(title):
    """The text of one section of the README."""
    return re.search(rf"^## {title}[^\n]*\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)[1]


def blocks(language, text=README):
    """The code blocks in one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def rows(text):
    """The rows of the first table in a text, as lists of cells, without the two rows on top."""
    lines = re.search(r"(?:^\|.*\|\n)+", text, re.MULTILINE)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def untimed(line):
    """A line of output without the seconds in it."""
    return re.sub(r"t=[\d.]+s|Done in [\d.]+s", "", line)


def after_training():
    """The names that are there where a training run ends, but the training was none."""
    settings = microgpt.Settings(steps=2)
    documents = microgpt.read_documents()
    vocabulary = microgpt.Vocabulary(documents)
    rng = microgpt.Xoshiro(settings.seed)
    model = microgpt.init_model(settings, len(vocabulary.tokens), rng)
    numbers = microgpt.Xoshiro(1)
    for w in microgpt.matrices(model):  # large enough that every path carries
        w[:] = [[numbers.normal(sigma=0.4) for _ in row] for row in w]
    return dict(
        vars(microgpt), __name__="solution", settings=settings, documents=documents,
        vocabulary=vocabulary, rng=rng, model=model,
    )


def run(code, names):
    """Run code among these names; what it printed, as a list of lines."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(code, names)
    return output.getvalue().splitlines()


class Text(unittest.TestCase):
    """What is on the page."""

    def test_at_most_260_lines_are_visible(self):
        folded = re.sub(r"(<details>.*?</summary>).*?</details>", r"\1", README, flags=re.DOTALL)
        self.assertLessEqual(len(folded.splitlines()), 260)

    def test_every_fold_has_a_summary_and_an_end(self):
        tags = re.findall(r"</?(?:details|summary)>", README)
        fold = ["<details>", "<summary>", "</summary>", "</details>"]
        self.assertEqual(tags, fold * README.count("<details>"))

    def test_every_block_is_of_a_kind_that_is_tested(self):
        kinds = re.findall(r"^```(\w*)\n.*?^```$", README, re.DOTALL | re.MULTILINE)
        self.assertEqual(set(kinds), {"sh", "text", "python"})

    def test_the_taste_stands_in_the_program(self):
        taste = blocks("python")[0]
        self.assertRegex(taste, r"^def \w+_backward\(")
        self.assertIn(f"\n\n{taste}\n", PROGRAM)

    def test_the_commands_are_those_that_other_tests_run(self):
        commands = {line for block in blocks("sh") for line in block.splitlines()}
        known = {"python microgpt.py", "python -i microgpt.py", "python -m unittest"}
        self.assertEqual(commands, known)

    def test_the_test_command_is_the_one_that_ci_runs(self):
        ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
        self.assertRegex(ci, r"(?m)^(count )?python -m unittest$")

    def test_modules_to_run_by_hand_exist(self):
        for name in re.findall(r"`python -m tests\.(\w+)", README):
            with self.subTest(name=name):
                self.assertIn("\nif __name__", (ROOT / "tests" / f"{name}.py").read_text("utf-8"))


class Figures(unittest.TestCase):
    """Tables and transcripts agree with the program."""

    def test_settings_are_the_programs(self):
        comments = re.findall(r"^    (\w+): \w+ = .*  # (.+)$", PROGRAM, re.MULTILINE)
        expected = [
            [f"`--{name.replace('_', '-')}`", str(getattr(microgpt.Settings, name)), comment]
            for name, comment in comments
        ]
        self.assertEqual(len(expected), 10)
        self.assertEqual(rows(section("Quick start")), expected)

    def test_shapes_are_the_models_and_add_up(self):
        model = microgpt.init_model(microgpt.Settings(), 27, microgpt.Xoshiro(42))
        unseen = {"wte": model.wte, "wpe": model.wpe, **vars(model.layers[0])}
        *steps, (_, _, total) = rows(section("Architecture"))
        counts = []
        for _, shapes, count in steps:
            size = 0
            for names, n_rows, n_cols in re.findall(r"((?:`\w+`,? )+)\[(\d+), (\d+)\]", shapes):
                for name in re.findall(r"\w+", names):
                    w = unseen.pop(name)
                    self.assertEqual([len(w), len(w[0])], [int(n_rows), int(n_cols)], name)
                    size += len(w) * len(w[0])
            counts.append(size)
            self.assertEqual(count, f"{size:,}" if size else "")
        self.assertEqual(unseen, {})
        self.assertEqual(total, f"{sum(counts):,}")

    def test_the_least_mean_loss_follows_from_the_names(self):
        # It is that of a model that gives each name a chance in proportion to 1 / its predictions.
        lengths = [min(len(name) + 1, 8) for name in microgpt.NAMES]
        total = sum(1 / length for length in lengths)
        least = statistics.mean(log(length * total) / length for length in lengths)
        self.assertIn(f"{least:.3f}", section("How well it learns"))

    def test_the_lines_on_top_stand_in_the_transcript(self):
        lines, transcript = blocks("text")[0].splitlines(), blocks("text", section("What"))[0]
        self.assertEqual(len(lines), 4)
        self.assertEqual([line for line in transcript.splitlines() if line in lines], lines)

    def test_the_transcript_is_a_whole_run(self):
        transcript = blocks("text", section("What"))[0]
        steps = re.findall(r"^step +(\d+) ", transcript, re.MULTILINE)
        self.assertEqual(list(map(int, steps)), [*range(0, 5000, 500), 4999])

    def test_the_transcript_up_to_step_500_is_what_the_program_prints(self):
        lines = blocks("text", section("What"))[0].splitlines()[:5]
        self.assertIn("step   500", lines[-1])
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "microgpt.py")], stdout=subprocess.PIPE,
            encoding="utf-8", errors="replace",
        )
        with process, process.stdout:
            printed = [untimed(process.stdout.readline().rstrip("\n")) for _ in lines]
            process.kill()
        self.assertEqual(printed, list(map(untimed, lines)))


class Pictures(unittest.TestCase):
    """How a name is made, and where attention looks."""

    LINE = re.compile(r"(<BOS>\S*) +((?:\S+ \d+%  )*\S+ \d+%) +drew (\S+)")

    def setUp(self):
        text = section("How a name is made")
        self.spelled, self.looked = (block.splitlines() for block in blocks("text", text))
        self.names = after_training()
        self.printed = run(blocks("python", text)[0], self.names)

    def test_each_line_goes_on_from_what_was_drawn_before(self):
        for lines in (self.spelled, self.printed):
            name = "<BOS>"
            for line in lines:
                so_far, _, drawn = self.LINE.fullmatch(line).groups()
                self.assertEqual(so_far, name)
                name += drawn
            self.assertTrue(name.endswith("<EOS>") or len(lines) == 8)

    def test_the_likeliest_tokens_come_first(self):
        for line in self.spelled + self.printed:
            percentages = [int(p) for p in re.findall(r"(\d+)%", line)]
            self.assertEqual(percentages, sorted(percentages, reverse=True))
            self.assertLessEqual(sum(percentages), 102)  # they are rounded
            self.assertLessEqual(len(percentages), 5)

    def test_the_probabilities_are_the_models(self):
        model, vocabulary = self.names["model"], self.names["vocabulary"]
        for line in self.printed:
            so_far, shown, _ = self.LINE.fullmatch(line).groups()
            ids = [vocabulary.ids[token] for token in re.findall("<.OS>|.", so_far)]
            logits, _ = microgpt.forward(model, ids, microgpt.new_cache(model))
            probs = dict(zip(vocabulary.tokens, microgpt.softmax(logits[-1])))
            for token, percentage in re.findall(r"(\S+) (\d+)%", shown):
                self.assertAlmostEqual(100 * probs[token], int(percentage), delta=0.51)

    def test_what_is_drawn_comes_from_the_generator(self):
        names = after_training()
        ids = microgpt.generate(names["model"], names["rng"])
        drawn = [self.LINE.fullmatch(line)[3] for line in self.printed]
        tokens = [names["vocabulary"].tokens[i] for i in ids]
        self.assertEqual(drawn, tokens + ["<EOS>"] * (len(ids) < 8))

    def test_attention_is_that_of_the_same_name_and_drawn_by_the_solution(self):
        letters = "<" + "".join(self.LINE.fullmatch(line)[3] for line in self.spelled[:-1])
        heading = "    " + "    ".join([" ".join(letters)] * 4)
        solution = blocks("python", section("Exercises"))[2]
        for lines in (self.looked, run(solution, self.names)):
            self.assertEqual(lines[0], heading)
            self.assertEqual("".join(line[0] for line in lines[1:]), letters)

    def test_no_position_looks_at_a_later_one(self):
        positions = len(self.looked) - 1
        width = 2 * positions + 3  # a mark and a space for each, and three spaces more
        for t, line in enumerate(self.looked[1:]):
            for start in range(4, 4 + 4 * width, width):
                row = line[start : start + width]
                self.assertTrue(row.strip())
                self.assertFalse(row[2 * t + 1 :].strip())


class Twin(unittest.TestCase):
    """The program in PyTorch, which is not needed here, and the dictionary."""

    def setUp(self):
        self.program = blocks("python", section("The same in PyTorch"))[0]
        self.tree = ast.parse(self.program)

    def test_it_has_at_most_90_lines(self):
        self.assertLessEqual(len(self.program.splitlines()), 90)

    def test_what_it_takes_from_microgpt_is_there(self):
        used = {
            node.attr for node in ast.walk(self.tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
            and node.value.id == "ours"
        }
        self.assertGreaterEqual(used, {"init_model", "loss_and_gradient", "matrices"})
        self.assertEqual({name for name in used if not hasattr(microgpt, name)}, set())

    def test_it_imports_nothing_but_pytorch_and_the_standard_library(self):
        modules = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module.partition(".")[0])
        self.assertEqual(modules, {"argparse", "os", "torch", "microgpt"})

    def test_the_dictionary_names_what_is_there(self):
        here = " ".join(row[0] for row in rows(section("The same in PyTorch")))
        names = set(re.findall(r"`(\w+)\(", here))
        self.assertGreater(len(names), 10)
        self.assertEqual({name for name in names if not hasattr(microgpt, name)}, set())


class Exercises(unittest.TestCase):
    """Each solution runs, briefly, from where a training run ends."""

    @classmethod
    def setUpClass(cls):
        cls.text = section("Exercises")
        cls.solutions = blocks("python", cls.text)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder.name)
        shutil.copy(ROOT / "README.md", folder.name)
        self.names = after_training()

    def solve(self, number):
        """Run one solution; what it printed, as a list of lines."""
        return run(self.solutions[number - 1], self.names)

    def assert_close(self, model, others):
        """Every number of a model is the mean of those of the others."""
        self.assertGreater(len(others), 0)
        for w, *ws in zip(*map(microgpt.matrices, [model, *others])):
            for row, *their_rows in zip(w, *ws):
                for number, *numbers in zip(row, *their_rows):
                    self.assertAlmostEqual(number, statistics.mean(numbers), delta=1e-12)

    def gradients(self, *documents):
        """The gradient of each name."""
        sequences = [self.names["vocabulary"].sequence(name, 8) for name in documents]
        return [microgpt.loss_and_gradient(self.names["model"], ids)[1] for ids in sequences]

    def sequences_of_steps(self, number, steps):
        """Run one solution for so many steps; the sequences that it took gradients of."""
        taken = []

        def loss_and_gradient(model, tokens):
            taken.append(tokens)
            return microgpt.loss_and_gradient(model, tokens)

        self.names["settings"] = microgpt.Settings(steps=steps)
        self.names["loss_and_gradient"] = loss_and_gradient
        self.solve(number)
        return taken

    def test_each_task_has_one_solution_of_at_most_25_lines(self):
        tasks = re.findall(r"^\*\*(\d+)\. ", self.text, re.MULTILINE)
        self.assertEqual(tasks, [str(n) for n in range(1, 11)])
        self.assertEqual(len(self.solutions), 10)
        for solution in self.solutions:
            self.assertLessEqual(len([line for line in solution.splitlines() if line.strip()]), 25)

    def test_the_task_and_the_hint_are_not_folded(self):
        for number in range(1, 11):
            with self.subTest(number=number):
                pattern = rf"^\*\*{number}\. (?:(?!</details>).)+?^<details>"
                self.assertRegex(self.text, re.compile(pattern, re.DOTALL | re.MULTILINE))

    def test_a_prompt_takes_the_solutions_line_by_line(self):
        # The last one is a program of its own.
        typed = blocks("python", section("How a name is made")) + self.solutions[:-1]
        for program in typed:
            entered = []
            for line in (program + "\n").split("\n"):
                entered.append(line)
                if codeop.compile_command("\n".join(entered)):
                    entered = []
            self.assertEqual("".join(entered), "")

    def test_1_a_saved_model_comes_back_equal(self):
        self.assertTrue(self.solve(1)[0].startswith("True "))
        self.assertEqual(self.names["loaded"], self.names["model"])
        self.assertIsNot(self.names["loaded"], self.names["model"])

    def test_2_a_cold_sample_takes_the_likeliest_token(self):
        self.assertEqual([line.split()[0] for line in self.solve(2)], ["0.3", "1.0", "2.0"])
        model = self.names["model"]
        logits, _ = microgpt.forward(model, [microgpt.BOS], microgpt.new_cache(model))
        likeliest = self.names["vocabulary"].tokens[max(range(27), key=logits[0].__getitem__)]
        self.assertTrue(self.names["generate_at"](1e-6).startswith(likeliest))

    def test_3_the_darkness_is_that_of_the_weights(self):
        layer = self.names["model"].layers[0]
        for w in (layer.wq, layer.wk):
            w[:] = [[0.0] * 16 for _ in w]  # equal scores: what a position sees has equal weights
        lines = self.solve(3)
        marks = ["@", "= =", "- - -", ": : : :"]  # of " .:-=+*#%@", one for each tenth
        for line, mark in zip(lines[1:], marks):
            self.assertEqual(line[1:].split("    ")[0].strip(), mark)
            self.assertEqual(line.count(mark[0]), 4 * mark.count(mark[0]))

    def test_4_both_losses_are_the_means_over_their_names(self):
        line = self.solve(4)[0]
        taught, kept_back = self.names["taught"], self.names["kept_back"]
        self.assertEqual((len(taught), len(kept_back)), (80, 12))
        self.assertEqual(taught + kept_back, self.names["documents"])
        untrained = microgpt.init_model(microgpt.Settings(), 27, microgpt.Xoshiro(42))
        means = []
        for names in (taught, kept_back):
            sequences = [self.names["vocabulary"].sequence(name, 8) for name in names]
            losses = [microgpt.loss_and_gradient(untrained, ids)[0] for ids in sequences]
            means.append(statistics.mean(losses))
        self.assertEqual(line, "step     0  taught {:.3f}  kept back {:.3f}".format(*means))

    def test_4_only_the_taught_names_are_trained_on(self):
        sequences = self.sequences_of_steps(4, 84)
        documents = self.names["documents"]
        names = [self.names["vocabulary"].decode(ids[1:-1]) for ids in sequences]
        self.assertEqual(names[:85], [name[:7] for name in documents[:80] + documents[:5]])

    def test_5_a_batch_has_the_mean_of_its_names_gradients(self):
        self.solve(5)
        emma, liam = self.gradients("emma", "liam")
        loss, both = self.names["mean"]([(1.0, emma), (2.0, liam)])
        self.assertEqual(loss, 1.5)
        self.assert_close(both, self.gradients("emma", "liam"))

    def test_5_the_next_batch_goes_on_where_the_last_one_ended(self):
        sequences = self.sequences_of_steps(5, 24)
        documents = self.names["documents"]
        names = [self.names["vocabulary"].decode(ids[1:-1]) for ids in sequences]
        batches = names[: len(documents) + 4]  # after them come all names, for the mean loss
        self.assertEqual(batches, [name[:7] for name in documents + documents[:4]])

    def test_6_differences_agree_with_the_gradients(self):
        pairs = [line.split() for line in self.solve(6) if re.fullmatch(r"[\s\d.-]+", line)]
        self.assertEqual(len(pairs), 2 + 3 * 6)
        for difference, gradient in pairs:
            self.assertAlmostEqual(float(difference), float(gradient), delta=1e-6)

    def test_7_the_words_of_this_file_are_learned_from(self):
        output = self.solve(7)
        self.assertRegex(output[1], r"^Training 8 steps on \d{3,} names$")
        self.assertIn("gradient", self.names["documents"])

    def test_7_the_order_of_the_words_comes_from_the_generator_alone(self):
        # The order of a set would not: it changes from run to run.
        rng = after_training()["rng"]
        self.solve(7)
        words = sorted(set(self.names["documents"]))
        places = {word: rng.draw() for word in words}
        self.assertEqual(self.names["documents"], sorted(words, key=places.get))

    def test_8_the_gradients_are_equal_and_the_numbers_kept_are_the_texts(self):
        *kept, equal = self.solve(8)
        self.assertEqual(equal, "equal gradients: True")
        for line in kept:
            self.assertIn(f"{int(line.split()[0]):,}", self.text)
        self.assertEqual(len(kept), 2)

    def test_8_the_numbers_kept_are_those_of_the_shapes(self):
        # Of each layer 8 positions: x, normed, q, k, v, out, x, normed, 64 matches and 64 hidden
        # units, and the weights of 4 heads.
        self.assertEqual(
            self.solve(8)[:2],
            [f"{4 * (8 * (8 * 16 + 2 * 64) + 4 * 8 * 8) + 8 * 16} numbers kept",
             f"{4 * 8 * 16 + 8 * 16} numbers kept"],
        )

    def test_9_the_first_axis_is_the_direction_in_which_the_letters_differ_most(self):
        wte = self.names["model"].wte
        for i, row in enumerate(wte):
            row[:] = [0.0] * 16
            row[3], row[7] = float(i), float(i % 2)
        order = self.solve(9)[-1].replace(" ", "")
        self.assertIn(order, ("abcdefghijklmnoprstuvwxyz", "zyxwvutsrponmlkjihgfedcba"))
        even, odd = (self.names["axes"][1][start::2] for start in (0, 1))
        self.assertTrue(max(even) < min(odd) or max(odd) < min(even))

    def test_9_the_map_shows_every_letter_in_its_place(self):
        self.solve(9)
        svg = Path("letters.svg").read_text(encoding="utf-8")
        marks = re.findall(r'<text x="(\d+)" y="(\d+)"[^>]*>(.)</text>', svg)
        self.assertEqual([letter for *_, letter in marks], self.names["vocabulary"].tokens[2:])
        shown, (across, down) = [(int(x), int(y)) for x, y, _ in marks], self.names["axes"]
        self.assertEqual({0 <= x <= 480 and 0 <= y <= 480 for x, y in shown}, {True})
        a, b = across.index(min(across)), across.index(max(across))
        scale = (shown[b][0] - shown[a][0]) / (across[b] - across[a])
        for (x, y), x_true, y_true in zip(shown, across, down):
            self.assertAlmostEqual(x - shown[a][0], scale * (x_true - across[a]), delta=2)
            self.assertAlmostEqual(y - shown[a][1], scale * (y_true - down[a]), delta=2)

    def test_10_the_mean_of_equal_parts_is_the_mean_of_the_whole(self):
        self.names["__name__"] = "workers"
        run(self.solutions[9].replace("from microgpt import *", ""), self.names)
        four = "emma", "liam", "eva", "penelope"
        sequences = [self.names["vocabulary"].sequence(name, 8) for name in four]
        mean, part = self.names["mean"], self.names["mean_of_part"]
        halves = [part(self.names["model"], half) for half in (sequences[::2], sequences[1::2])]
        _, gradient = mean(halves)
        self.assert_close(gradient, self.gradients(*four))

    def test_10_one_worker_and_two_end_at_the_same_loss(self):
        shutil.copy(ROOT / "microgpt.py", "microgpt.py")
        brief, count = re.subn(r"steps=100\b", "steps=3", self.solutions[9])
        self.assertEqual(count, 1)
        Path("workers.py").write_text(brief, encoding="utf-8")
        result = subprocess.run(
            [sys.executable, "workers.py"], capture_output=True, encoding="utf-8", check=True
        )
        one, two = re.findall(r"^workers (?:1|2): loss=(\d\.\d{10})$", result.stdout, re.MULTILINE)
        self.assertEqual(one, two)


if __name__ == "__main__":
    unittest.main()
