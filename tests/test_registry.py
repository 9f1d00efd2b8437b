"""Names, specs and objects of components, and those of other packages."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

import pytest

from vqe_core import registry
from vqe_core.errors import InputError, InputTypeError
from vqe_core.media.video.pyav_reader import PyAVReader
from vqe_core.samplers import EveryNSecondsSampler, MiddleSampler, SceneSampler, UniformSampler


@dataclass(frozen=True)
class Everything:
    """A component with an option of every type."""

    name: ClassVar[str] = "everything"
    address: str
    count: int = 3
    share: float = 0.5
    flag: bool = False
    limit: int | None = None
    mode: Literal["fast", "slow"] = "fast"
    words: str = "a, b"
    held: object = registry.not_an_option(None)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    targets = {**registry._TARGETS, "thing": {"everything": f"{__name__}:Everything"}}
    monkeypatch.setattr(registry, "_TARGETS", targets)


@pytest.mark.parametrize(
    ("spec", "component"),
    [
        ("everything:address=http://host:8000/v1", Everything("http://host:8000/v1")),
        ("everything:address=a,count=7,share=1e-3,flag=true", Everything("a", 7, 0.001, True)),
        ("everything:address=one, two,limit=none,mode=slow", Everything("one, two", mode="slow")),
        ('everything:address="none",limit=4', Everything("none", limit=4)),
        ("everything:address=x,words=", Everything("x", words="")),
    ],
)
def test_a_spec_is_read_by_the_types_of_the_options(spec, component):
    assert registry.create("thing", spec) == component
    assert registry.create("thing", registry.spec_of(component)) == component


@pytest.mark.parametrize(
    "component",
    [Everything("a=b,count=9"), Everything('"quoted"'), Everything("None"), Everything("x", words='say "a", or b')],
)
def test_a_text_that_looks_like_more_options_comes_back_whole(component):
    assert registry.create("thing", registry.spec_of(component)) == component


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("nothing", "thing 'nothing' is not known; use one of everything"),
        ("everything", "thing 'everything' needs address: write everything:address=..."),
        ("everything:adress=x", "'adress=x' must be option=value; thing 'everything' takes address, count"),
        ("everything:address=a,count=2.5", "count ('2.5') must be a whole number"),
        ("everything:address=a,share=much", "share ('much') must be a number"),
        ("everything:address=a,flag=yes", "flag ('yes') must be true or false"),
        ("everything:address=a,mode=medium", "mode ('medium') must be one of fast, slow"),
        ("everything:held=1", "'held=1' must be option=value"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong(spec, words):
    with pytest.raises(InputError) as caught:
        registry.create("thing", spec)
    assert words in str(caught.value)


def test_what_has_no_text_form_says_so():
    with pytest.raises(InputTypeError, match=r"address .* has no text form; give the object itself"):
        registry.spec_of(Everything(print))


def test_the_rule_of_the_component_itself_holds_in_a_spec_too():
    with pytest.raises(InputError, match=r"threshold \(-1\.0\) must be a positive finite number of grey levels"):
        registry.create("sampler", "scene:threshold=-1")


@pytest.mark.parametrize("sampler", [UniformSampler(3), SceneSampler(7.5), EveryNSecondsSampler(0.5), MiddleSampler()])
def test_an_object_is_chosen_as_it_is(sampler):
    methods = ("select",)
    assert registry.choose("sampler", sampler, option="sampler", methods=methods) is sampler
    assert registry.choose("sampler", registry.spec_of(sampler), option="sampler", methods=methods) == sampler


@pytest.mark.parametrize("value", [3, None, SceneSampler, object(), ["scene"]])
def test_neither_a_spec_nor_a_component_is_refused(value):
    with pytest.raises(InputTypeError, match=r"sampler must be the name of a sampler \(.*scene.*\)"):
        registry.choose("sampler", value, option="sampler", methods=("select",))


@pytest.mark.parametrize("kind", registry.kinds())
def test_every_component_can_be_imported_and_says_what_it_is(kind):
    for name in registry.names(kind):
        component = registry.load(kind, name)
        assert component.__doc__, name
        assert dataclasses.is_dataclass(component), f"{kind} {name} is no dataclass"
        assert component.__dataclass_params__.frozen, f"{kind} {name} is not frozen"


def test_bounds_on_resources_are_no_options():
    assert [field.name for field in registry.option_fields(PyAVReader)] == ["scan"]
    assert registry.spec_of(PyAVReader()) == "pyav"
    assert registry.spec_of(PyAVReader(scan="decode")) == "pyav:scan=decode"


def test_a_name_is_taken_once():
    with pytest.raises(InputError, match=r"sampler 'scene' is registered as"):
        registry.register("sampler", "scene", "elsewhere:SceneSampler")
