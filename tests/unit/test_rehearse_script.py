"""The text form of behaviours and mixes, and the choice that a script makes for a task."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rehearse import Behaviour, Mix, Script, ScriptError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ok", Behaviour()),
        ("silent,turn=2,times=1", Behaviour(kind="silent", turn=2, times=1)),
        ("500,times=2,agent=loop", Behaviour(kind="status", status=500, times=2, agent="loop")),
        ("429,retry_after=3600", Behaviour(kind="status", status=429, retry_after_s=3600)),
        ("stream_stall,eof=true", Behaviour(kind="stream_stall", eof=True)),
        ("thinking", Behaviour(kind="silent", for_s=20)),
        ("thinking,for=3", Behaviour(kind="silent", for_s=3)),
    ],
)
def test_text_describes_a_behaviour(text: str, expected: Behaviour) -> None:
    assert Behaviour.parse(text) == expected
    assert Behaviour.parse(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("silnt", "silent"),
        ("ok,latncy=1", "latency"),
        ("ok,latency", "key=value"),
        ("ok,latency=nan", "latency_s"),
        ("ok,latency=-1", "latency_s"),
        ("silent,turn=x", "turn"),
        ("ok,agent=genius", "agent"),
        ("99", "status"),
        ("drip_sse,interval=0", "interval_s"),
        ("60%ok;60%silent", "exceed"),
        ("ok;silent", "share"),
        ("x%ok;silent", "share"),
    ],
)
def test_a_mistake_is_named(text: str, part: str) -> None:
    with pytest.raises(ScriptError, match=part):
        Mix.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_a_mix_or_a_script_error(text: str) -> None:
    try:
        mix = Mix.parse(text)
    except ScriptError:
        return
    assert sum(share for share, _ in mix.parts) == pytest.approx(1)


def test_shares_hold_over_many_tasks_and_are_the_same_each_time() -> None:
    script = Script(seed=7, models={"m": "12%silent;8%drip_sse;10%500,times=2;ok"})
    tasks = [f"t{number:04}" for number in range(4000)]
    kinds = Counter(script.behaviour("m", task).kind for task in tasks)
    assert kinds["silent"] == pytest.approx(480, rel=0.15)
    assert kinds["drip_sse"] == pytest.approx(320, rel=0.15)
    assert kinds["status"] == pytest.approx(400, rel=0.15)
    again = Script(seed=7, models={"m": "12%silent;8%drip_sse;10%500,times=2;ok"})
    assert [script.behaviour("m", t) for t in tasks] == [again.behaviour("m", t) for t in tasks]
    other = Script(seed=8, models=script.models)
    assert [script.behaviour("m", t) for t in tasks] != [other.behaviour("m", t) for t in tasks]


def test_a_task_goes_before_its_model_and_a_model_before_the_default() -> None:
    script = Script(default="503", models={"m": "drip_sse"}, tasks={"t1": "silent", "t2@m": "404"})
    assert script.behaviour("m", "t1@m/difficulty=easy").kind == "silent"
    assert script.behaviour("m", "t2@m").status == 404
    assert script.behaviour("m", "t3").kind == "drip_sse"
    assert script.behaviour("other", "t3").status == 503
    assert script.behaviour("any:garbage", "t3").kind == "garbage"
    assert script.behaviour("rehearse-close", "t3").kind == "close"


def test_a_file_is_read_as_toml_or_json_and_its_mistakes_are_said() -> None:
    toml = b'seed = 3\n[models]\n"m" = "12%silent;ok"\n'
    assert Script.decode(toml, toml=True).models == {"m": "12%silent;ok"}
    assert Script.decode(b'{"default": "404"}', toml=False).default == "404"
    for data in (b"seed = ", b"\xff", b"sed = 1", b'default = "slient"'):
        with pytest.raises(ScriptError):
            Script.decode(data, toml=True)


def test_times_and_turn_narrow_what_fires() -> None:
    behaviour = Behaviour.parse("silent,turn=2,times=1")
    assert not behaviour.fires(turn=1, fired=0)
    assert behaviour.fires(turn=2, fired=0)
    assert not behaviour.fires(turn=2, fired=1)
    assert not Behaviour().fires(turn=1, fired=0)


def test_latency_follows_its_median_and_95th_percentile() -> None:
    behaviour = Behaviour.parse("ok,latency=1,p95=4")
    assert behaviour.latency_for(0.5) == pytest.approx(1)
    assert behaviour.latency_for(0.95) == pytest.approx(4)
    assert Behaviour.parse("ok,latency=2").latency_for(0.99) == 2
