"""The docs tell the truth: what they link to is there, what they tell people to type exists."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import msgspec
import pytest

from runner.core import plan
from runner.core.events import EVENT_TYPES
from runner.core.outcomes import LOOP_RULES, OUTCOMES
from runner.engine.config.schema import PLAN, Node, Table, Tables
from runner.host.agent import Ctx
from tui.cli.entry import pilot
from tui.keys import COMMANDS, KEYS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def documented_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))


@every_page
def test_links_lead_somewhere(page: Path):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)|(?:src|href)=\"([^\"#]+)\"", text)
    local = [
        a or b for a, b in targets if "://" not in (a or b) and not (a or b).startswith("mailto:")
    ]
    assert [target for target in local if not (page.parent / target).exists()] == []


@every_page
def test_make_commands_exist(page: Path):
    typed = re.findall(
        r"(?:^|`)\s*(?:\$ )?make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(typed) <= documented_targets()


@every_page
def test_toml_examples_parse(page: Path):
    for example in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        tomllib.loads(example)


def test_every_target_is_explained():
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == documented_targets()


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def options_of(command: click.Command) -> set[str]:
    return {
        option
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for option in parameter.opts
        if option.startswith("--") and option not in ("--runs-dir", "--help")
    }


@pytest.mark.parametrize("name", sorted(pilot.commands))
def test_every_command_and_option_has_its_place(name: str):
    command = pilot.commands[name]
    inner = command.commands.values() if isinstance(command, click.Group) else [command]
    for leaf in inner:
        full = name if leaf is command else f"{name} {leaf.name}"
        row = re.search(rf"^\| `pilot-tui {full}[ `].*$", page("commands.md"), re.MULTILINE)
        assert row is not None
        assert [option for option in options_of(leaf) if option not in row[0]] == []


def test_commands_that_people_are_told_to_type_exist():
    for path in PAGES:
        typed = re.findall(r"pilot-tui ([a-z]+)", path.read_text(encoding="utf-8"))
        prose = {"is", "works", "shows", "and", "makes"}
        assert set(typed) - prose <= set(pilot.commands), path.name


@pytest.mark.parametrize("code", ["0", "1", "2", "3"])
def test_every_exit_code_has_its_place(code: str):
    assert f"\n| `{code}` | " in page("commands.md")
    assert f"\n| {code} | " in (ROOT / "README.md").read_text(encoding="utf-8")


def plan_keys(nodes: Mapping[str, Node], before: str = "") -> Iterator[str]:
    for name, node in nodes.items():
        if isinstance(node, Table | Tables) and f"{before}{name}" not in (
            "models.limits",  # the same keys as [limits] and [watch]
            "models.watch",
        ):
            yield from plan_keys(node.keys, f"{before}{name}.")
        else:
            yield f"{before}{name}"


@pytest.mark.parametrize("key", list(plan_keys(PLAN)))
def test_every_plan_key_has_its_place(key: str):
    assert f"\n| `{key}` | " in page("plans.md")


SECTIONS: dict[str, type[msgspec.Struct]] = {
    "run": plan.RunSection,
    "limits": plan.Limits,
    "watch": plan.Watch,
    "stop": plan.Stop,
    "resources": plan.Resources,
    "endpoints": plan.Endpoint,
    "tasks": plan.Tasks,
}


@pytest.mark.parametrize("section", SECTIONS)
def test_documented_defaults_are_those_of_the_program(section: str):
    rows = re.findall(rf"^\| `{section}\.(\w+)` \| (.*?) \|", page("plans.md"), re.MULTILINE)
    fields = {field.name: field.default for field in msgspec.structs.fields(SECTIONS[section])}
    told = {
        name: tomllib.loads(f"x = {word.strip('`')}")["x"] for name, word in rows if plain(word)
    }
    assert told
    assert {name: as_list(fields[name]) for name in told} == told


def plain(word: str) -> bool:
    """Whether it is a value; required keys have none, others are explained in words."""
    return re.fullmatch(r"[\d.]+|true|false|`.*`", word) is not None


def as_list(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", sorted(name for name in vars(Ctx) if not name.startswith("_")))
def test_all_that_an_executor_is_given_has_its_place(name: str):
    assert re.search(rf"^\| .*`ctx\.{name}\b.* \|", page("executors.md"), re.MULTILINE)


def test_every_extra_has_its_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for extra in project["optional-dependencies"]:
        assert f"[{extra}]" in readme or f"`{extra}`" in readme


def test_no_plan_key_is_documented_that_does_not_exist():
    documented = re.findall(r"^\| `([a-z]+(?:\.\w+)+)` \|", page("plans.md"), re.MULTILINE)
    assert set(documented) - set(plan_keys(PLAN)) == set()


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.id)
def test_every_key_binding_has_its_place(key: tuple[str, str, str]):
    assert f"\n| `{key[2]}` | " in page("keys.md")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_typed_command_has_its_place(command: tuple[str, str]):
    assert f"\n| `:{command[0]}` | " in page("keys.md")


@pytest.mark.parametrize("event", [kind.__name__ for kind in EVENT_TYPES])
def test_every_event_has_its_place(event: str):
    assert f"\n| `{event}` | " in page("run-folder.md")


def test_outcomes_and_loop_rules_have_their_place():
    for outcome in OUTCOMES:
        assert f"`{outcome}`" in page("run-folder.md")
    for rule in LOOP_RULES:
        assert f"`loops.{rule}`" in page("plans.md")
