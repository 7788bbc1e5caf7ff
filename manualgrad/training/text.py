"""Text as a Lightning data module, letter by letter, and the trigram model that a network is to beat."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sklearn.datasets
import torch
from torch import Tensor

from manualgrad.training.data import Table
from manualgrad.training.files import DataError

TENTHS = 10


class Text(Table):
    """Texts cut into windows of `length` characters; what is asked at each is the character that follows.

    The texts are those that scikit-learn describes its data sets with, or the one in `file`. Of each text, one tenth is
    for the test, the last for `split` 0, the last but one for 1, and so on; the tenth before it is for validation.
    Training windows overlap, by all but a quarter of their length; others do not, so that each character counts once.

    After `setup`: `parts` as of every Table, x and y (windows, length), int64; `texts` the characters of each part,
    (n,), int64, and `class_names` the alphabet. `validation` is not used.

    Raises DataError for a file that cannot be read or is too short for the windows.
    """

    def __init__(
        self, length: int, file: str | None = None, split: int = 0, batch_size: int = 16, seed: int = 0
    ) -> None:
        super().__init__(file, split, batch_size=batch_size, seed=seed)
        self.length = length
        self.kind = "rows"

    def setup(self, stage: str | None = None) -> None:
        """Read, split, number and cut; once, whatever the stage."""
        if self.parts:
            return
        texts = self._read()
        self.class_names = sorted(set("".join(texts)))
        number = {character: k for k, character in enumerate(self.class_names)}
        test = TENTHS - 1 - self.split % TENTHS
        places = {"validation": (test - 1) % TENTHS, "test": test}
        pieces: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
        for text in texts:
            cuts = [text[k * len(text) // TENTHS : (k + 1) * len(text) // TENTHS] for k in range(TENTHS)]
            for k, cut in enumerate(cuts):
                pieces[next((part for part, place in places.items() if place == k), "train")].append(cut)
        self.texts = {part: torch.tensor([number[c] for c in "".join(found)]) for part, found in pieces.items()}
        for part, characters in self.texts.items():
            if len(characters) <= self.length:
                raise DataError(
                    f"{self.file}: {len(characters)} characters for {part} are too few for windows of {self.length}"
                )
            windows = characters.unfold(
                0, self.length + 1, max(self.length // 4, 1) if part == "train" else self.length
            )
            self.parts[part] = windows[:, :-1], windows[:, 1:]

    def _read(self) -> list[str]:
        files = [Path(self.file)] if self.file else sorted(Path(sklearn.datasets.__file__).parent.glob("descr/*.rst"))
        try:
            return [file.read_text(encoding="utf-8") for file in files]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self.file}: not a text: {error}") from None

    def decode(self, characters: Tensor) -> str:
        """The text of these numbers."""
        return "".join(self.class_names[k] for k in characters.tolist())


def continued(
    network: Callable[[Tensor], Tensor], text: Tensor, count: int, length: int, temperature: float = 0.7
) -> Tensor:
    """The characters `text` (n,), int64, and `count` more, each drawn from what `network` says of the last `length`.

    `network` gives scores (rows, letters, length) to texts (rows, length); a temperature below 1 makes the likely ones
    likelier still.

    >>> continued(lambda text: torch.eye(3)[(text + 1) % 3].mT * 99, torch.tensor([0]), 4, length=2)
    tensor([0, 1, 2, 0, 1])
    """
    for _ in range(count):
        with torch.no_grad():
            scores = network(text[None, -length:])[0, :, -1]
        text = torch.cat((text, torch.multinomial((scores / temperature).softmax(dim=0), 1)))
    return text


def trigram_loss(train: Tensor, text: Tensor, letters: int) -> float:
    """The mean of -log p of each character of `text` after the first two, by a trigram model of the characters `train`.

    Both are (n,), int64, numbers below `letters`. Interpolated Kneser-Ney smoothing: of a count c after a context,

        p(z | xy) = (max(c(xyz) - D, 0) + D t(xy) p(z | y)) / c(xy)     t(xy) = how many different z follow xy

    where p(z | y) and p(z) are made in the same way, of how many different x stand before yz, and of how many different
    y before z; D = n1 / (n1 + 2 n2), of the trigrams seen once and twice.
    Source: Kneser & Ney (1995), Improved backing-off for m-gram language modeling; Chen & Goodman (1999), section 3.

    >>> text = torch.tensor([0, 1, 2] * 20)
    >>> trigram_loss(text, text, 3) < 0.1 < math.log(3)
    True
    """
    sequence = train.tolist()
    counts: list[Counter[Any]] = [Counter(zip(sequence, sequence[1:], sequence[2:], strict=False))]
    counts.append(Counter(gram[1:] for gram in counts[0]))
    counts.append(Counter(gram[1:] for gram in counts[1]))
    seen = Counter(counts[0].values())
    discount = seen[1] / (seen[1] + 2 * seen[2]) if seen[1] else 0.5
    totals: list[Counter[Any]] = [Counter() for _ in counts]
    kinds: list[Counter[Any]] = [Counter() for _ in counts]
    for level, table in enumerate(counts):
        for gram, count in table.items():
            totals[level][gram[:-1]] += count
            kinds[level][gram[:-1]] += 1

    def probability(gram: tuple[int, ...], level: int = 0) -> float:
        if level == len(counts):
            return 1 / letters
        total, lower = totals[level][gram[:-1]], probability(gram[1:], level + 1)
        if not total:
            return lower
        return (max(counts[level][gram] - discount, 0) + discount * kinds[level][gram[:-1]] * lower) / total

    asked = text.tolist()
    grams = list(zip(asked, asked[1:], asked[2:], strict=False))
    return -sum(math.log(probability(gram)) for gram in grams) / len(grams)
