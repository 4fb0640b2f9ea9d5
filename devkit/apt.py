"""Fetch Debian packages through private apt folders: no root, nothing of the system's apt is touched."""

import re
import shutil
import subprocess
from pathlib import Path

from .say import Problem, run_quietly

SYSTEM_SOURCES = Path("/etc/apt")
DEBIAN_KEYRINGS = (
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
)
DEBIAN_SUITES = (
    "buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid",
    "oldoldstable", "oldstable", "stable", "testing", "unstable",
)
SET_ODOO_HOME = "Or set ODOO_HOME to an Odoo 19 source tree."


def parse_one_line(text):
    """Entries of a sources.list: dicts with uri, suite, components, keyring (path or None)."""
    entries = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<rest>[^#]+)", line)
        if not match:
            continue
        uri, suite, *components = match["rest"].split()
        options = dict(option.split("=", 1) for option in (match["options"] or "").split() if "=" in option)
        entries.append({"uri": uri, "suite": suite, "components": components, "keyring": options.get("signed-by")})
    return entries


def parse_deb822(text):
    """The same entries from a *.sources file; a stanza with several URIs or suites gives several."""
    entries = []
    for stanza in re.split(r"\n[ \t]*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields, name = {}, None
        for line in stanza.splitlines():
            if line[:1] in " \t" and name:
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        keyring = fields.get("signed-by")
        if keyring and not keyring.startswith("/"):
            keyring = None  # a key written into the stanza: the machine's own keyring file serves as well
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                entries.append({"uri": uri, "suite": suite, "components": fields.get("components", "").split(),
                                "keyring": keyring})
    return entries


def debian_mirror(folder=SYSTEM_SOURCES):
    """The machine's own Debian mirror and the keyring that vouches for it.

    :return: (uri, keyring path)
    :raise Problem: when the machine's apt sources name no Debian suite
    """
    entries = []
    for path in sorted([folder / "sources.list", *(folder / "sources.list.d").glob("*")]):
        if not path.is_file():
            continue
        if path.suffix == ".sources":
            entries += parse_deb822(path.read_text())
        elif path.suffix == ".list":
            entries += parse_one_line(path.read_text())
    for entry in entries:
        if entry["suite"] in DEBIAN_SUITES and "main" in entry["components"]:
            break
    else:
        raise Problem("The apt sources of this machine name no Debian mirror, so Debian's package odoo-19 cannot be "
                      "fetched: name one in /etc/apt/sources.list.d. " + SET_ODOO_HOME)
    for keyring in (entry["keyring"], *DEBIAN_KEYRINGS):
        if keyring and Path(keyring).is_file():
            return entry["uri"], keyring
    raise Problem("Debian's signing keys are not on this machine: install the package debian-archive-keyring. "
                  + SET_ODOO_HOME)


def fetch(packages, target, work, log):
    """Download packages, signatures checked, into `target`.

    :param packages: {package name: suite}
    :param target: folder that receives the .deb files
    :param work: scratch folder for apt's lists and state
    """
    for program in ("apt-get", "dpkg-deb"):
        if not shutil.which(program):
            raise Problem(f"{program} is not on this machine, so Debian's package odoo-19 cannot be fetched. "
                          + SET_ODOO_HOME)
    uri, keyring = debian_mirror()
    for folder in ("lists/partial", "cache/archives/partial", "etc", "state"):
        (work / folder).mkdir(parents=True)
    (work / "state/status").touch()
    (work / "etc/sources.list").write_text("".join(
        f"deb [signed-by={keyring}] {uri} {suite} main\n" for suite in sorted(set(packages.values()))
    ))
    # Read after the system's configuration (so its proxy settings hold); the hooks that some machines run after an
    # update would touch the system's own cache, so they are cleared.
    (work / "etc/apt.conf").write_text(f"""\
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Update::Pre-Invoke;
Dir::Etc::SourceList "{work}/etc/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "{work}/state";
Dir::State::Lists "{work}/lists";
Dir::State::Status "{work}/state/status";
Dir::Cache "{work}/cache";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
APT::Get::AllowUnauthenticated "false";
APT::Sandbox::User "root";
""")
    apt = ["apt-get", "-q", "-c", work / "etc/apt.conf"]
    run_quietly([*apt, "update", "--error-on=any"], log=log, cwd=target,
                advice=f"The Debian mirror {uri} could not be read: check the network. " + SET_ODOO_HOME)
    run_quietly([*apt, "download", *(f"{name}/{suite}" for name, suite in packages.items())], log=log, cwd=target,
                advice=f"The Debian mirror {uri} did not hand out {', '.join(packages)}. " + SET_ODOO_HOME)
    return sorted(target.glob("*.deb"))


def unpack(archive, root, log):
    run_quietly(["dpkg-deb", "-x", archive, root], log=log,
                advice=f"{Path(archive).name} could not be unpacked: is the disk full?")


def package_version(archive):
    return subprocess.run(["dpkg-deb", "-f", str(archive), "Version"], check=True, capture_output=True,
                          text=True, timeout=60).stdout.strip()
