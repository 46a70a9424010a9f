"""Our values lie as near to those that other projects' tests assert as these tests allow."""

import peers
import pytest
from peers import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=[f"{case.project}: {case.test}" for case in CASES])
def test_agrees(case: Case) -> None:
    assert case.ours() == pytest.approx(case.theirs, rel=0, abs=case.tolerance)


def test_four_projects_are_asked() -> None:
    projects = {peers.TF_GAN, peers.COMPARE_GAN, peers.DISENTANGLEMENT, peers.TORCH_FIDELITY}
    assert {case.project for case in CASES} == projects
