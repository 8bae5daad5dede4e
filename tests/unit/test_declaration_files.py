"""Files: the declaration's own, and those it names; and that nothing whatever makes reading it crash."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgerow.declaration import Around, load, parse
from hedgerow.errors import DeclarationError, Problem

NOW = datetime.datetime(2026, 6, 15, tzinfo=datetime.UTC)
DOMAIN = "analytics.acme.example"
PROVIDED = f"""\
name: acme
domain: {DOMAIN}
target: {{kind: lab}}
tls:
  certificate: provided
  certificate_file: tls/chain.pem
  key_file: tls/key.pem
"""
CERTIFICATE, KEY = (6, "tls.certificate_file"), (7, "tls.key_file")


@dataclass(frozen=True)
class Issuer:
    """A certificate and its key, with which others can be signed."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def issue(
    name: str,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    by: Issuer | None = None,
    *,
    names: tuple[str, ...] = (),
    days: tuple[int, int] = (-10, 80),
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
) -> x509.Certificate:
    """Make a certificate valid from and to so many days from NOW; by itself where nobody signs it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + datetime.timedelta(days=days[0]))
        .not_valid_after(NOW + datetime.timedelta(days=days[1]))
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False
        )
    if names and usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(by.key if by else key, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def key_pem(key: serialization.PrivateFormat, password: bytes = b"") -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


ROOT_KEY, LEAF_KEY, OTHER_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
ROOT = Issuer(issue("Root", ROOT_KEY), ROOT_KEY)
LEAF = issue("leaf", LEAF_KEY, ROOT, names=(DOMAIN,))
OTHER = issue("Other", OTHER_KEY)
WEAK_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505 (it must be refused)
SOUND = {"tls/chain.pem": pem(LEAF, ROOT.certificate), "tls/key.pem": key_pem(LEAF_KEY)}


def problems(text: str, files: dict[str, bytes]) -> tuple[Problem, ...]:
    """Return what is wrong with a text beside these files, and nothing for a sound one."""

    def read_file(path: Path) -> bytes:
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    try:
        parse(text, "deploy.yml", Around(now=NOW, read_file=read_file))
    except DeclarationError as error:
        return error.problems
    return ()


def leaf(**changes: object) -> bytes:
    return pem(issue("leaf", LEAF_KEY, ROOT, **{"names": (DOMAIN,), **changes}), ROOT.certificate)


WRONG = {
    "expired": ({"tls/chain.pem": leaf(days=(-90, -1))}, CERTIFICATE, "expired on 2026-06-14", "Renew it"),
    "not valid yet": ({"tls/chain.pem": leaf(days=(1, 90))}, CERTIFICATE, "not valid before 2026-06-16", "clock"),
    "an expired issuer": (
        {"tls/chain.pem": pem(LEAF, issue("Root", ROOT_KEY, days=(-90, -1)))},
        CERTIFICATE,
        "certificate 2 of the chain expired",
        "Renew",
    ),
    "another domain": (
        {"tls/chain.pem": leaf(names=("www.acme.example",))},
        CERTIFICATE,
        f"for www.acme.example, not for {DOMAIN}",
        "alternative names",
    ),
    "a wildcard two labels up": (
        {"tls/chain.pem": leaf(names=("*.example",))},
        CERTIFICATE,
        "for *.example, not",
        "correct `domain`",
    ),
    "no names": ({"tls/chain.pem": leaf(names=())}, CERTIFICATE, "for no name at all", "alternative names"),
    "for clients": (
        {"tls/chain.pem": leaf(usage=ExtendedKeyUsageOID.CLIENT_AUTH)},
        CERTIFICATE,
        "not for servers",
        "TLS server",
    ),
    "a stranger in the chain": (
        {"tls/chain.pem": pem(LEAF, OTHER)},
        CERTIFICATE,
        "certificate 2 in the file did not sign certificate 1",
        "Order the file",
    ),
    "a key among certificates": (
        {"tls/chain.pem": SOUND["tls/chain.pem"] + SOUND["tls/key.pem"]},
        CERTIFICATE,
        "holds a private key",
        "its own file",
    ),
    "DER": (
        {"tls/chain.pem": LEAF.public_bytes(serialization.Encoding.DER)},
        CERTIFICATE,
        "no PEM certificate",
        "openssl x509",
    ),
    "damaged": (
        {"tls/chain.pem": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
        CERTIFICATE,
        "damaged",
        "Copy it again",
    ),
    "another key": ({"tls/key.pem": key_pem(OTHER_KEY)}, KEY, "not the certificate's", "asked for with"),
    "a passphrase": ({"tls/key.pem": key_pem(LEAF_KEY, b"secret")}, KEY, "passphrase", "openssl pkey"),
    "a weak key": ({"tls/key.pem": key_pem(WEAK_KEY)}, KEY, "1024 bits is too short", "2048"),
    "an Ed25519 key": (
        {"tls/key.pem": key_pem(ed25519.Ed25519PrivateKey.generate())},
        KEY,
        "browsers accept no",
        "ECDSA",
    ),
    "a certificate as key": ({"tls/key.pem": pem(LEAF)}, KEY, "no PEM private key", "-----BEGIN PRIVATE KEY-----"),
    "a damaged key": (
        {"tls/key.pem": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
        KEY,
        "damaged",
        "Copy it again",
    ),
}


@pytest.mark.parametrize(("files", "place", "says", "fix"), WRONG.values(), ids=WRONG.keys())
def test_a_provided_certificate_is_judged_before_anything_is_touched(
    files: dict[str, bytes], place: tuple[int, str], says: str, fix: str
) -> None:
    (found,) = problems(PROVIDED, {**SOUND, **files})
    assert (found.line, found.key) == place
    assert says in found.message
    assert fix in found.fix


def test_the_leaf_comes_first() -> None:
    found = problems(PROVIDED, {**SOUND, "tls/chain.pem": pem(ROOT.certificate, LEAF)})
    assert "certificate 2 in the file did not sign certificate 1" in [one.message for one in found]


@pytest.mark.parametrize(
    "chain",
    [SOUND["tls/chain.pem"], pem(LEAF), leaf(names=("*.acme.example",)), leaf(usage=None)],
    ids=["with its issuer", "alone", "a wildcard", "any usage"],
)
def test_a_sound_certificate_is_accepted(chain: bytes) -> None:
    assert problems(PROVIDED, {**SOUND, "tls/chain.pem": chain}) == ()


def test_missing_files_are_named_each_at_its_line() -> None:
    found = problems(PROVIDED, {})
    assert [(one.line, one.key) for one in found] == [CERTIFICATE, KEY]
    assert '"tls/chain.pem": there is no such file' in found[0].message


@pytest.mark.parametrize(
    ("content", "says", "fix"),
    [
        (None, "there is no such file", "relative to"),
        (b"ssh-ed25519 AAAA", "the public half", "without .pub"),
        (b"hello", "no private key", "ssh -i"),
    ],
)
def test_the_key_to_connect_with_is_looked_at(content: bytes | None, says: str, fix: str) -> None:
    text = (
        "name: acme\ndomain: a.acme.example\nposthog: {deploy: false}\ntarget:\n  kind: onprem\n"
        "  hosts: [{name: one, address: 192.0.2.1, user: debian, identity_file: key}]\n"
        'access: {administrators: [{name: jane, ssh_keys: ["ssh-ed25519'
        ' AAAAC3NzaC1lZDI1NTE5AAAAIPZw8Zb6c3THTz8GycTPXbKu78nIfJ39zK8MvWwOwKpC"]}]}\n'
    )
    (found,) = problems(text, {} if content is None else {"key": content})
    assert (found.line, found.key) == (6, "target.hosts[0].identity_file")
    assert says in found.message
    assert fix in found.fix
    assert problems(text, {"key": b"-----BEGIN OPENSSH PRIVATE KEY-----"}) == ()


REGISTRY = """\
name: acme
domain: a.acme.example
target: {kind: lab}
posthog:
  registry: {ca_file: ca.pem, signature_key: cosign.pub}
"""


def public_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


SIGNER = ec.generate_private_key(ec.SECP256R1())
PRIVATE = SIGNER.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("ca.pem", None, "there is no such file"),
        ("ca.pem", b"hello", "no PEM certificate"),
        ("cosign.pub", None, "there is no such file"),
        ("cosign.pub", b"hello", "no PEM public key"),
        ("cosign.pub", PRIVATE, "holds a private key"),
        ("cosign.pub", public_pem(ed25519.Ed25519PrivateKey.generate()), "not an ECDSA key"),
    ],
)
def test_what_a_mirror_is_trusted_by_is_looked_at(name: str, content: bytes | None, says: str) -> None:
    good = {"ca.pem": SOUND["tls/chain.pem"], "cosign.pub": public_pem(SIGNER)}
    assert problems(REGISTRY, good) == ()
    spoilt = {**good, name: content}
    (found,) = problems(REGISTRY, {key: value for key, value in spoilt.items() if value is not None})
    assert found.key == f"posthog.registry.{'ca_file' if name == 'ca.pem' else 'signature_key'}"
    assert says in found.message


def test_files_are_found_beside_the_declaration_or_where_it_came_from(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    (home / "tls").mkdir(parents=True)
    copy.mkdir()
    for name, content in SOUND.items():
        (home / name).write_bytes(content)
    for folder in (home, copy):
        (folder / "deploy.yml").write_text(PROVIDED)
    assert load(home / "deploy.yml", now=NOW).tls.key_file == home / "tls" / "key.pem"
    assert load(copy / "deploy.yml", base=home, now=NOW).tls.key_file == home / "tls" / "key.pem"
    with pytest.raises(DeclarationError):
        load(copy / "deploy.yml", now=NOW)


def no_file(folder: Path) -> Path:
    return folder / "deploy.yml"


def a_folder(folder: Path) -> Path:
    return folder


def latin(folder: Path) -> Path:
    (folder / "deploy.yml").write_bytes("name: café\n".encode("latin-1"))
    return folder / "deploy.yml"


def utf16(folder: Path) -> Path:
    (folder / "deploy.yml").write_text("name: acme\n", encoding="utf-16")
    return folder / "deploy.yml"


def huge(folder: Path) -> Path:
    (folder / "deploy.yml").write_bytes(b"#" * 300_000)
    return folder / "deploy.yml"


@pytest.mark.parametrize(
    ("make", "says", "fix"),
    [
        (no_file, "there is no such file", "init"),
        (a_folder, "this is a folder", "deploy.yml"),
        (latin, "byte 10 is not UTF-8", "UTF-8"),
        (utf16, "byte 1 is not UTF-8", "UTF-8"),
        (huge, "larger than 256 KiB", "readable"),
        (lambda _: Path("/dev/null"), "no ordinary file", "readable"),
        (lambda _: Path("a\0b"), "cannot be read", "readable"),
        (lambda folder: folder / ("a" * 300), "cannot be read: File name too long", "readable"),
    ],
    ids=["missing", "folder", "latin-1", "utf-16", "huge", "device", "nul", "long name"],
)
def test_a_file_that_cannot_be_read(make: Callable[[Path], Path], says: str, fix: str, tmp_path: Path) -> None:
    path = make(tmp_path)
    with pytest.raises(DeclarationError) as caught:
        load(path)
    (found,) = caught.value.problems
    assert (found.file, found.key) == (str(path), "(file)")
    assert says in found.message
    assert fix in found.fix


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "deploy.yml").write_text("name: acme\ndomain: a.b.example\ntarget: {kind: lab}\n", encoding="utf-8-sig")
    assert load(tmp_path / "deploy.yml").name == "acme"


SOUND_TEXT = (Path(__file__).parents[2] / "inventories" / "onprem" / "deploy.yml").read_text()
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(
        ["any", "controller", "10.0.0.0/8", "[::1]:1", "lab", "onprem", "provided", "/dev/zero", "~x/y", "\0"]
    ),
)
KEYS = (
    st.sampled_from(
        ("name", "domain", "target", "kind", "hosts", "address", "roles", "user", "identity_file", "machine")
    )
    | st.sampled_from(("tls", "certificate", "certificate_file", "key_file", "posthog", "deploy", "images", "updates"))
    | st.sampled_from(("access", "administrators", "ssh_keys", "ssh_from", "outbound_to", "to", "port", "why", "zzz"))
    | st.sampled_from(("waivers", "control", "until", "agreements", "with", "signed", "subnet"))
    | st.text()
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=40
)


def read_or_refuse(path: Path) -> None:
    """Load, and let nothing pass but a declaration or a DeclarationError with printable words."""
    try:
        load(path)
    except DeclarationError as error:
        assert error.problems
        assert all(problem.line >= 1 and problem.fix for problem in error.problems), error.problems
        str(error).encode()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "deploy.yml"


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=400))
def test_no_bytes_make_it_crash(content: bytes, place: Path) -> None:
    place.write_bytes(content)
    read_or_refuse(place)


@settings(max_examples=300, deadline=None)
@given(tree=st.dictionaries(KEYS, TREES, max_size=8))
def test_no_values_make_it_crash(tree: dict[str, object], place: Path) -> None:
    place.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8", errors="replace")
    read_or_refuse(place)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_slip_of_the_finger_makes_it_crash(data: st.DataObject, place: Path) -> None:
    text = SOUND_TEXT
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        text = (
            text[:at]
            + data.draw(st.text(max_size=4) | st.sampled_from([": ", "\n- ", "{", "*a", "&a ", "!!x "]))
            + text[at + cut :]
        )
    place.write_text(text, encoding="utf-8")
    read_or_refuse(place)
