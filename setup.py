"""Install the package. A reason stands beside every requirement."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (ROOT / "vqe_core/__init__.py").read_text()).group(1)

REQUIRED = [
    "torch>=2.6",  # kernels and models; not pinned. 2.6 made weights-only loading the default
    "torchvision",  # the fastest exact resizing; imported late, and PIL serves where it cannot load
    "transformers>=5.3",  # CLIP-type models; older 5.x run code hidden in a config file (CVE-2026-4372)
    "huggingface_hub>=1.0",  # fetches checkpoints file by file (comes with transformers)
    "safetensors",  # weights without code (comes with transformers)
    "datasets>=4.0",  # the column types of the metrics; brings pyarrow, which writes the tables
    "evaluate>=0.4.6",  # the host of the metric scripts; 0.4.6 works with datasets 4 and later
    "numpy>=1.26",
    "threadpoolctl>=3",  # one BLAS thread in forked processes, where numpy's own hang; small, and needs nothing
    "pillow",  # picture inputs, and the reference resizing
    "av>=14.0",  # reads every container; its wheel brings FFmpeg, so no system package is needed
    "soundfile>=0.12",  # reads plain sound files; its wheel brings libsndfile
    "soxr>=0.3",  # resampling as librosa and transformers do it; FFmpeg's would depend on its build
    "tqdm",  # progress bars
    "jinja2",  # the HTML report (comes with torch)
]

PE_AV = ["timm>=1.0.23"]  # the picture tower of PE-AV
SERVING = ["transformers[serving]"]  # a local server to test the endpoint describer against; large, so not in TEST
PLOTS = ["matplotlib>=3.8"]  # pictures for notebooks and the app; the report draws without it
NOTEBOOKS = ["jupyterlab", "ipywidgets", *PLOTS]  # to open them; ipywidgets draws progress bars there
APP = ["gradio>=6.7", *PLOTS]  # Spaces; older releases have known holes
OPENVINO = ["openvino>=2025.0"]  # another encoder of pictures on a CPU; one wheel, no compiler
SQL = ["sqlalchemy>=2"]  # rows from and scores to a database, by any URL it knows
EVALUATOR = ["scipy>=1.7.1"]  # evaluate asks for it where an Evaluator is built
TRAINING = ["accelerate>=1.1"]  # what the trainers of transformers run on
TORCHCODEC = ["torchcodec"]  # only to hand over its decoder objects; needs a system FFmpeg
# pytest-xdist: two cores, half the wait; hypothesis: properties over examples
TEST = ["pytest>=8", "pytest-timeout", "pytest-xdist", "hypothesis>=6", *PE_AV, *APP, *OPENVINO, *SQL, *TRAINING]
TEST += EVALUATOR  # the Evaluator of evaluate
TEST += TORCHCODEC  # decoded Video and Audio columns of datasets; CI has a system FFmpeg
TEST += ["psycopg[binary]>=3"]  # a real PostgreSQL behind SQLAlchemy
TEST += ["playwright>=1.50"]  # drives a real browser against the app; the browser itself is the system's
TEST += ["pycocoevalcap"]  # the scorers that EMScore stands beside in captioning code
TEST += ["nbclient", "ipykernel"]  # run the notebooks as Jupyter does
BENCH = ["opencv-python-headless"]  # how the published code reads videos: the baseline to beat
DEV = [*TEST, *BENCH, "ruff>=0.17,<0.18", "mypy>=1.15", "build"]  # ruff is pinned by minor: its formatting moves
DEV += ["nbstripout"]  # takes outputs out of notebooks before they are stored

EXTRAS = {
    "plots": PLOTS,
    "notebooks": NOTEBOOKS,
    "app": APP,
    "pe-av": PE_AV,
    "serving": SERVING,
    "torchcodec": TORCHCODEC,
    "openvino": OPENVINO,
    "sql": SQL,
    "training": TRAINING,
    "evaluator": EVALUATOR,
    "bench": BENCH,
    "test": TEST,
    "dev": DEV,
    "all": [*APP, *PE_AV, *OPENVINO, *SQL, *TRAINING, *EVALUATOR],
}

if __name__ == "__main__":  # else only the lists are asked for: metrics/assemble.py
    setup(
        name="vqe-core",
        version=VERSION,
        description="Judge a video against its words and its sound: EMScore and video-audio similarity",
        long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
        long_description_content_type="text/markdown",
        license="Apache-2.0",
        python_requires=">=3.10",
        packages=find_packages(include=["vqe_core", "vqe_core.*"]),
        package_data={"vqe_core": ["py.typed", "demo/model/*", "demo/model/audio/*", "templates/*"]},
        install_requires=REQUIRED,
        extras_require=EXTRAS,
        entry_points={"console_scripts": ["vqe = vqe_core.cli:main"]},
    )
