"""What goes into a run: settings and their check, files of names, tokens, the shipped list."""
import math
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import microgpt
from microgpt import NAMES, Settings, Vocabulary, check, prepare, read_documents
from tests.helpers import PROJECT


class SettingsTest(unittest.TestCase):
    # One field at a time, the others at their defaults (n_embd=16, n_head=4).
    BAD = [
        *((name, [0, -1, -16]) for name in ("n_embd", "n_head", "n_layer", "block_size", "steps")),
        ("n_embd", [15, 17, 2]), ("n_head", [3, 5, 32]),  # not a multiple
        ("lr", [0.0, -0.01, math.inf, -math.inf, math.nan]),
        ("beta1", [-5e-324, 1.0, 1.5, math.inf, -math.inf, math.nan]),
        ("beta2", [-5e-324, 1.0, 1.5, math.inf, -math.inf, math.nan]),
        ("seed", [-1, 2**64]),
    ]
    GOOD = [
        ("n_embd", [4, 8, 64]), ("n_head", [1, 2, 16]), ("n_layer", [1, 3]), ("steps", [1, 10**9]),
        ("block_size", [1, 100]), ("lr", [5e-324, 0.5, 1e308]), ("seed", [0, 2**64 - 1]),
        ("beta1", [0, 0.0, 1 - 2.0**-53]), ("beta2", [0, 0.0, 1 - 2.0**-53]),
    ]

    def test_a_setting_that_makes_no_sense_is_refused_by_name_and_value(self):
        for name, values in self.BAD:
            for value in values:
                with self.subTest(**{name: value}):
                    with self.assertRaises(ValueError) as caught:
                        check(Settings(**{name: value}))
                    self.assertRegex(str(caught.exception), rf"\b{name}\b.* {value}\b")

    def test_settings_at_the_edge_of_sense_are_accepted(self):
        check(Settings(n_embd=1, n_head=1, n_layer=1, block_size=1, steps=1))
        for name, values in self.GOOD:
            for value in values:
                with self.subTest(**{name: value}):
                    check(Settings(**{name: value}))

    def test_defaults_are_those_of_the_contract(self):
        self.assertEqual(vars(Settings()), {
            "n_embd": 16, "n_head": 4, "n_layer": 1, "block_size": 8, "steps": 5000,
            "lr": 0.01, "beta1": 0.9, "beta2": 0.95, "seed": 42, "data": None,
        })


class FilesTest(unittest.TestCase):
    """Each test has a temporary folder, and what it reads is there."""

    GOOD = {  # what is odd about a file: its bytes, the names in it
        "nothing": (b"emma\nmae\n", ["emma", "mae"]),
        "Windows line ends": (b"emma\r\nmae\r\n", ["emma", "mae"]),
        "old Macintosh line ends": (b"emma\rmae\r", ["emma", "mae"]),
        "a byte-order mark": (b"\xef\xbb\xbfemma\nmae\n", ["emma", "mae"]),
        "no newline at the end": (b"emma\nmae", ["emma", "mae"]),
        "blank lines": (b"\n\nemma\n  \n\t\nmae\n\n", ["emma", "mae"]),
        "spaces around names": (b"  emma\nmae\t \n", ["emma", "mae"]),
        "spaces inside a name": (b"mary ann\n", ["mary ann"]),
        "duplicates": (b"mae\nemma\nmae\n", ["mae", "emma", "mae"]),
        "a single name of one letter": (b"a", ["a"]),
        "a name longer than the block": (b"maximiliane\n", ["maximiliane"]),
        "other letters": ("зоя\n美咲\nzoë\n𐌰𐍂𐌹\n".encode("utf-8"), ["зоя", "美咲", "zoë", "𐌰𐍂𐌹"]),
    }
    BAD = {  # what is wrong with a file: its bytes, what the message has to say besides its name
        "empty": (b"", "no names"),
        "blank lines only": (b"\n  \r\n\t\n", "no names"),
        "a byte-order mark only": (b"\xef\xbb\xbf", "no names"),
        "Latin-1": ("emma\nzoë\n".encode("latin-1"), "not UTF-8"),
        "UTF-16": ("emma\n".encode("utf-16"), "not UTF-8"),
        "UTF-16 without its mark": ("emma\n".encode("utf-16-le"), "NUL"),
    }

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "names.txt"

    def test_names_are_read_whatever_is_odd_about_their_file(self):
        for oddity, (content, names) in self.GOOD.items():
            with self.subTest(oddity):
                self.path.write_bytes(content)
                self.assertEqual(read_documents(self.path), names)
                self.assertEqual(prepare(Settings(data=str(self.path)))[1], names)

    def test_a_file_without_names_in_utf_8_is_refused_by_its_name(self):
        for fault, (content, words) in self.BAD.items():
            with self.subTest(fault):
                self.path.write_bytes(content)
                with self.assertRaises(ValueError) as caught:
                    read_documents(self.path)
                self.assertIn(str(self.path), str(caught.exception))
                self.assertIn(words, str(caught.exception))

    def test_what_cannot_be_read_as_a_file_keeps_its_error(self):
        # Windows calls it a lack of permission to read a folder.
        for path, error in [
            (self.folder / "missing.txt", FileNotFoundError),
            (self.folder, (IsADirectoryError, PermissionError)),
        ]:
            with self.subTest(path=path.name), self.assertRaises(error):
                read_documents(path)

    def prepare_beside(self, **values):
        """The documents for these settings, if the program were in the temporary folder."""
        with mock.patch.object(microgpt, "FILE", self.folder / "microgpt.py"):
            return prepare(Settings(**values))[1]

    def test_the_default_is_names_txt_beside_the_program(self):
        self.path.write_bytes(b"zoe\n")
        self.assertEqual(self.prepare_beside(), ["zoe"])

    def test_without_names_txt_the_default_is_the_names_in_the_program(self):
        self.assertEqual(self.prepare_beside(), NAMES)

    def test_a_bad_names_txt_is_not_passed_over(self):
        self.path.write_bytes(b"")
        self.assertRaises(ValueError, self.prepare_beside)

    def test_settings_are_checked_before_a_file_is_read(self):
        with self.assertRaisesRegex(ValueError, "steps"):
            self.prepare_beside(steps=0, data=str(self.path))


class VocabularyTest(unittest.TestCase):
    def setUp(self):
        self.vocabulary = Vocabulary(["mae", "emma", "Zoë"])

    def test_two_marks_come_first_then_the_characters_sorted(self):
        self.assertEqual((microgpt.BOS, microgpt.EOS), (0, 1))
        tokens = ["<BOS>", "<EOS>", "Z", "a", "e", "m", "o", "ë"]
        self.assertEqual(self.vocabulary.tokens, tokens)
        self.assertEqual(self.vocabulary.ids, {token: i for i, token in enumerate(tokens)})

    def test_decode_undoes_encode_and_shows_marks(self):
        for name, ids in [("mae", [5, 3, 4]), ("Zoë", [2, 6, 7]), ("", [])]:
            with self.subTest(name=name):
                self.assertEqual(self.vocabulary.encode(name), ids)
                self.assertEqual(self.vocabulary.decode(ids), name)
        self.assertEqual(self.vocabulary.decode([0, 5, 0, 3, 1]), "<BOS>m<BOS>a<EOS>")

    def test_unknown_letters_are_refused_and_named(self):
        with self.assertRaises(ValueError) as caught:
            self.vocabulary.encode("xemmy")
        self.assertRegex(str(caught.exception), r"\bx\b.*\by\b")


class ShippedNamesTest(unittest.TestCase):
    def test_names_txt_and_the_names_in_the_program_are_the_same(self):
        text = (PROJECT / "names.txt").read_text(encoding="utf-8")
        self.assertEqual(text, "".join(f"{name}\n" for name in NAMES))
        self.assertEqual(prepare(Settings())[1], NAMES)

    def test_92_different_names_of_1_to_8_letters_without_q_emma_first(self):
        self.assertEqual((len(NAMES), len(set(NAMES)), NAMES[0]), (92, 92, "emma"))
        self.assertEqual({len(name) for name in NAMES} - set(range(1, 9)), set())
        self.assertEqual(set("".join(NAMES)), set("abcdefghijklmnoprstuvwxyz"))

    def test_27_tokens_and_3632_parameters(self):
        self.assertEqual(len(Vocabulary(NAMES).tokens), 2 + 25)
        model = microgpt.init_model(Settings(), 27, microgpt.Xoshiro(42))
        # Rows of 16: 27 and 8 of embeddings, 4 · 16 for attention, 2 · 64 for feed-forward.
        self.assertEqual(microgpt.count_parameters(model), 16 * (27 + 8 + 4 * 16 + 2 * 64))
        self.assertEqual(microgpt.count_parameters(model), 3632)
