# Paths, messages and package installation for the other scripts. Source this file; do not run it.
set -euo pipefail
trap 'exit 130' INT

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
bin=$venv/bin
if [[ ${OS:-} == Windows_NT ]]; then bin=$venv/Scripts; fi # Git's bash
python=$bin/python
cd "$root"                           # pyenv and the tools read .python-version and pyproject.toml here
unset PYTHONPATH PYTHONHOME PIP_USER # these would mix in another installation
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$@"; exit 1; }

can_apt() { ((EUID == 0)) && type -P apt-get >/dev/null; }

apt_install() { # PACKAGE...: return 1 if this user cannot run apt-get, or if it fails
    can_apt || return 1
    say "installing $* with apt-get"
    # dpkg needs the sbin folders on PATH. Without package lists, apt-get reads "g++" as a pattern, installs nothing and
    # reports success. So update first; callers must check that the command exists afterwards.
    local output get=(env DEBIAN_FRONTEND=noninteractive "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin" apt-get -qq -y)
    "${get[@]}" update >/dev/null || say "apt-get update failed: trying with the lists it has"
    output=$("${get[@]}" install --no-install-recommends "$@" 2>&1) || { printf '%s\n' "$output" >&2; return 1; }
}

# Run this after scripts/setup: it fetches the data of tests and benchmarks. In the environment that it sets, they and
# their child processes use the installed wheel, as the checkout comes last on Python's path.
prepare_run() { # [MODEL ...]: the weights to fetch; default: all
    "$python" -P -m scripts.fetch_data >/dev/null
    "$bin/animesr" weights fetch "$@" >/dev/null
    use_venv
    export PYTHONSAFEPATH=1
}

# vspipe finds Python through a file in the user's configuration folder. Put that folder into .venv, so that nothing is
# written to the user's home. pip still reads its own file in the original folder.
use_venv() {
    local pip_conf=${XDG_CONFIG_HOME:-${HOME:-}/.config}/pip/pip.conf
    if [[ -f $pip_conf ]]; then export PIP_CONFIG_FILE=${PIP_CONFIG_FILE:-$pip_conf}; fi
    export XDG_CONFIG_HOME=$venv/config APPDATA=$venv/config PATH=$bin:$PATH # APPDATA: Windows
}
