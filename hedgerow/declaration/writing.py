"""A commented deploy.yml from a few answers: what `init` writes."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping

from hedgerow.declaration.application import Images
from hedgerow.declaration.places import UnreadableError, read

Answers = Mapping[str, tuple[str, ...]]
"""What was answered, by a question's name; a question with one answer has a tuple of one."""


def text(answers: Answers) -> str:
    """Write the declaration: what was answered, each with a word on what it does."""
    kind = _one(answers, "target", "lab")
    parts = [
        HEAD,
        f"name: {scalar(_one(answers, 'name', ''))} # the deployment, and its folder in deployments/\n",
        f"domain: {scalar(_one(answers, 'domain', ''))} # the name people open; its certificate carries it\n",
        _target(kind, answers.get("host", ())),
        _access(answers),
    ]
    if kind == "onprem":
        parts.append(_posthog(answers))
    return "".join(parts)


HEAD = """\
# What you want, whole. Everything left out has its hardened value; `./installer.py schema` lists every key.
# Next: ./installer.py plan deploy.yml, which touches nothing; then ./installer.py install deploy.yml.

"""


def _one(answers: Answers, name: str, default: str) -> str:
    return next(iter(answers.get(name, ())), default)


def _target(kind: str, hosts: tuple[str, ...]) -> str:
    lines = ["\ntarget:", f"  kind: {scalar(kind)}"]
    if kind == "lab":
        lines[-1] += " # one throw-away host on this machine, with stand-ins for PostHog's images"
        return "\n".join(lines) + "\n"
    lines.append("  hosts:")
    for index, host in enumerate(hosts):
        user, address, port = _host(host)
        lines.append(f"    - name: analytics-{index + 1} # the machine's name; it will be set")
        lines.append(f"      address: {scalar(address)}")
        lines += [f"      user: {scalar(user)} # not root; sudo must not ask it for a password"] if user else []
        lines += [f"      port: {port if port.isdigit() else scalar(port)}"] if port else []
        if len(hosts) > 1:
            lines += [f"      private_address: {address} # what the other host uses"] if _is_ipv4(address) else []
            lines.append(f"      roles: {'[edge, app]' if index == 0 else '[data]'}")
    return "\n".join(lines) + "\n"


def _host(answer: str) -> tuple[str, str, str]:
    """Read [USER@]ADDRESS[:PORT], an IPv6 address in brackets; what is wrong in it the declaration will say."""
    user, _, rest = answer.rpartition("@")
    match = re.fullmatch(r"\[(.*)\](?::(.*))?|([^:]*)(?::([^:]*))?", rest)
    if match is None:
        return user, rest, ""
    return user, match[1] or match[3] or "", match[2] or match[4] or ""


def _is_ipv4(address: str) -> bool:
    try:
        return bool(ipaddress.IPv4Address(address))
    except ValueError:
        return False


def _access(answers: Answers) -> str:
    lines = ["\naccess: # controller is the machine that runs the installer"]
    people = answers.get("administrator", ())
    lines += ["  administrators:"] if people else []
    for person in people:
        name, _, key = person.partition("=")
        lines += [f"    - name: {scalar(name)}", "      ssh_keys:", f"        - {scalar(key)}"]
    for question, comment in (
        ("interface-from", "who may open PostHog's pages"),
        ("ingest-from", "who may send events; any is for browsers and apps everywhere"),
        ("ssh-from", "who may reach SSH; keep the installer's own machine among them"),
    ):
        sources = ", ".join(scalar(source) for source in answers.get(question, ("controller",)))
        lines.append(f"  {question.replace('-', '_')}: [{sources}] # {comment}")
    return "\n".join(lines) + "\n"


def _posthog(answers: Answers) -> str:
    images = {name: _one(answers, f"{name.replace('_', '-')}-image", "") for name in Images.model_fields}
    if not any(images.values()):
        return "\nposthog:\n  deploy: false # the hosts are prepared; name PostHog's images by digest to deploy it\n"
    named = "".join(f"    {name}: {scalar(image)}\n" for name, image in images.items() if image)
    return f"\nposthog:\n  images: # by digest: what a tag means can change\n{named}"


def scalar(value: str) -> str:
    """Write a text so that YAML reads the same text: plain where that is so, in quotes elsewhere."""
    # In both styles: a lone hyphen is a text between brackets, and the beginning of a list on a line.
    plain = all(_reads_as(line, value) for line in (f"[{value}]\n", f"- {value}\n"))
    return value if plain else json.dumps(value, ensure_ascii=False)


def _reads_as(line: str, value: str) -> bool:
    try:
        document, _ = read(line)
    except UnreadableError:
        return False
    return bool(document.value == [value] and not document.raw)
