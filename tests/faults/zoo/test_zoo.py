"""Every case of the table in one run with threads, and again with a process for each attempt."""

import pytest
from faults.zoo.cases import CASES, DAILY, Case
from faults.zoo.keeper import Zoo
from support.running import Project, checked


@pytest.mark.timeout(120)
def test_a_third_of_the_zoo(project: Project) -> None:
    zoo = Zoo(project, DAILY, "hosts = 6")
    problems = zoo.play()
    assert not problems, "\n".join(problems)
    checked(zoo.run)


@pytest.mark.drill
@pytest.mark.timeout(180)
@pytest.mark.parametrize("half", [CASES[::2], CASES[1::2]], ids=["even", "odd"])
@pytest.mark.parametrize("resources", ["hosts = 8", 'isolation = "process"'])
def test_the_whole_zoo(project: Project, half: tuple[Case, ...], resources: str) -> None:
    zoo = Zoo(project, half, resources)
    problems = zoo.play()
    assert not problems, "\n".join(problems)
    checked(zoo.run)
