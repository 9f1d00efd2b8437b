"""The audio model's section of the model card: a fixed text, and the results that the evaluation fills in."""

from __future__ import annotations

import json
from pathlib import Path

from training.card import count_parameters

BEGIN, END = "<!-- audio: written by training.evaluate -->", "<!-- end of audio -->"
NEXT_SECTION = "## Limits"  # of the card of the CLIP; the audio section comes before it
# What the project asks on held-out pairs, for AUC within a video and pooled alike.
AUC_BARS = {"joint": 0.97, "tags": 0.80}
TAGGING_BAR = 0.95
WAYS = {
    "joint": "`joint`: cosine of sound and mean frame",
    "tags": "`tags`: cosine of the tags' texts and the mean frame",
    "faultless_tags": "`tags`, had the tagger made no mistake",
}
MEASURES = {
    "auc": "AUC of the right against a shuffled sound, within a video",
    "pooled_auc": "AUC of right against shuffled pairs, over all videos",
    "pair_accuracy": "right sound above one other sound",
    "video_to_sound": "R@1 of 64, video to sound",
    "sound_to_video": "R@1 of 64, sound to video",
}
FOIL_NAMES = {
    "voice": "another voice",
    "count": "another number of notes",
    "size": "another pitch",
    "direction": "falling for rising pitch or the reverse",
    "ambience": "hiss for rumble or the reverse",
}
SECTION = """## The audio model

In the folder `audio` lies a `ClapModel` of {parameters:,} parameters in fp32, **whose sounds were trained into the
space of this CLIP**: the cosine of a sound and an image means something, which is not so for another CLAP. It hears
3 seconds of 16 kHz (log-mel, 64 bands; an HTSAT tower of three stages), and has a text tower of its own, so that it
tags as well, with eight labels:
{labels};
they are put to both models as "{prompt}". Its texts are **not** in the CLIP's space.

Both `config.json` name the space after a digest of the CLIP's weights; a pair whose names differ is refused. (The
names are compared, the digest is not taken again: whoever changes the CLIP's weights has to train this model anew.)

```python
from vqe_core.encoders.audio_loading import load_joint_encoder, load_tagger

joint, tagger = load_joint_encoder("toy"), load_tagger("toy")
```

Trained by the same script (`--only-audio` repeats this stage alone; `audio/training.json` has the recipe and the
time), with the finished CLIP frozen: InfoNCE of sounds with their captions, InfoNCE of sounds with the mean of the
CLIP's unit frame embeddings, and a pull towards that mean. Clips that sound alike are not negatives of each other.
No clip of training has a held-out (colour, shape) pair.

{begin}
{end}

What it cannot do:

- It knows eight synthetic voices. Any real sound is tagged as one of them, with confidence.
- Colour, the motions left and right, and four of the six grounds make no sound, so that a sound fits several videos:
  retrieval stays below that of captions.
- `joint` has learnt where in its 3 seconds a clip's notes fall: the same sound half a second late, its end put first,
  fits its own image clearly worse. Cut windows at the start of a clip, not anywhere.
- `tags` compares names of sounds only: number, pitch, its change and ambience are lost on the way, and foils of them
  stay at chance. Many clips share a voice, so even faultless tags cannot tell all shuffled sounds apart.
- It is one training run with one seed, heard on sounds of the generator it was trained on.
"""


def write_audio_section(folder: Path, results: dict) -> None:
    """Write the section with the results of ``evaluate_audio`` into the card of a model folder, or renew it."""
    path = folder / "README.md"
    card = path.read_text(encoding="utf-8")
    heading = SECTION.splitlines()[0]
    if heading in card:
        old, after = card.index(heading), card.index(NEXT_SECTION)
        card = card[:old] + card[after:]
    at = card.index(NEXT_SECTION)
    path.write_text(f"{card[:at]}{section(folder, results)}\n{card[at:]}", encoding="utf-8")


def section(folder: Path, results: dict) -> str:
    """Say what the audio model of a folder is and does, in Markdown."""
    config = json.loads((folder / "audio" / "config.json").read_text(encoding="utf-8"))
    text = SECTION.format(
        parameters=count_parameters(folder / "audio"),
        labels=", ".join(config["vqe_labels"]),
        prompt=config["vqe_photo_prompt"],
        begin=BEGIN,
        end=END,
    )
    return text.replace(f"{BEGIN}\n", f"{BEGIN}\n\n{audio_table(results)}\n\n")


def audio_table(results: dict) -> str:
    """Say the results of ``evaluate_audio`` in Markdown."""
    columns = ("held_out", "seen", "untrained")
    lines = [
        f"{results['clips']} clips a column, images and sound read back from mp4 files (H.264, AAC). A video's own",
        "sound against those of the other clips, also where they sound alike. Untrained: the audio model's weights are",
        "random, the CLIP is the trained one.",
        "",
        "| | bar | held-out | seen pairs | untrained control |",
        "|---|---|---|---|---|",
    ]
    for way, way_name in WAYS.items():
        lines.append(f"| **{way_name}** | | | | |")
        for key, name in MEASURES.items():
            bar = AUC_BARS.get(way, "") if key.endswith("auc") else ""
            cells = [f"{results[column][way][key]:.3f}" for column in columns]
            if way == "faultless_tags":
                cells[-1] = ""  # no audio model takes part
            lines.append(f"| {name} | {bar} | {' | '.join(cells)} |")
    lines.append("| **tagging** | | | | |")
    for key, name, bar in (
        ("top_1", "first label right, clips of one event", TAGGING_BAR),
        ("both", "both labels first, clips of two voices", ""),
    ):
        cells = [f"{results[column]['tagging'][key]:.3f}" for column in columns]
        lines.append(f"| {name} | {bar} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_foils(results["foils"]), "", *_robustness(results["robustness"])])


def missed_audio_bars(results: dict) -> list[str]:
    """Name what falls short of its bar on held-out pairs."""
    figures = results["held_out"]
    missed = [
        f"{way} {key}" for way, bar in AUC_BARS.items() for key in ("auc", "pooled_auc") if figures[way][key] < bar
    ]
    return missed + (["tagging"] if figures["tagging"]["top_1"] < TAGGING_BAR else [])


def _foils(rows: dict) -> list[str]:
    lines = [
        "The right sound against a synthesised one with one thing wrong in the first event (held-out, not coded):",
        "",
        "| wrong | pairs | `joint` | `tags` |",
        "|---|---|---|---|",
    ]
    return lines + [
        f"| {name} | {rows[kind]['pairs']} | {rows[kind]['joint']:.3f} | {rows[kind]['tags']:.3f} |"
        for kind, name in FOIL_NAMES.items()
    ]


def _robustness(rows: dict) -> list[str]:
    lines = [
        "Changed sounds of 64 of the held-out clips, AUC within a video and first label:",
        "",
        "| sound | `joint` | `tags` | first label right |",
        "|---|---|---|---|",
    ]
    return lines + [
        f"| {name} | {row['joint']:.3f} | {row['tags']:.3f} | {row['top_1']:.3f} |" for name, row in rows.items()
    ]
