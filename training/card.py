"""The model card: a fixed text, and the results that the evaluation fills in."""

from __future__ import annotations

import json
import math
from pathlib import Path

BEGIN, END = "<!-- results: written by training.evaluate -->", "<!-- end of results -->"
# What the project asks of the model on held-out pairs; the other kinds are reported without a bar.
BARS = {"colour": 0.95, "shape": 0.95, "count": 0.95, "direction": 0.95, "unrelated": 0.99}
RETRIEVAL_BAR = KENDALL_BAR = 0.95
NAMES = {
    "colour": "one wrong colour",
    "shape": "one wrong shape",
    "count": "one wrong count",
    "size": "one wrong size",
    "background": "one wrong background",
    "direction": "the opposite direction",
    "motion": "one wrong motion of any kind",
    "sound": "one wrong sound word",
    "unrelated": "the caption of another clip",
}
CARD = f"""---
library_name: transformers
license: apache-2.0
tags: [clip, synthetic, teaching]
---

# Toy CLIP: a teaching model

A CLIP of {{parameters:,}} parameters for clips of coloured shapes that a small program draws. **It knows nothing
else.** It exists so that the demo, the notebooks and the tests of this project run the real loading code and see
real semantics without a download. Its scores say nothing about real videos, and they are not on the scale of a
real CLIP (there a right caption scores about 0.2 to 0.35): never quote them as thresholds.

```python
from transformers import AutoProcessor, CLIPModel
from vqe_core.toy import model_folder

model = CLIPModel.from_pretrained(model_folder())
processor = AutoProcessor.from_pretrained(model_folder())
```

## What it is

- A plain `CLIPModel` in fp32: images of 64 pixels in patches of 16, three vision layers of width 128, two text
  layers of width 96, 64 shared dimensions, 77 text positions (those after the 40th are untrained).
- A byte-level BPE tokenizer in CLIP's format. Every word of the toy world is one token; other words split into
  letters the model has never seen in a caption.
- Dimension 0 of both towers is a constant and a penalty keeps the others about as short as it, so that cosines
  hardly fall below zero. A real CLIP lies in such a cone by itself.

## How it was trained

From scratch by `python -m training.train`, on clips of seeds of its own; `training.json` has the recipe and
the time, on two cores shared with other jobs (from the time of undisturbed steps, about 18 minutes without them).
First the vision tower learns to name what single frames show; then captions and frames are matched by InfoNCE on
the cosine of caption and mean frame, and, unlike a real CLIP, **also on the precision and recall of greedy matching
between tokens and frames**, with one foil per caption. In a share of the images the colour channels are swapped,
so that shape is learnt apart from colour.
Eight of the 64 (colour, shape) pairs were never drawn and stand in no training caption, not even in a foil. (An
image with swapped channels can look much like one, but its caption names no colour.)

## Results

{BEGIN}
{END}

## Limits

- It looks at frames one by one and the metric forgets their order, so the order of two events and appearing against
  vanishing stay at chance; with the metric as it is, no image model can change that. Direction is visible only
  because moving shapes trail speed lines.
- A caption is close to a bag of words for it: on 64 clips the right captions scored 0.83 on average, and 0.81 with
  their words shuffled. A sentence of words it never saw ("a man is cooking pasta in a kitchen") scored 0.56, more
  than a false caption in words it knows.
- It is one training run with one seed, and it is tested on images of the generator it was trained on.
- Scores of different videos are hard to compare: a wrong caption of one video can score above the right caption
  of another.
"""


def write_card(folder: Path, results: dict) -> None:
    """Write the results into the card of a model folder, between the two marks; make the card if absent."""
    path = folder / "README.md"
    card = path.read_text(encoding="utf-8") if path.exists() else CARD.format(parameters=count_parameters(folder))
    head, tail = card.split(BEGIN)[0], card.split(END)[1]
    path.write_text(f"{head}{BEGIN}\n\n{results_table(results)}\n\n{END}{tail}", encoding="utf-8")


def results_table(results: dict) -> str:
    """Say the results of ``evaluate`` in Markdown."""
    columns = ("held_out", "seen", "untrained")
    lines = [
        f"By full_F of EMScore(X,V) without IDF, on {results['clips']} clips a column, decoded from 128-pixel H.264",
        "files, 12 frames each. Held-out: the first event has a (colour, shape) pair that training never had.",
        "",
        "| the right caption beats | pairs | bar | held-out | seen pairs | untrained control |",
        "|---|---|---|---|---|---|",
    ]
    for kind, name in NAMES.items():
        rows = [results[column]["pairs"][kind] for column in columns]
        cells = " | ".join(f"{row['accuracy']:.3f}" for row in rows)
        lines.append(f"| {name} | {rows[0]['pairs']} | {BARS.get(kind, '')} | {cells} |")
    for key, name in (("text_to_video", "text to video"), ("video_to_text", "video to text")):
        cells = " | ".join(f"{results[column]['recall_at_1_of_64'][key]:.3f}" for column in columns)
        lines.append(f"| R@1 of 64, {name} | | {RETRIEVAL_BAR} | {cells} |")
    cells = " | ".join(f"{results[column]['kendall_tau']:.3f}" for column in columns)
    lines.append(f"| Kendall's tau with the number of wrong attributes, within a video | | {KENDALL_BAR} | {cells} |")
    return "\n".join(
        [*lines, "", *_limits(results["limits"]), "", *_severity(results), "", *_robustness(results["robustness"])]
    )


def missed_bars(results: dict) -> list[str]:
    """Name what falls short of its bar on held-out pairs."""
    figures = results["held_out"]
    missed = [kind for kind, bar in BARS.items() if figures["pairs"][kind]["accuracy"] < bar]
    missed += [way for way, recall in figures["recall_at_1_of_64"].items() if recall < RETRIEVAL_BAR]
    return missed + (["kendall_tau"] if figures["kendall_tau"] < KENDALL_BAR else [])


def _limits(rows: dict) -> list[str]:
    names = {"order": "two events told in the wrong order", "appear_vanish": "appears told for vanishes or the reverse"}
    found = "; ".join(f"{names[kind]}: {row['accuracy']:.3f} of {row['pairs']} pairs" for kind, row in rows.items())
    return [f"Known limits, at chance (0.5) even on pairs seen in training: {found}."]


def _severity(results: dict) -> list[str]:
    means = results["held_out"]["mean_full_F"]
    steps = " | ".join(str(step) for step in range(len(means)))
    return [
        f"Mean full_F by number of wrong attributes (held-out); the lowest cosine of a token and a frame was "
        f"{results['lowest_cosine']}.",
        "",
        f"| wrong | {steps} |",
        "|---" * (len(means) + 1) + "|",
        f"| full_F | {' | '.join(f'{mean:.2f}' for mean in means)} |",
    ]


def _robustness(rows: dict) -> list[str]:
    lines = [
        "Other sizes and codings of 64 of the held-out clips:",
        "",
        "| frames | colour | shape | count | direction | R@1 of 64, text to video | video to text |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        pairs = [row["pairs"][kind]["accuracy"] for kind in ("colour", "shape", "count", "direction")]
        cells = [*pairs, *row["recall_at_1_of_64"].values()]
        lines.append(f"| {name} | {' | '.join(f'{cell:.3f}' for cell in cells)} |")
    return lines


def count_parameters(folder: Path) -> int:
    """Count parameters from the header of the weights file: 8 bytes of length, then JSON."""
    with (folder / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
