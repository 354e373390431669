# What the scripts share: where things are, how they speak, and how they get what Debian has. Sourced, not run.
set -euo pipefail
trap 'exit 130' INT

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
python=$venv/bin/python
cd "$root"                               # pyenv and the tools read .python-version and pyproject.toml here
unset PYTHONPATH PYTHONHOME PIP_USER     # these would mix another installation into ours
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$@"; exit 1; }

can_apt() { ((EUID == 0)) && type -P apt-get >/dev/null; }

apt_install() { # PACKAGE...: false where apt-get is not to be used or fails
    can_apt || return 1
    say "installing $* with apt-get"
    # dpkg wants the sbin folders. Without the lists that update brings, apt-get takes "g++" for a pattern, installs
    # nothing, and is content: so update comes first, and who calls this looks whether the thing is there.
    local said get=(env DEBIAN_FRONTEND=noninteractive "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin" apt-get -qq -y)
    "${get[@]}" update >/dev/null || say "apt-get update failed: trying with what it knows"
    said=$("${get[@]}" install --no-install-recommends "$@" 2>&1) || { printf '%s\n' "$said" >&2; return 1; }
}

# After scripts/setup: what tests and benchmarks need, and an environment in which they, and what they start, run against
# the installed wheel, since the checkout comes last on the path, if at all.
prepare_run() { # [MODEL ...]: the weights that are needed; all, if none is named
    "$python" scripts/fetch_data.py >/dev/null
    "$venv/bin/animesr" weights fetch "$@" >/dev/null
    use_venv
    export PYTHONSAFEPATH=1
}

# vspipe finds Python through a file in the user's configuration folder. Ours lies in .venv, so that nothing is
# written to the user's home; pip's own file there stays in force.
use_venv() {
    local pip_conf=${XDG_CONFIG_HOME:-${HOME:-}/.config}/pip/pip.conf
    if [[ -f $pip_conf ]]; then export PIP_CONFIG_FILE=${PIP_CONFIG_FILE:-$pip_conf}; fi
    export XDG_CONFIG_HOME=$venv/config PATH=$venv/bin:$PATH
}
