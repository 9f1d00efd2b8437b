"""Every snippet and command of the documents runs as a reader would paste it, or in another test that is named here.

What a block marked ``output`` says is printed by the blocks above it.
"""

from __future__ import annotations

import dataclasses
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import vqe_core
from tests.hub import serve_hub

ROOT = Path(__file__).parents[1]
PLACES = ("*.md", "docs/**/*.md", "metrics/*/README.md", "vqe_core/*/model/*.md")
DOCUMENTS = sorted(path for place in PLACES for path in ROOT.glob(place))
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
# Each is up to ten processes that load torch: what a newcomer reads first runs by default, the rest when slow tests do.
FIRST = ("README.md", "docs/quickstart.md", "metrics/emscore/README.md")
SNIPPETS = [
    pytest.param(path, id=name, marks=() if name in FIRST else pytest.mark.slow)
    for path, name in zip(DOCUMENTS, NAMES, strict=True)
]
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAVED = re.compile(r"# (\w+\.py)\n")  # the first line of a snippet that a reader saves under this name
ACTIVATE = ". .venv/bin/activate"
NUMBER = re.compile(r"-?\d+\.\d+")
METRICS = sorted(path.stem for path in ROOT.glob("metrics/*/*.py") if path.stem == path.parent.name)
ROUNDING = 0.011  # of numbers that are printed with two digits: codecs and processors differ in the last
LINK = re.compile(r"\]\(([^)\s]+)\)")

# What does not run here, by a shell's command or the first three words of a block, and the test that runs it.
CI = ".ci/run"
PICTURE = "there is nothing to run"
PAGES = "tests/app/test_page.py::test_the_commands_of_the_guide_serve_their_pages"
DATAFLOW = "tests/integrations/dataflow/inside_page.py::test_the_page_runs_from_top_to_bottom"
RELEASE = "tests/test_installed.py::test_what_is_installed_runs_away_from_the_checkout"
EXTRAS = "tests/test_docs.py::test_extras_are_asked_for_by_names_that_there_are"
META_EVAL = "tests/cli/test_meta_eval.py::test_the_commands_of_the_page_run_on_made_up_releases"
# Commands on releases that a reader has downloaded.
DOWNLOADED = (
    "vatex-eval VATEX-EVAL",
    "vatex-eval:num_references=9 VATEX-EVAL --text-metric rouge-l",
    "vatex-eval VATEX-EVAL --videos vatex_videos --metric clip_score",
    "activitynet-foil ActivityNet-FOIL",
    "youcook2-fact FactVC/data/youcook2 --text-metric unigram-precision",
    "youcook2-fact FactVC/data/youcook2 --metric emscore --clip-model-path ViT-B/32",
    "activitynet-fact FactVC/data/activitynet --partial",
    "flickr8k-expert flickr8k",
    "flickr8k-cf flickr8k --metric clip_score",
    "msvd-eval gveval --text-metric rouge-l",
)
ELSEWHERE = {
    ("README.md", "make demo"): CI,
    ("README.md", "@inproceedings{shi2022emscore, title ="): PICTURE,
    ("CONTRIBUTING.md", "setup.py pyproject.toml Makefile"): PICTURE,
    ("CONTRIBUTING.md", 'row {"predictions": "a'): PICTURE,
    ("docs/how-it-works.md", 'row {"predictions": "a'): PICTURE,
    ("docs/install.md", "make demo"): CI,
    ("docs/runs.md", 'vqe score emscore s3://bucket/clips/ --remote --caption "a red circle" --out remote.csv'): (
        "tests/run/test_sources.py::test_videos_of_an_object_store_are_rows_with_captions_beside_them"
    ),
    (
        "docs/models.md",
        "vqe score emscore rows.jsonl --out scores.jsonl --clip-model-path microsoft/xclip-base-patch32 --metrics cogr",
    ): ("tests/encoders/test_video_encoder.py::test_the_command_scores_with_an_encoder_of_clips"),
    ("docs/guides/engines.md", "import ray from"): (
        "tests/integrations/test_arrow.py::test_ray_data_keeps_the_columns_of_its_rows"
    ),
    ("docs/guides/engines.md", "import daft from"): (
        "tests/integrations/engines/inside_daft.py::test_columns_stay_and_scores_are_those_of_arrow"
    ),
    ("docs/guides/engines.md", "from pyspark.sql import"): (
        "tests/integrations/engines/inside_spark.py::test_the_page_scores_a_data_frame"
    ),
    ("docs/guides/command-line.md", "vqe score emscore:"): (
        "tests/cli/test_parsing.py::test_a_wrong_word_gets_one_line_with_the_nearest_right_one"
    ),
    ("docs/guides/command-line.md", "vqe: samples.jsonl is"): (
        "tests/run/test_layouts.py::test_the_command_scores_a_log_and_says_what_it_took_for_what"
    ),
    ("docs/guides/spaces.md", "pip install -e '.[app]'"): EXTRAS,
    ("docs/guides/spaces.md", "python metrics/emscore/app.py"): PAGES,
    (
        "docs/guides/spaces.md",
        "VQE_APP_BANKS=sounds.safetensors,captions.json python metrics/video_audio_similarity/app.py",
    ): PAGES,
    ("docs/guides/dataflow.md", "pip install --no-deps open-dataflow==1.0.13 && pip install colorlog rich pandas"): (
        "tests/integrations/dataflow/test_in_dataflow.py::test_the_operators_work_in_dataflow"
    ),
    ("docs/guides/dataflow.md", "from dataflow.utils.storage import"): DATAFLOW,
    ("docs/guides/dataflow.md", "from dataflow.utils.registry import"): DATAFLOW,
    ("docs/guides/dataflow.md", 'words = EMScoreEval(clip_model_path="toy",'): (
        "tests/integrations/dataflow/inside_pages.py::test_what_is_fitted_first_makes_pages_what_the_table_is"
    ),
    ("docs/guides/dataflow.md", "from vqe_core.llm import"): DATAFLOW,
    ("docs/guides/dataflow.md", 'VideoAudioSimilarity(method="judge", llm_serving=serving, min_score=0.5)'): (
        "tests/integrations/dataflow/inside_servings.py::test_the_api_serving_judges_images_and_audio"
    ),
    ("docs/guides/datasets.md", "# score.py import"): (
        "tests/scorers/test_base_map_processes.py::test_the_recipe_for_spawn_in_the_documentation_ends"
    ),
    ("docs/meta-eval.md", "pip install -e '.[meta-eval]'"): EXTRAS,
    ("docs/meta-eval.md", "candidates_list.pkl gts_list.pkl human_scores.pkl"): PICTURE,
    ("docs/meta-eval.md", "anet_entities_test_1.json segments and"): PICTURE,
    ("docs/meta-eval.md", "vids.txt factuality_annotation.json captions/*.json"): PICTURE,
    ("docs/meta-eval.md", "flickr8k.json crowdflower_flickr8k.json ExpertAnnotations.txt"): PICTURE,
    **{("docs/meta-eval.md", f"vqe meta-eval {words}"): META_EVAL for words in DOWNLOADED},
    ("docs/laboratory.md", "python -m benchmarks.laboratory --quick --out lab_out"): (
        "tests/test_laboratory.py::test_the_command_runs"
    ),
    ("docs/speed.md", "python -m benchmarks.tables build/benchmarks/*.json"): (
        "tests/test_benchmarks.py::test_the_line_of_the_documentation_prints_the_tables"
    ),
    **{(f"metrics/{name}/README.md", "pip install vqe-core"): RELEASE for name in METRICS},
    ("metrics/caption_judge/README.md", "@article{dipta2025vcinspector, title ="): PICTURE,
    ("metrics/clip_score/README.md", "@inproceedings{hessel2021clipscore, title ="): PICTURE,
    ("metrics/emscore/README.md", "@inproceedings{shi2022emscore, title ="): PICTURE,
}


def pieces_of(document: Path) -> list[tuple[str, str, str]]:
    """Language, call and text of each block: its first three words, and of a shell block each line for itself."""
    pieces = []
    for language, text in BLOCK.findall(document.read_text(encoding="utf-8")):
        if language == "bash":
            pieces += [(language, command, command) for command in filter(None, text.splitlines())]
        else:
            pieces.append((language, " ".join(text.split()[:3]), text))
    return pieces


def script_of(document: Path, folder: Path) -> list[str]:
    """The lines that a reader's shell runs; snippets of Python in a row share a process, as a reader's session does."""
    name = str(document.relative_to(ROOT))
    lines: list[str] = [] if name == "README.md" else [ACTIVATE]  # who reads another page has read the README
    for language, call, text in pieces_of(document):
        if (name, call) in ELSEWHERE or language == "output":
            continue
        assert language in ("python", "bash"), f"{name}: a block runs nowhere, name its test in ELSEWHERE: {call!r}"
        if language == "bash":
            lines.append(text)
        elif saved := SAVED.match(text):
            (folder / saved[1]).write_text(text, encoding="utf-8")
        else:
            if not lines or not lines[-1].startswith("python snippets_"):
                lines.append(f"python snippets_{len(lines)}.py")
            with (folder / lines[-1].split()[1]).open("a", encoding="utf-8") as file:
                file.write(text)
    return lines


def reader_in(folder: Path) -> dict[str, str]:
    """The variables of a reader after ``make demo`` in ``folder``: what it made is in .venv, and not on the path."""
    (folder / "metrics").symlink_to(ROOT / "metrics")
    programs = Path(sys.executable).parent
    (folder / ".venv" / "bin").mkdir(parents=True)
    activate = f"export PATH={shlex.quote(str(programs))}:$PATH\n"  # of this Python, wherever it is
    (folder / ".venv" / "bin" / "activate").write_text(activate, encoding="utf-8")
    path = os.environ["PATH"].split(os.pathsep)
    without = [entry for entry in path if Path(entry) != programs and not (Path(entry) / "vqe").exists()]
    return {**os.environ, "PATH": os.pathsep.join(without)}


@pytest.mark.timeout(600)  # a document is up to ten processes that load torch
@pytest.mark.parametrize("document", SNIPPETS)
def test_every_snippet_runs(document, tmp_path):
    with hub_of_the_metrics(tmp_path / "spaces") as environment:
        run_as_a_reader(document, tmp_path, {**reader_in(tmp_path), **environment})


@contextmanager
def hub_of_the_metrics(folder: Path) -> Iterator[dict[str, str]]:
    """A hub whose Spaces are the metrics, as their cards take them for; gives the variables that name it."""
    spaces = {}
    for name in METRICS:
        shutil.copytree(ROOT / "metrics" / name, folder / name / "main")
        spaces[f"OWNER/{name}"] = folder / name
    with serve_hub({}, spaces=spaces) as (endpoint, _):
        yield {"HF_ENDPOINT": endpoint, "HF_UPDATE_DOWNLOAD_COUNTS": "0", "NO_PROXY": "127.0.0.1"}


def run_as_a_reader(document: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    """Run the snippets of a document in a folder, and compare what they print with what the document says."""
    script = "\n".join(["set -ex", *script_of(document, tmp_path)])
    ran = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    for language, _, text in pieces_of(document):
        assert language != "output" or is_printed(text, ran.stdout), f"not printed:\n{text}\nbut\n{ran.stdout}"


def is_printed(expected: str, printed: str) -> bool:
    """Whether the lines ``expected`` are among those ``printed``, side by side, with numbers to two digits."""
    lines, wanted = printed.splitlines(), expected.splitlines()
    starts = range(len(lines) - len(wanted) + 1)
    return any(all(map(agree, wanted, lines[i : i + len(wanted)])) for i in starts)


def agree(one: str, other: str) -> bool:
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=False)
    return NUMBER.sub("#", one) == NUMBER.sub("#", other) and all(abs(float(a) - float(b)) < ROUNDING for a, b in pairs)


def test_what_is_printed_may_differ_in_the_last_digit_and_in_nothing_else():
    assert is_printed("[0.81, 0.65]\n", "loaded\n[0.82, 0.65]\n")
    assert not is_printed("[0.81, 0.65]\n", "[0.84, 0.65]\n")
    assert not is_printed("[0.81, 0.65]\n", "[0.81]\n")
    assert not is_printed("ok 1\nok 2\n", "ok 2\nok 1\n")


def test_the_examples_of_the_readme_show_what_they_print():
    languages = [language for language, _, _ in pieces_of(ROOT / "README.md") if language in ("python", "output")]
    assert languages == ["python", "output"] * 3


def test_the_environment_is_activated_once_it_is_there_and_before_it_is_needed():
    calls = [call for _, call, _ in pieces_of(ROOT / "README.md")]
    assert calls[:2] == ["make demo", ACTIVATE]


@pytest.mark.parametrize(("document", "call"), ELSEWHERE)
def test_what_runs_elsewhere_is_in_its_document_and_runs_there(document, call):
    assert call in [call for _, call, _ in pieces_of(ROOT / document)]
    where = ELSEWHERE[document, call]
    if where == CI:
        assert call in (ROOT / CI).read_text(encoding="utf-8").splitlines()
    elif where != PICTURE:
        file, function = where.split("::")
        assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8")


def test_commands_may_be_pasted_into_any_shell():
    """``<this>`` is a redirection, and zsh, where one types, takes a warning for arguments."""
    for document in DOCUMENTS:
        for language, call, _ in pieces_of(document):
            assert language != "bash" or not re.search(r"<[\w ]+>|(^|\s)#", call), f"{document.name}: {call}"


def test_extras_are_asked_for_by_names_that_there_are():
    extras = runpy.run_path(str(ROOT / "setup.py"))["EXTRAS"]
    for document, name in zip(DOCUMENTS, NAMES, strict=True):
        for asked in re.findall(r"pip install ([^`\n]*\[[^`\n]*)", document.read_text(encoding="utf-8")):
            # Quoted, as some shells read brackets as a pattern; from the checkout, as there is no release.
            extra = re.fullmatch(r"-e '\.\[([a-z-]+)\]'", asked)
            assert extra and extra[1] in extras, f"{name}: pip install {asked}"
    for source in (ROOT / "vqe_core").rglob("*.py"):
        for extra in re.findall(r"vqe-core\[([^\]]*)\]", source.read_text(encoding="utf-8")):
            assert extra in extras, f"{source}: vqe-core[{extra}]"


@pytest.mark.parametrize(
    ("page", "scorer", "elsewhere"),
    [
        ("emscore", "EMScore", {"clip_model_path"}),  # has a table of its own: docs/models.md
        ("clip-score", "CLIPScore", {"clip_model_path"}),
        ("video-audio-similarity", "VideoAudioSimilarity", set()),
    ],
)
def test_the_reference_names_every_option_and_no_other(page, scorer, elsewhere):
    text = (ROOT / "docs" / "reference" / f"{page}.md").read_text(encoding="utf-8")
    table = text[text.index("## Options") : text.index("## API")]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = re.findall(r"`(\w+)`", "\n".join(first_cells))
    fields = {field.name for field in dataclasses.fields(getattr(vqe_core, scorer))}
    assert sorted(named) == sorted({name for name in fields if not name.endswith("_key")} - elsewhere)
    keys = {name for name in fields if name.endswith("_key")}
    assert keys <= set(re.findall(r"`(\w+_key)`", text))


def heading_anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_to_files_and_headings_that_there_are():
    """The pages of docs/ as well: they are read on GitHub too, where no reference is generated."""
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for document in [*DOCUMENTS, *notebooks]:
        for link in LINK.findall(BLOCK.sub("", document.read_text(encoding="utf-8"))):
            path, _, anchor = link.partition("#")
            if "://" in link or anchor.startswith("vqe_core."):  # made by mkdocstrings; tests/test_site.py
                continue
            target = (document.parent / path).resolve() if path else document
            assert target.exists(), f"{document.relative_to(ROOT)}: {link}"
            assert not anchor or anchor in heading_anchors(target), f"{document.relative_to(ROOT)}: {link}"
