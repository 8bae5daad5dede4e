"""Ansible's events become progress, changes and failures a person can act on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from mitogen.core import Router

from hedgerow.converge import Converged, Failure, HostRecap, Watcher, diff_text, run
from hedgerow.errors import ConvergeError, UnreachableError


def watched(*events: dict[str, object]) -> tuple[Watcher, list[str]]:
    said: list[str] = []
    watcher = Watcher(said.append)
    for event in events:
        assert watcher(event) is False, "events are never kept as files"
    return watcher, said


def test_the_name_of_each_task_is_said() -> None:
    _, said = watched(
        {"event": "playbook_on_task_start", "event_data": {"name": "Server | Accept keys", "role": "ssh"}},
        {"event": "playbook_on_task_start", "event_data": {"name": "Gathering Facts"}},
    )
    assert said == ["ssh : Server | Accept keys", "Gathering Facts"]


def test_a_failure_names_host_task_place_and_words() -> None:
    watcher, _ = watched(
        {
            "event": "runner_on_failed",
            "event_data": {
                "host": "analytics-1",
                "name": "Ask sshd",
                "role": "ssh",
                "task_path": "roles/ssh/handlers/main.yml:3",
                "res": {"msg": "non-zero return code", "stderr": "line 4: Bad configuration option"},
            },
        }
    )
    text = str(watcher.failures[0])
    for part in ("analytics-1", "ssh : Ask sshd", "Bad configuration option", "roles/ssh/handlers/main.yml:3"):
        assert part in text


def test_a_host_that_went_in_the_middle_cannot_be_reached() -> None:
    said = {"msg": f"Task failed: {Router.respondent_disconnect_msg}"}
    watcher, _ = watched({"event": "runner_on_failed", "event_data": {"host": "a", "name": "Write", "res": said}})
    assert [failure.unreachable for failure in watcher.failures] == [True]


def test_an_ignored_failure_is_none() -> None:
    watcher, _ = watched({"event": "runner_on_failed", "event_data": {"host": "a", "ignore_errors": True, "res": {}}})
    assert watcher.failures == []


def test_a_change_keeps_its_diff() -> None:
    watcher, _ = watched(
        {
            "event": "runner_on_ok",
            "event_data": {
                "host": "a",
                "name": "Write",
                "res": {"changed": True, "diff": [{"before": "old\n", "after": "new\n", "after_header": "/etc/x"}]},
            },
        }
    )
    assert "-old" in watcher.changes[0].diff
    assert "+new" in watcher.changes[0].diff


@pytest.mark.parametrize(
    ("result", "said"),
    [({}, ""), ({"diff": {"prepared": "as it is"}}, "as it is"), ({"diff": ["odd"]}, ""), ({"diff": None}, "")],
)
def test_diffs_of_every_shape(result: dict[str, object], said: str) -> None:
    assert diff_text(result) == said


def test_the_recap_counts_every_host() -> None:
    watcher, _ = watched(
        {
            "event": "playbook_on_stats",
            "event_data": {
                "processed": {"a": 1},
                "ok": {"a": 9},
                "changed": {"a": 2},
                "dark": {"b": 1},
                "failures": {},
            },
        }
    )
    assert watcher.hosts == {"a": HostRecap(9, 2, 0, 0), "b": HostRecap(0, 0, 0, 1)}


@pytest.mark.parametrize(("unreachable", "error"), [(True, UnreachableError), (False, ConvergeError)])
def test_each_kind_of_failure_has_its_exit_code(unreachable: bool, error: type[Exception]) -> None:
    run = Converged({}, (), (Failure("a", "task", "site.yml:1", "broken", unreachable),), 1.0)
    with pytest.raises(error, match="broken"):
        run.raise_for_failure()
    assert Converged({}, (), (), 1.0).raise_for_failure().failures == ()


def test_ctrl_c_ends_what_comes_after_a_run(tmp_path: Path) -> None:
    """ansible-runner keeps the signals it took; a verify after a converge must still be interruptible."""
    (tmp_path / "site.yml").write_text("- hosts: localhost\n  gather_facts: false\n  tasks: []\n")
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    assert run(tmp_path, lambda _: None).failures == ()
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_playbook_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_text("- hosts: [localhost\n")
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    with pytest.raises(ConvergeError, match=r"site\.yml"):
        run(tmp_path, lambda _: None, log=tmp_path / "log")
    assert (tmp_path / "log").read_text()


@pytest.mark.parametrize(("named", "pythons"), [("", 1), ("linear", 2)])
def test_tasks_of_a_run_share_one_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, pythons: int
) -> None:
    """Whoever names Ansible's own strategy has that."""
    monkeypatch.setenv("ANSIBLE_STRATEGY", named) if named else monkeypatch.delenv("ANSIBLE_STRATEGY", raising=False)
    told = tmp_path / "told"
    # The one that runs a module's shell is a fork of the one that stays.
    say = f"ps -o ppid= -p $PPID >>{told}" if not named else f"echo $PPID >>{told}"
    tasks = "".join(f"    - ansible.builtin.shell: {say}\n" for _ in range(2))
    (tmp_path / "site.yml").write_text(
        f"- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n{tasks}"
    )
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    assert run(tmp_path, lambda _: None).failures == ()
    assert len(set(told.read_text().split())) == pythons
