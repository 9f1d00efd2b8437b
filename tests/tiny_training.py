"""A tiny captioner in a real Seq2SeqTrainer, on clips of the toy world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, default_data_collator

from tests.tiny_captioner import image_processor, vision_encoder_decoder, word_tokenizer
from vqe_core.toy.clips import make_clip, write_clip


def toy_rows(folder: Path, count: int) -> tuple[datasets.Dataset, Any]:
    """Videos, reference captions and model inputs of ``count`` clips, and the tokenizer of their words.

    Clips that are there already are taken as they are: x264 may give the same frames other bytes.
    """
    clips = [make_clip(seed, size=64, num_frames=4, seconds=1.0) for seed in range(count)]
    paths = [folder / f"{i}.mp4" for i in range(count)]
    captions = [clip.captions(1)[0] for clip in clips]
    tokenizer = word_tokenizer(captions)
    pictures = image_processor()(images=[clip.frames[2] for clip in clips], return_tensors="np")["pixel_values"]
    labels = [tokenizer(caption)["input_ids"][1:] for caption in captions]  # the start token is the decoder's own
    longest = max(map(len, labels))
    rows = {
        "video": [
            str(path if path.exists() else write_clip(clip, path)) for clip, path in zip(clips, paths, strict=True)
        ],
        "reference": captions,
        "pixel_values": list(pictures),
        "labels": [[*ids, *[-100] * (longest - len(ids))] for ids in labels],
    }
    return datasets.Dataset.from_dict(rows), tokenizer


def toy_trainer(rows: datasets.Dataset, tokenizer: Any, compute_metrics: Any, folder: Path, **arguments: Any) -> Any:
    """A trainer that generates when it evaluates; ``optimizers`` is a function of the model."""
    optimizers = arguments.pop("optimizers", lambda model: (None, None))
    model = vision_encoder_decoder(tokenizer, max_new_tokens=len(rows["labels"][0]))
    settings = Seq2SeqTrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        predict_with_generate=True,
        per_device_eval_batch_size=2,
        **arguments,
    )
    return Seq2SeqTrainer(
        model=model,
        args=settings,
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=default_data_collator,
        processing_class=tokenizer,
        compute_metrics=compute_metrics,
        optimizers=optimizers(model),
    )
