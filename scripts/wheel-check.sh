#!/usr/bin/env bash
# Checks what users install: builds the wheel, installs it elsewhere, runs it from an empty folder.
#
# Two installations are made. One sees the packages of .venv and must run every command. The other
# is what a plain `pip install consilico` brings and must run the commands that need no extra; it
# takes its packages from where pip takes them.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CONSILICO_CACHE=$work/cache
python=$root/.venv/bin/python
here=$work/empty # where the commands run
mkdir -p "$here" "$work/tree"

say() { printf 'wheel-check: %s\n' "$*" >&2; }
fail() {
    say "FAILED: $*"
    exit 1
}

build() { # from a copy: a build leaves files, and must not find those of another
    (cd "$root" && cp -R consilico golden hw sim reports pyproject.toml setup.py README.md LICENSE "$work/tree")
    find "$work/tree" -name __pycache__ -prune -exec rm -rf {} +
    PYTHONWARNINGS=ignore "$python" -m pip wheel --quiet --no-deps --no-build-isolation \
        --wheel-dir "$work" "$work/tree" >"$work/build.log" 2>&1 || fail "$(cat "$work/build.log")"
    wheel=$(echo "$work"/consilico-*.whl)
    local others
    others=$("$python" -m zipfile -l "$wheel" | awk 'NR > 1 { print $1 }' |
        grep -vE '^consilico(-[0-9.]+\.dist-info)?/' || true)
    [ -z "$others" ] || fail "the wheel puts more than consilico/ into site-packages: $others"
}

install_beside_others() { # sees the packages of .venv
    "$python" -m venv --without-pip "$work/full"
    "$python" -m pip --python "$work/full/bin/python" install --quiet --no-deps "$wheel"
    "$python" -c 'import sys; print(*(x for x in sys.path if x.endswith("-packages")), sep="\n")' \
        >"$("$work/full/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/others.pth"
}

install_light() {
    "$python" -m venv "$work/light"
    "$work/light/bin/python" -m pip install --quiet --quiet --disable-pip-version-check \
        --constraint "$root/constraints.txt" "$wheel"
    ! "$work/light/bin/python" -c 'import torch' 2>/dev/null || fail "a plain installation has torch"
}

expect() { # status, then a command of $bin, run in $here; its output is in $work/output
    local status=0 expected=$1
    shift
    (cd "$here" && "$bin/consilico" "$@") >"$work/output" 2>&1 || status=$?
    [ "$status" = "$expected" ] || fail "consilico $*: status $status: $(tail -n 5 "$work/output")"
    say "consilico $*"
}

light_commands() {
    expect 0 --version
    expect 0 list
    expect 0 generate matmul/dot --set lanes=4
    expect 0 estimate consmax/log2
    expect 0 memory --model llama-7b --method q-galore --gpu rtx4060ti-16gb
    expect 0 memory-sweep --model llama-60m --batches 1..4
    expect 0 training-hw --model llama-60m
    expect 0 buffer --words 64 --bits 8
    expect 0 scale --from nangate45 --to asap7 --area-um2 1000
    expect 0 pdk list
    expect 0 report --help
}

refuses_without() { # extra, then the command that needs it
    local extra=$1
    shift
    expect 2 "$@"
    grep -qF "pip install 'consilico[$extra]'" "$work/output" ||
        fail "consilico $1 does not name the extra $extra: $(cat "$work/output")"
}

build
say "$(basename "$wheel"), next to the packages of .venv"
install_beside_others
bin=$work/full/bin
expect 0 list
expect 0 generate matmul/dot --set lanes=4
expect 0 estimate consmax/log2
expect 0 memory --model llama-7b --method q-galore --gpu rtx4060ti-16gb
expect 0 report --help
expect 0 doctor
expect 0 verify training/stochastic_round
[ -z "$(ls -A "$here")" ] || fail "commands leave files behind: $(ls -A "$here")"

say "in a folder with a user's own sim/, hw/, golden/, reports/ and tests/"
here=$work/user
for name in sim hw golden reports tests; do
    mkdir -p "$here/$name"
    echo "raise ImportError('this is the user\'s own $name')" >"$here/$name/__init__.py"
done
rm -rf "$CONSILICO_CACHE/verify" # simulated again, with the same builds
PYTHONPATH=$here expect 0 verify training/stochastic_round

say "a testbench of a user's own, from a folder of its own"
here=$work/bench
mkdir "$here"
cp "$root"/examples/testbench/{bench_plain,bench_axi,test_consmax}.py "$here"
expect 0 test bench_plain.py --unit consmax/log2 --set lanes=4 --sim verilator
[ "$(find "$here" -type f -not -path '*/__pycache__/*' | wc -l)" = 3 ] || fail "consilico test leaves files behind"
(cd "$here" && "$bin/python" -m pytest -q -p no:cacheprovider -k axi test_consmax.py) >"$work/output" 2>&1 ||
    fail "pytest: $(tail -n 5 "$work/output")"
say "pytest with the fixture simulate"

say "what a plain installation brings"
here=$work/empty
install_light
bin=$work/light/bin
light_commands
refuses_without verify verify training/stochastic_round
refuses_without verify test "$root/examples/testbench/bench_plain.py" --unit consmax/log2
refuses_without silicon implement consmax/log2
refuses_without report report
refuses_without hf memory --model llama-60m --engine execute
refuses_without cluster explore "$root/examples/space.toml" --workers dask:tcp://127.0.0.1:1
refuses_without plot memory --model llama-60m --plot memory.png
[ -z "$(ls -A "$here")" ] || fail "commands leave files behind: $(ls -A "$here")"
say "right; a plain installation takes $(du -sm "$work/light" | cut -f1) MB"
