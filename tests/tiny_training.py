"""A tiny captioner in a real Seq2SeqTrainer, on clips of the toy world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, default_data_collator

from tests.tiny_captioner import image_processor, vision_encoder_decoder, word_tokenizer
from vqe_core.demo.clips import make_clip, write_clip

LENGTH = 16  # tokens of a caption, padded


def toy_rows(folder: Path, count: int) -> tuple[datasets.Dataset, Any]:
    """Videos, reference captions and model inputs of ``count`` clips, and the tokenizer of their words."""
    clips = [make_clip(seed, size=64, num_frames=4, seconds=1.0) for seed in range(count)]
    captions = [clip.captions(1)[0] for clip in clips]
    tokenizer = word_tokenizer(captions)
    pictures = image_processor()(images=[clip.frames[2] for clip in clips], return_tensors="np")["pixel_values"]
    labels = [tokenizer(caption)["input_ids"][1:] for caption in captions]  # the start token is the decoder's own
    rows = {
        "video": [str(write_clip(clip, folder / f"{i}.mp4")) for i, clip in enumerate(clips)],
        "reference": captions,
        "pixel_values": list(pictures),
        "labels": [[*ids, *[-100] * (LENGTH - len(ids))] for ids in labels],
    }
    return datasets.Dataset.from_dict(rows), tokenizer


def toy_trainer(rows: datasets.Dataset, tokenizer: Any, compute_metrics: Any, folder: Path, **arguments: Any) -> Any:
    """A trainer that generates when it evaluates; ``optimizers`` goes to the trainer, the rest to its arguments."""
    optimizers = arguments.pop("optimizers", None)
    model = vision_encoder_decoder(tokenizer, max_new_tokens=LENGTH)
    if optimizers is not None:
        arguments["optimizers"] = optimizers(model)
    settings = Seq2SeqTrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        predict_with_generate=True,
        **{"per_device_eval_batch_size": 2, **{k: v for k, v in arguments.items() if k != "optimizers"}},
    )
    return Seq2SeqTrainer(
        model=model,
        args=settings,
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=default_data_collator,
        processing_class=tokenizer,
        compute_metrics=compute_metrics,
        **({"optimizers": arguments["optimizers"]} if "optimizers" in arguments else {}),
    )
