"""Controller half of hedgerow_files: render every file here, then place them all by one module call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

MANAGED = "Managed by Hedgerow: the next run undoes what is changed here"
SOURCES = ("template", "file", "content", "link")
PASSED_ON = ("dest", "content", "link", "state", "owner", "group", "mode", "validate")
OWN = ("template", "file", "vars")


class ActionModule(ActionBase):
    """Turns `template` and `file` into `content`; everything else goes to the module as it is."""

    TRANSFERS_FILES = False  # contents travel inside the module's own arguments, over standard input
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        unknown = sorted(set(self._task.args) - {"files", "folders"})
        if unknown:
            raise AnsibleActionFail(f"unknown: {', '.join(unknown)}; hedgerow_files knows files and folders")
        arguments = {
            "files": [self._finished(row, variables) for row in self._task.args.get("files") or []],
            "folders": self._task.args.get("folders") or [],
        }
        result = self._execute_module(
            module_name="hedgerow_files", module_args=arguments, task_vars=variables, wrap_async=False
        )
        result.pop("invocation", None)  # at -vvv it would print every content once more
        return result

    def _finished(self, row: Mapping[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """The row as the module wants it: with its content in place of where that comes from."""
        if not isinstance(row, Mapping) or not row.get("dest"):
            raise AnsibleActionFail(f"each of files is a mapping with a dest, not {row!r}")
        dest = row["dest"]
        unknown = sorted(set(row) - {*PASSED_ON, *OWN})
        if unknown:
            raise AnsibleActionFail(f"{dest}: unknown: {', '.join(unknown)}")
        finished = {key: row[key] for key in PASSED_ON if row.get(key) is not None}
        if row.get("state", "present") != "present":
            return finished
        given = [source for source in SOURCES if row.get(source) is not None]
        if len(given) != 1:
            raise AnsibleActionFail(f"{dest}: one of {', '.join(SOURCES)} is needed, and only one")
        if "template" in given:
            finished["content"] = self._rendered(row, variables)
        elif "file" in given:
            finished["content"] = self._loader.get_text_file_contents(self._found("files", row["file"], dest))
        return finished

    def _found(self, kind: str, name: str, dest: str) -> str:
        try:
            return self._find_needle(kind, name)
        except AnsibleError as problem:
            raise AnsibleActionFail(f"{dest}: {problem}") from problem

    def _rendered(self, row: Mapping[str, Any], variables: dict[str, Any]) -> str:
        """What ansible.builtin.template would write, with its defaults for blocks and newlines."""
        source = self._found("templates", row["template"], row["dest"])
        folders = [*variables.get("ansible_search_path", []), self._loader.get_basedir(), str(Path(source).parent)]
        templar = self._templar.copy_with_new_env(
            searchpath=[path for folder in folders for path in (str(Path(folder) / "templates"), folder)],
            available_variables={
                "ansible_managed": MANAGED,
                **variables,
                "template_path": row["template"],
                "template_fullpath": source,
                "template_destpath": row["dest"],
                **(row.get("vars") or {}),
            },
        )
        text = templar.template(
            trust_as_template(self._loader.get_text_file_contents(source)),
            escape_backslashes=False,
            overrides={"trim_blocks": True, "lstrip_blocks": False, "newline_sequence": "\n"},
        )
        return "" if text is None else to_text(text)
