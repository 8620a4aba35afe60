"""The README says what the program does: its code runs, its lines are printed, its links lead on.

Python that is to be run stands under Play and Exercises. Other Python quotes the program.
"""
import re
import shutil
import subprocess
import sys
import unittest
from dataclasses import fields
from pathlib import Path
from unittest import mock

import microgpt
from tests.helpers import (
    PROJECT, STEP_0, flat, parameters, printed, small_model, work_in_a_temporary_folder)

README = (PROJECT / "README.md").read_text(encoding="utf-8")
PROGRAM = (PROJECT / "microgpt.py").read_text(encoding="utf-8")


def section(title, text=README, mark="## "):
    """The text under a heading, up to the next one of its kind."""
    return re.search(rf"^{mark}{title}.*?\n(.*?)(?=^{mark}|\Z)", text, re.DOTALL | re.M)[1]


def blocks(kind, text=README):
    """What is in the blocks of one kind, such as python."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.DOTALL | re.M)


class PythonTest(unittest.TestCase):
    """Each test is a notebook in a temporary folder, where a run of two steps has just ended."""

    def setUp(self):
        work_in_a_temporary_folder(self)
        self.names = {"__name__": "__main__"}
        with mock.patch.object(sys, "argv", ["ipykernel_launcher.py"]):
            self.paste(PROGRAM)
        check_gradient = self.names["check_gradient"]  # takes seconds, so check a small model
        self.names["check_gradient"] = lambda model, tokens: check_gradient(
            small_model(len(model.wte), n_embd=4, n_layer=len(model.layers)), tokens)

    def paste(self, *codes):
        """What these blocks print, one after another, with two steps where they say how many."""
        output = []
        for code in codes:
            code = re.sub(r"(steps(=|: int = setting\())\d+", r"\g<1>2", code)
            if code.startswith("# workers.py"):
                Path("workers.py").write_text(code, encoding="utf-8")
                shutil.copyfile(PROJECT / "microgpt.py", "microgpt.py")
                output += subprocess.run([sys.executable, "workers.py"], stdout=subprocess.PIPE,
                                         check=True, encoding="utf-8").stdout.splitlines()
            else:
                output += printed(exec, code, self.names)
        return "\n".join(output)

    def assert_small(self, numbers, limit):
        self.assertTrue(numbers)
        self.assertLess(max(map(float, numbers)), limit)

    def test_play(self):
        output = self.paste(*blocks("python", section("Play")))
        self.assertRegex(output, r"\Azo")
        self.assert_small(re.findall(r"^(\S+e-\d+)$", output, re.M), 1e-6)
        mine = microgpt.load(Path("mine.txt").read_text("utf-8"), microgpt.Settings(), 27)
        pairs = zip(flat(parameters(self.names["model"])), flat(parameters(mine)))
        self.assert_small([abs(number - rounded) for number, rounded in pairs], 0.501 / 19)
        [same] = [block for block in blocks("text", section("Play")) if "layer 0, head" in block]
        self.assertEqual(set(same.splitlines()) - set(output.splitlines()), {"…"})

    def test_exercises(self):
        names, by_hand = self.names, self.names["loss_and_gradient"]
        output = self.paste(*blocks("python", section("Exercises")))
        self.assertEqual(re.findall(r"equal: (\w+)", output), ["True", "True"])
        self.assertEqual(names["loaded"], names["model"])
        dmodels = [by_hand(small_model(), tokens)[1] for tokens in ([0, 3, 1], [0, 4, 3, 1])]
        sums = [a + b for a, b in zip(*map(flat, map(parameters, dmodels)))]
        names["add_up"](*dmodels)
        self.assertEqual(flat(parameters(dmodels[0])), sums)
        self.assertEqual((len(names["taught"]), len(names["kept_back"])), (80, 12))
        self.assertIn("step     0  taught 3.30  kept back 3.30\n", output)
        self.assertIn("numbers kept: 9216 by forward, 512 here\n", output)
        one, two = re.findall(r"^workers: \d +loss=(\S+)$", output, re.M)
        self.assertEqual(one, two)
        self.assertIn("loss [[4.0]] dw [[16.0]] db [[8.0]]\n", output)
        self.assert_small(re.findall(r"slopes differ by (\S+)", output), 1e-12)
        self.assert_small(re.findall(r"largest difference.*: (\S+)", output), 1e-6)
        for name in re.findall(r"^def (\w+)", section("10", PROGRAM, "# ## "), re.M):
            del names[name]  # the tape does without them
        again = self.paste("rng, loss_and_gradient = Xoshiro(42), gradient_by_tape",
                           "model = init_model(settings, 27, rng)",
                           "train(model, documents, vocabulary, rng, settings)")
        self.assertIn(f"\n{STEP_0}\n", again)


class TextTest(unittest.TestCase):
    def test_other_python_quotes_the_program(self):
        others = README.replace(section("Play"), "").replace(section("Exercises"), "")
        for code in blocks("python", others):
            self.assertIn(code.strip("\n"), PROGRAM)

    def test_lines_of_the_run_up_to_step_1000_are_printed(self):
        runs = [block for block in blocks("text") if STEP_0 in block]
        shown = set(re.findall(r"^step +(?:0|500|1000) .*", "\n".join(runs), re.M))
        self.assertIn(STEP_0, shown)
        with subprocess.Popen([sys.executable, str(PROJECT / "microgpt.py")], encoding="utf-8",
                              stdout=subprocess.PIPE) as process:
            for line in process.stdout:
                shown.discard(line.rstrip("\n"))
                if not shown or line.startswith("step  1000"):
                    break
            process.kill()
        self.assertEqual(shown, set())

    def test_what_the_model_in_the_file_expects(self):
        """Lines such as "<BOS>e    l 58%    v 33%" are those of look_inside, or begin with them."""
        model = microgpt.load(microgpt.TRAINED, microgpt.Settings(), 27)
        for line, start in re.findall(r"^ *(<BOS>(\w*) +\S+ \d+%.*)", README, re.M):
            lines = printed(microgpt.look_inside, model, microgpt.Vocabulary(microgpt.NAMES), start)
            expected = lines[len(start)].split()
            self.assertEqual(line.split()[: len(expected)], expected)

    def test_flags_and_modules(self):
        flags = {"--" + f.name.replace("_", "-"): f for f in fields(microgpt.Settings)}
        rows = [line.split("|")[1:4] for line in README.splitlines() if line.startswith("| `--")]
        self.assertIn([[cell.strip() for cell in row] for row in rows], ([], [
            [f"`{flag}`", "" if f.default is None else str(f.default), f.metadata["meaning"]]
            for flag, f in flags.items()]))
        for line in "".join(blocks("sh")).splitlines():
            if "microgpt.py " in line:
                self.assertLessEqual(set(re.findall(r"--[a-z][\w-]*", line)), {"--help", *flags})
        for name in re.findall(r"-m (tests[.\w]*\w)", README):
            module = PROJECT.joinpath(*name.split(".")).with_suffix(".py")
            self.assertIn("\nif __name__", module.read_text(encoding="utf-8"), name)

    def test_links_and_pictures(self):
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
                   for heading in re.findall(r"^#+ (.*)", README, re.M)}
        pattern = re.compile(r"(?:\]\(|\b(?:src|srcset|href)=\"|^\[.*\]: )([^)\"\s]+)", re.M)
        for link in pattern.findall(README):
            if link.startswith("#"):
                self.assertIn(link[1:], anchors)
            elif "://" not in link:
                self.assertTrue((PROJECT / link.partition("#")[0]).exists(), link)
