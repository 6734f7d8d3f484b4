#!/bin/sh
# Makes a virtual environment, if there is none, and installs a lock into it; `make` calls this.
#   requirements/install.sh LOCK VENV [PYTHON]
#   requirements/install.sh --check-python VENV [PYTHON]    only says whether that Python will do
set -eu
lock=$1 venv=$2 named=${3:-}
folder=$(dirname "$0")
index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
oldest=11 newest=13

stop() {
    echo "$1" >&2
    exit 3
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null ||
        stop "rankgen needs Python 3.$oldest to 3.$newest and $1 cannot be run; name one with make PYTHON=python3.$oldest"
}

check_python() {
    python=${named:-python3}
    if [ -x "$venv/bin/python" ]; then
        version=$(version_of "$venv/bin/python")
        if [ -n "$named" ]; then
            asked=$(version_of "$named")
            [ "$asked" = "$version" ] ||
                stop "$venv was made with Python $version and $named is Python $asked; make clean-venv removes it"
        fi
        python=$venv/bin/python
    else
        version=$(version_of "$python")
    fi
    minor=${version#3.}
    case $version in 3.*) ;; *) minor=0 ;; esac
    if [ "$minor" -lt "$oldest" ] || [ "$minor" -gt "$newest" ]; then
        stop "rankgen needs Python 3.$oldest to 3.$newest and $python is Python $version; name one with make PYTHON=python3.$newest"
    fi
}

check_other_lock() {
    for stamp in "$venv"/installed-*; do
        [ -e "$stamp" ] || continue
        [ "${stamp##*/installed-}" = "$(echo "$lock" | tr / -)" ] ||
            stop "$venv holds another lock (${stamp##*/installed-}), whose vLLM and faiss would be mixed with those of $lock; make clean-venv removes it"
    done
}

pip_install() {
    "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --progress-bar off "$@"
}

# How often pip found no such version; with a constraint file it calls that impossible to resolve.
times_not_found() {
    grep -c -E "No matching distribution|ResolutionImpossible" "$1"
}

# The CPU build is not on PyPI: asked are the package index of this machine, then PyTorch's own.
install_cpu_torch() {
    errors=$venv/torch-errors.txt
    pip_install --no-deps "torch==$torch" 2>"$errors" && return
    if [ "$(times_not_found "$errors")" = 1 ]; then
        pip_install --no-deps --index-url "$index" "torch==$torch" 2>>"$errors" && return
    fi
    if [ "$(times_not_found "$errors")" = 2 ]; then
        echo "PyTorch $torch is neither on this machine's package index nor at $index:"
        echo "installing PyTorch ${torch%+cpu} for CUDA with its libraries instead, which computes on the CPU too (4 GB more)…"
        pip_install --constraint "$folder/gpu.lock" "torch===${torch%+cpu}" 2>>"$errors" && return
    fi
    cat "$errors" >&2
    stop "PyTorch $torch cannot be installed: pip's own words stand above; another index of CPU builds is named with make TORCH_INDEX=URL"
}

check_python
[ "$lock" != --check-python ] || exit 0
check_other_lock
torch=$(sed -n 's/^torch==//p' "$lock")
case $torch in *+cpu) size="4 GB" ;; *) size="10 GB" ;; esac
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "Installing $lock into $venv (Python $version, about $size, some minutes)…"
case $torch in
*+cpu) install_cpu_torch ;;
# Three equal signs: 2.13.0+cpu of another index would satisfy two.
*) pip_install --no-deps "torch===$torch" ||
    stop "PyTorch $torch for CUDA cannot be installed: pip's own words stand above" ;;
esac
sed '/^torch==/d' "$lock" >"$venv/lock-without-torch.txt"
pip_install --no-deps -r "$venv/lock-without-torch.txt" ||
    stop "$lock cannot be installed: pip's own words stand above"
case $torch in *+cpu) exit 0 ;; esac
cuda=$("$venv/bin/python" -c 'import torch; print(torch.version.cuda)') ||
    stop "PyTorch $torch was installed from $lock and cannot be imported: its own words stand above"
[ "$cuda" != None ] ||
    stop "$lock is for GPUs and the PyTorch that was installed is a CPU build (torch.version.cuda is None); pip config list shows where this machine's pip takes it from"
