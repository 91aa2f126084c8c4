"""The docs tell the truth: what they link to is there, what they tell people to type exists."""

import re
import tomllib
from pathlib import Path

import pytest

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
