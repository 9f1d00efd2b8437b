"""Install the package. A reason stands beside every requirement."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (ROOT / "vqe_core/version.py").read_text()).group(1)

PYTHONS = ("3.10", "3.11", "3.12", "3.13")  # those that were run: .ci/pythons finds them for CI

# Lower bounds are the oldest releases that CI runs (.ci/oldest-versions). There is no upper bound: no coming release is
# known to break anything.
REQUIRED = [
    "torch>=2.10",  # kernels and models. Older ones read weights unsafely (CVE-2025-32434, CVE-2026-24747)
    "torchvision>=0.25",  # that of torch 2.10. The fastest exact resizing; imported late, and PIL serves where it fails
    "transformers>=5.4",  # CLIP-type models. Before 5.3 config files could run code (CVE-2026-4372); 5.4: backend="pil"
    "huggingface_hub>=1.5",  # fetches checkpoints file by file; what transformers 5.4 asks for
    "safetensors>=0.4.5",  # weights and cache entries without code; 0.4.3 writes files without arrays wrongly
    "datasets>=4.0",  # the column types of the metrics
    "pyarrow>=15",  # parquet tables; what datasets 4 asks for
    "evaluate>=0.4.6",  # the host of the metric scripts; 0.4.6 works with datasets 4 and later
    "numpy>=1.26",  # the first for Python 3.12
    "threadpoolctl>=3",  # one BLAS thread in forked processes, where numpy's own hang; small, and needs nothing
    "pillow>=11",  # images as inputs, and the reference resizing; the first for Python 3.13
    "av>=17.1",  # reads every container; its wheel brings FFmpeg. 17.0 ends the process on FLV; before, holes in FFmpeg
    "soundfile>=0.12.1",  # reads plain sound files; its wheel brings libsndfile
    "soxr>=0.5",  # resamples as librosa and transformers do, whatever FFmpeg; the first for Python 3.13
    "tqdm>=4.66.3",  # progress bars; what datasets 4 asks for
    "platformdirs>=4.3",  # where each system keeps caches; small, and needs nothing; the first for Python 3.13
    "jinja2>=3.1",  # the HTML report (comes with torch)
]

PE_AV = ["timm>=1.0.23", "transformers>=5.20"]  # its image tower; older releases refuse the configuration of PE-AV
# Asks models behind an endpoint. The oldest that was run; from 3.0 on it sends by httpx2 in place of httpx
LLM = ["openai>=1.98"]
SERVING = ["transformers[serving]"]  # a local server to test the endpoint describer against; large, so not in TEST
PLOTS = ["matplotlib>=3.8"]  # pictures for notebooks and the app; the report draws without it
NOTEBOOKS = ["jupyterlab>=4", "ipywidgets>=8", *PLOTS]  # to open them; ipywidgets draws progress bars there
APP = ["gradio>=6.7", *PLOTS]  # Spaces; older releases have known holes
OPENVINO = ["openvino>=2025.0"]  # another encoder of pictures on a CPU; one wheel, no compiler
COMPLETION = ["argcomplete>=3.5.1"]  # completes in a shell; small, needs nothing; the first for argparse of 3.12.7
RAY = ["ray>=2.48"]  # runs on many machines; core actors only, nothing of its data libraries
SQL = ["sqlalchemy>=2"]  # rows from and scores to a database, by any URL it knows
EVALUATOR = ["scipy>=1.7.1"]  # evaluate asks for it where an Evaluator is built
META_EVAL = ["scipy>=1.11.1"]  # correlations with people; 35 MB, and only benchmarks of metrics ask for it
TRAINING = ["accelerate>=1.1"]  # what the trainers of transformers run on
TORCHCODEC = ["torchcodec>=0.10"]  # its decoder objects, and NVDEC; that of torch 2.10. Needs FFmpeg of the system
DOCS = ["mkdocs>=1.6,<2"]  # builds the pages; mkdocs-material has no other host, and 2 takes no plugins
DOCS += ["mkdocs-material>=9.7"]  # their theme and search, without anything fetched; the newest for Python 3.10
DOCS += ["mkdocstrings[python]>=1.0"]  # the reference from the docstrings, read from the source
# The newest mkdocstrings for Python 3.10 does not know the next release of these.
DOCS += ["pymdown-extensions<12; python_version < '3.11'"]
# pytest-xdist: two cores, half the wait; hypothesis: properties over examples
TEST = ["pytest>=8", "pytest-timeout", "pytest-xdist", "hypothesis>=6", *PE_AV, *APP, *LLM, *OPENVINO, *SQL, *TRAINING]
TEST += EVALUATOR  # the Evaluator of evaluate
TEST += META_EVAL
TEST += TORCHCODEC  # decoded Video and Audio columns of datasets; CI has a system FFmpeg
TEST += COMPLETION
TEST += RAY  # its actors are killed for real
TEST += ["psycopg[binary]>=3"]  # a real PostgreSQL behind SQLAlchemy
TEST += ["playwright>=1.50"]  # drives a real browser against the app; the browser itself is the system's
TEST += ["pycocoevalcap"]  # the scorers that EMScore stands beside in captioning code
TEST += ["nbclient", "ipykernel"]  # run the notebooks as Jupyter does
BENCH = ["opencv-python-headless"]  # how the published code reads videos: the baseline to beat
DEV = [*TEST, *BENCH, *DOCS, "ruff>=0.17,<0.18", "mypy>=1.15", "build"]  # ruff is pinned by minor: its formatting moves
DEV += ["nbstripout"]  # takes outputs out of notebooks before they are stored
DEV += ["pyyaml"]  # reads the workflows, which a test checks (comes with transformers)

EXTRAS = {
    "plots": PLOTS,
    "notebooks": NOTEBOOKS,
    "app": APP,
    "pe-av": PE_AV,
    "llm": LLM,
    "serving": SERVING,
    "torchcodec": TORCHCODEC,
    "openvino": OPENVINO,
    "completion": COMPLETION,
    "ray": RAY,
    "sql": SQL,
    "training": TRAINING,
    "evaluator": EVALUATOR,
    "meta-eval": META_EVAL,
    "bench": BENCH,
    "docs": DOCS,
    "test": TEST,
    "dev": DEV,
    "all": [*APP, *PE_AV, *LLM, *OPENVINO, *SQL, *TRAINING, *EVALUATOR, *META_EVAL, *COMPLETION],
}


class BuildWithMetrics(build_py):
    """Put metric scripts and cards into the wheel, where vqe_core.metrics_path finds them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for script in ROOT.glob("metrics/*/*.py"):
            if script.stem == script.parent.name:
                folder = Path(self.build_lib, "vqe_core", "metrics", script.stem)
                folder.mkdir(parents=True, exist_ok=True)
                for file in (script, script.with_name("README.md")):
                    shutil.copy(file, folder)


if __name__ == "__main__":  # else only the lists are asked for: metrics/assemble.py
    setup(
        name="vqe-core",
        version=VERSION,
        description="Judge a video against its words and its sound: EMScore and video-audio similarity",
        long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
        long_description_content_type="text/markdown",
        license="Apache-2.0",
        python_requires=">=3.10",
        classifiers=[
            "Development Status :: 4 - Beta",
            "Intended Audience :: Science/Research",
            "Topic :: Multimedia :: Video",
            "Topic :: Scientific/Engineering :: Artificial Intelligence",
            *(f"Programming Language :: Python :: {version}" for version in PYTHONS),
        ],
        packages=find_packages(include=["vqe_core", "vqe_core.*"]),
        package_data={"vqe_core": ["py.typed", "toy/model/*", "toy/model/audio/*", "templates/*"]},
        install_requires=REQUIRED,
        extras_require=EXTRAS,
        cmdclass={"build_py": BuildWithMetrics},
        entry_points={"console_scripts": ["vqe = vqe_core.cli:program"]},
    )
