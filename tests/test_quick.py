"""`make quick` keeps what it is for: each verb and each sink, on a project that nobody has read."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cogpack.cli.parser import parser

ROOT = Path(__file__).resolve().parents[1]

KEPT = {
    "push": ("test_a_registry_gets_the_project", "test_weights_alone_are_pushed_of_an_unread_project"),
    "build": ("test_a_layout_holds_the_project", "test_an_archive_holds_the_project"),
    "load": ("test_docker_gets_the_project",),
    "lock": ("test_all_sinks_get_one_image",),
    "plan": ("test_plan_and_weights_ls_tell_of_an_unread_project",),
    "verify": ("test_an_image_is_verified_on_a_machine_that_has_read_nothing",),
    "schema": ("test_schema_reads_no_weights",),
    "weights": (
        *("test_plan_and_weights_ls_tell_of_an_unread_project", "test_weights_of_an_image_are_pulled_and_compared"),
        "test_weights_of_every_cut_go_into_every_sink",
    ),
    "inspect": ("test_what_was_pushed_of_an_unread_project_can_be_read",),
    "diff": ("test_an_image_is_compared_with_what_the_project_would_become",),
    "pull": ("test_what_was_pushed_of_an_unread_project_can_be_read",),
    "run": ("test_only_the_output_goes_to_stdout",),
    "train": ("test_a_training_is_asked_of_a_server_in_its_train_mode",),
    "predict": ("test_only_the_output_goes_to_stdout",),
    "serve": ("test_a_server_serves_until_it_is_interrupted_and_leaves_nothing_running",),
    "exec": ("test_the_status_and_both_streams_are_the_commands_own",),
    "fetch": ("test_an_image_of_a_registrys_base_and_wheels_is_the_same_without_a_server",),
    "export": ("test_the_wheels_of_a_lock_are_told_in_both_forms",),
    "bench": (
        "test_what_was_found_is_told_on_a_page_and_for_programs_and_nothing_is_left",
        "test_what_a_push_takes_is_told_on_a_page_and_for_programs_and_nothing_is_left",
    ),
    "sbom": ("test_all_that_an_image_is_made_of_is_in_its_documents",),
    "copy": ("test_what_was_pushed_of_an_unread_project_can_be_read",),
}
_MODULES = (
    "sbom",
    "export",
    "bench_pull",
    "bench_push",
    "unread_project",
    "life_of_an_image",
    "depots",
    "diff",
    "exec",
    "run",
    "steps",
)
FILES = [f"tests/heart/test_{name}.py" for name in _MODULES]
NO_PROJECT = {"auth", "cache", "completion", "doctor", "help", "init", "login", "logout", "registry", "version"}
"""Verbs that know of neither project nor image."""


def test_every_verb_has_a_test_that_quick_is_to_keep() -> None:
    (verbs,) = {tuple(action.choices) for action in parser()._actions if isinstance(action.choices, dict)}
    assert set(verbs) == KEPT.keys() | NO_PROJECT


@pytest.mark.slow
def test_quick_selects_each_verb_and_each_sink() -> None:
    (selection,) = re.findall(r'pytest .*-m "([^"]+)"', (ROOT / "Makefile").read_text())
    command = ["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-m", selection]
    done = subprocess.run(
        [sys.executable, *command, *FILES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    selected = re.findall(r"::(\w+)", done.stdout)
    assert {test for tests in KEPT.values() for test in tests} <= set(selected)
    assert selected.count("test_weights_of_every_cut_go_into_every_sink") >= 4
    assert sum("test_life_of_an_image.py::" in line for line in done.stdout.splitlines()) >= 10
