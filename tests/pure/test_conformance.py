"""Every case of the conformance suite against every vendor's stand-in."""

import pytest
from conformance import CASES, ENGINE_CASES, care, matrix
from rigs import all_rigs

import connectors

RIGS = all_rigs()
RUNS = [(code, name) for code, rig in RIGS.items() for name in CASES if name not in rig.not_applicable]


def test_every_connector_is_put_to_the_test():
    assert set(RIGS) == connectors.all_codes()


def test_the_matrix_in_the_guide_is_true():
    text = matrix.README.read_text(encoding="utf-8")
    assert text == matrix.with_matrix(text), "write it anew: ./dev matrix"


@pytest.mark.parametrize("code", sorted(RIGS))
def test_what_does_not_apply_says_why(code):
    for name, reason in RIGS[code].not_applicable.items():
        assert name in CASES or name in ENGINE_CASES, name
        assert len(reason.split()) > 3, name


@pytest.mark.parametrize(("code", "name"), RUNS, ids=[f"{code}-{name}" for code, name in RUNS])
def test_conformance(code, name):
    rig = RIGS[code]
    vendor = rig.start()
    try:
        CASES[name][1](rig, vendor)
    finally:
        vendor.stop()
    assert vendor.errors == []


@pytest.mark.long
@pytest.mark.parametrize("code", [code for code, rig in RIGS.items() if "memory" not in rig.not_applicable])
def test_memory_over_a_hundred_thousand_records(code):
    care.memory(RIGS[code], None, care.WHOLE)
